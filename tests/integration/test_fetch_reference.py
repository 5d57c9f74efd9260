"""The reference by git, from a repository of our own: shallow, proven, restored, and offline afterwards."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from git_repository import git, start_repository

from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.artifacts.manifest import Manifest, write_lock
from weighbridge.artifacts.proof import Proof
from weighbridge.artifacts.resolve import resolve
from weighbridge.config.artifact_settings import Artifact
from weighbridge.core.errors import SetupError


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    folder = tmp_path / "origin"
    start_repository(folder)
    (folder / "tools").mkdir()
    for version in ("one", "two", "three"):
        (folder / "tools" / "check.py").write_bytes(f"print({version!r})\r\n".encode())
        (folder / "README.md").write_text(f"{version}\n")
        (folder / ".gitattributes").write_text("*.md text\n")
        git(folder, "add", ".")
        git(folder, "commit", "--quiet", "-m", version)
    return folder


@pytest.fixture
def pin(origin: Path) -> Artifact:
    """The middle commit: neither a branch's tip nor the first."""
    return Artifact(repo=f"file://{origin}", revision=git(origin, "rev-parse", "HEAD~1"))


def fetch(tmp_path: Path, pin: Artifact) -> Proof:
    return resolve(pin, ArtifactKind.REFERENCE, tmp_path / "reference", tmp_path / "reference.json")


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not {".git", ".cache"} & set(path.relative_to(folder).parts)
    }


EXPECTED = {"tools/check.py": b"print('two')\r\n", "README.md": b"two\n", ".gitattributes": b"*.md text\n"}


def test_the_pinned_commit_arrives_without_history(tmp_path: Path, pin: Artifact) -> None:
    proof = fetch(tmp_path, pin)
    folder = tmp_path / "reference"
    assert files(folder) == EXPECTED
    assert git(folder, "rev-parse", "HEAD") == pin.revision == proof.revision
    assert git(folder, "rev-list", "--count", "HEAD") == "1"
    assert {entry.path for entry in proof.files} == set(EXPECTED)
    assert Proof.read(tmp_path / "reference.json") == proof


def test_a_second_fetch_needs_no_origin(tmp_path: Path, pin: Artifact, origin: Path) -> None:
    first = fetch(tmp_path, pin)
    shutil.rmtree(origin)
    assert fetch(tmp_path, pin) == first


def test_another_revision_replaces_the_files(tmp_path: Path, pin: Artifact, origin: Path) -> None:
    fetch(tmp_path, pin)
    later = pin.model_copy(update={"revision": git(origin, "rev-parse", "HEAD")})
    fetch(tmp_path, later)
    assert files(tmp_path / "reference")["README.md"] == b"three\n"


def test_changed_missing_and_foreign_files_are_repaired(
    tmp_path: Path, pin: Artifact, origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gitconfig").write_text("[core]\n\ttrustctime = false\n\tcheckStat = minimal\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    fetch(tmp_path, pin)
    folder = tmp_path / "reference"
    shutil.rmtree(origin)
    changed = folder / "tools" / "check.py"
    # Old enough for git to believe its index: what it wrote in the same second, it reads again anyway.
    os.utime(changed, (1_600_000_000, 1_600_000_000))
    git(folder, "update-index", "--refresh")
    changed.write_bytes(b"print('bad')\r\n")  # same size and, below, same mtime: git's index cannot tell
    os.utime(changed, (1_600_000_000, 1_600_000_000))
    assert git(folder, "status", "--porcelain", "--untracked-files=no") == ""
    (folder / "README.md").unlink()
    (folder / "mine.txt").write_text("keep")
    fetch(tmp_path, pin)
    assert files(folder) == EXPECTED
    assert (folder / ".cache/weighbridge/set-aside/mine.txt").read_text() == "keep"


def test_a_damaged_object_is_fetched_again(tmp_path: Path, pin: Artifact) -> None:
    fetch(tmp_path, pin)
    blob = git(tmp_path / "reference", "rev-parse", "HEAD:README.md")
    stored = tmp_path / "reference" / ".git" / "objects" / blob[:2] / blob[2:]
    stored.chmod(0o644)
    content = bytearray(stored.read_bytes())
    content[len(content) // 2] ^= 0xFF
    stored.write_bytes(content)
    fetch(tmp_path, pin)
    assert stored.read_bytes() != content
    assert files(tmp_path / "reference") == EXPECTED


def test_what_a_killed_git_leaves_does_not_block(tmp_path: Path, pin: Artifact) -> None:
    fetch(tmp_path, pin)
    for name in ("index.lock", "shallow.lock"):
        (tmp_path / "reference" / ".git" / name).touch()
    (tmp_path / "reference" / "README.md").unlink()
    fetch(tmp_path, pin)
    assert files(tmp_path / "reference") == EXPECTED


def test_the_users_line_endings_do_not_change_files(
    tmp_path: Path, pin: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gitconfig").write_text("[core]\n\tautocrlf = true\n\teol = crlf\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    assert fetch(tmp_path, pin)
    assert files(tmp_path / "reference") == EXPECTED


def test_a_mirror_is_set_as_git_sets_it(
    tmp_path: Path, pin: Artifact, origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gitconfig").write_text(
        f'[url "file://{origin}"]\n\tinsteadOf = https://github.com/some/thing\n'
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    fetch(tmp_path, pin.model_copy(update={"repo": "some/thing"}))
    assert files(tmp_path / "reference") == EXPECTED


def test_a_surrounding_git_hook_does_not_mislead(
    tmp_path: Path, pin: Artifact, origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(origin / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(origin / ".git" / "index"))
    fetch(tmp_path, pin)
    assert files(tmp_path / "reference") == EXPECTED


def test_an_unknown_commit_is_one_sentence(tmp_path: Path, pin: Artifact) -> None:
    with pytest.raises(SetupError, match=f"it has no commit {'f' * 40}; correct its revision") as caught:
        fetch(tmp_path, pin.model_copy(update={"revision": "f" * 40}))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "reference.json").exists()


def test_an_unreachable_repository_is_one_sentence(tmp_path: Path, pin: Artifact) -> None:
    with pytest.raises(SetupError, match=r"git cannot fetch it .* check the network") as caught:
        fetch(tmp_path, pin.model_copy(update={"repo": f"file://{tmp_path}/nowhere"}))
    assert "\n" not in str(caught.value)


def test_a_lock_that_differs_is_an_error(tmp_path: Path, pin: Artifact) -> None:
    proof = fetch(tmp_path, pin)
    write_lock(tmp_path / "lock.json", Manifest(files=proof.files))
    locked = pin.model_copy(update={"manifest": tmp_path / "lock.json"})
    assert fetch(tmp_path, locked) == proof
    write_lock(tmp_path / "lock.json", Manifest(files=proof.files[1:]))
    with pytest.raises(SetupError, match="is not as locked"):
        fetch(tmp_path, locked)


def test_without_git_the_sentence_says_so(
    tmp_path: Path, pin: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match="git is not installed"):
        fetch(tmp_path, pin)


def test_the_command_takes_a_repository_and_its_prompt(tmp_path: Path, pin: Artifact) -> None:
    command = [sys.executable, "-c", "from weighbridge.cli import main; main()"]
    proof = tmp_path / "reference.json"
    fetched = [*command, "fetch", "--kind", "reference", "--artifact", pin.model_dump_json()]
    fetched += ["--into", str(tmp_path / "reference"), "--proof", str(proof)]
    subprocess.run(fetched, check=True, capture_output=True)
    rounds = Path(__file__).parents[2] / "src" / "weighbridge" / "benchmarks" / "qwen3_vl" / "rounds"
    extract = [*command, "extract-prompt", "--reference", str(proof), "--round", str(rounds / "v6.0.yaml")]
    done = subprocess.run(
        [*extract, "--out", str(tmp_path / "prompt.json")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert "task.py: missing or changed since the reference was verified" in done.stderr
