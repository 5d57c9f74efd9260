"""The official client, fetched from a git server of our own or in a checkout: proven, or refused."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from git_repository import git, start_repository
from unpacking import unpack

from weighbridge.artifacts.checked_out import proven_checkout
from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.artifacts.manifest import Manifest, write_lock
from weighbridge.artifacts.proof import Proof
from weighbridge.artifacts.resolve import resolve
from weighbridge.config.artifact_settings import Artifact
from weighbridge.core.errors import InputError, SetupError
from weighbridge.endpoints.client_environment import client_environment

MAIN = "src/inference_endpoint/main.py"


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("server") / "origin"
    start_repository(folder)
    (folder / MAIN).parent.mkdir(parents=True)
    (folder / MAIN).write_bytes(b"print('client')\r\n")
    (folder / "link").symlink_to(MAIN)
    # Neither ends of lines nor git-lfs may come between the commit and the disk.
    (folder / ".gitattributes").write_text("*.py text eol=crlf\n*.bin filter=lfs\n")
    (folder / ".gitignore").write_text("*.so\n__pycache__/\n.venv/\n")
    (folder / "kept.bin").write_text(
        "version https://git-lfs.github.com/spec/v1\n"
        "oid sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\nsize 5\n"
    )
    git(folder, "-c", "filter.lfs.clean=cat", "add", ".")
    git(folder, "commit", "--quiet", "-m", "client")
    return folder


@pytest.fixture
def pin(origin: Path) -> Artifact:
    return Artifact(repo=f"file://{origin}", revision=git(origin, "rev-parse", "HEAD"))


@pytest.fixture
def checkout(tmp_path: Path, origin: Path) -> Path:
    folder = tmp_path / "checkout"
    git(
        origin.parent,
        "-c",
        "core.autocrlf=false",
        "clone",
        "--quiet",
        "--no-hardlinks",
        str(origin),
        str(folder),
    )
    git(folder, "config", "core.autocrlf", "false")
    (folder / ".git/info/attributes").write_text("* -text\n")
    git(folder, "rm", "--quiet", "-r", "--cached", ".")
    git(folder, "reset", "--quiet", "--hard")
    return folder


def prove(tmp_path: Path, pin: Artifact) -> Proof:
    return resolve(pin, ArtifactKind.CLIENT, tmp_path / "client", tmp_path / "client.json")


def in_place(tmp_path: Path, pin: Artifact, folder: Path) -> Proof:
    return prove(tmp_path, pin.model_copy(update={"path": folder}))


def test_the_client_is_fetched_as_it_is_stored_and_proven(
    tmp_path: Path, pin: Artifact, origin: Path, checkout: Path
) -> None:
    proof = prove(tmp_path, pin)
    folder = tmp_path / "client"
    assert (folder / MAIN).read_bytes() == git(origin, "show", f"HEAD:{MAIN}").encode() + b"\n"
    assert proof.tree == git(origin, "rev-parse", "HEAD^{tree}")
    assert proof.revision == pin.revision
    assert Proof.read(tmp_path / "client.json") == proof
    assert {entry.path for entry in proof.files} >= {MAIN, "link", "kept.bin"}
    assert not proven_checkout(folder, proof.revision).modified
    # The same commit elsewhere has the same proof, but for its place.
    assert in_place(tmp_path, pin, checkout) == proof.model_copy(update={"folder": checkout})


def test_a_proof_without_a_tree_is_as_it_was(tmp_path: Path, pin: Artifact) -> None:
    resolve(pin, ArtifactKind.REFERENCE, tmp_path / "reference", tmp_path / "reference.json")
    assert "tree" not in (tmp_path / "reference.json").read_text()


def test_a_flipped_byte_is_found_behind_gits_back(tmp_path: Path, pin: Artifact, checkout: Path) -> None:
    changed = checkout / MAIN
    os.utime(changed, (1_600_000_000, 1_600_000_000))
    git(checkout, "config", "core.trustctime", "false")
    git(checkout, "config", "core.checkStat", "minimal")
    git(checkout, "update-index", "--refresh")
    git(checkout, "update-index", "--assume-unchanged", MAIN)
    changed.write_bytes(changed.read_bytes().replace(b"client", b"Client"))
    os.utime(changed, (1_600_000_000, 1_600_000_000))
    assert git(checkout, "status", "--porcelain") == ""
    with pytest.raises(SetupError, match=f"the client is not as in commit {pin.revision}: {MAIN}: changed; "):
        in_place(tmp_path, pin, checkout)
    assert not (tmp_path / "client.json").exists()


def test_a_run_compares_the_tree_before_and_after(pin: Artifact, checkout: Path) -> None:
    assert pin.revision is not None
    before = proven_checkout(checkout, pin.revision)
    assert before.changed == ()
    # What runs leave, and what stands beside the sources, changes nothing.
    for harmless in (".venv/lib/x.py", "src/inference_endpoint/__pycache__/main.cpython-312.pyc"):
        (checkout / harmless).parent.mkdir(parents=True)
        (checkout / harmless).touch()
    assert proven_checkout(checkout, pin.revision) == before
    # Git ignores the first and knows the second; both would be imported.
    (checkout / "src/uvloop.so").touch()
    (checkout / "src/json.py").touch()
    git(checkout, "add", "src/json.py")
    (checkout / "link").unlink()
    (checkout / "notes.txt").touch()
    after = proven_checkout(checkout, pin.revision)
    assert after.modified
    assert after.tree == before.tree
    assert after.changed == (
        "link: missing, or no link",
        "notes.txt: not of the commit",
        "src/json.py: not of the commit",
        "src/uvloop.so: not of the commit",
    )


def test_a_file_of_git_lfs_may_be_its_pointer_or_itself(pin: Artifact, checkout: Path) -> None:
    assert pin.revision is not None
    (checkout / "kept.bin").write_text("hello")
    assert not proven_checkout(checkout, pin.revision).modified
    (checkout / "kept.bin").write_text("Hello")
    assert proven_checkout(checkout, pin.revision).changed == ("kept.bin: changed",)


@pytest.mark.parametrize("inside_another", [False, True])
def test_an_archive_is_refused(tmp_path: Path, pin: Artifact, origin: Path, inside_another: bool) -> None:
    folder = tmp_path / "outer" / "archive"
    folder.mkdir(parents=True)
    if inside_another:
        git(folder.parent, "init", "--quiet")
    git(origin, "archive", "--output", str(tmp_path / "client.tar"), "HEAD")
    unpack(tmp_path / "client.tar", folder)
    with pytest.raises(InputError, match="nothing proves an archive, a wheel or a folder inside another"):
        in_place(tmp_path, pin, folder)
    with pytest.raises(InputError, match="this is no folder; name a git checkout"):
        in_place(tmp_path, pin, tmp_path / "client.tar")


def test_another_commit_is_refused(tmp_path: Path, pin: Artifact, checkout: Path) -> None:
    git(checkout, "commit", "--quiet", "--allow-empty", "-m", "later")
    with pytest.raises(InputError, match=rf"is checked out, not {pin.revision}; run 'git -C"):
        in_place(tmp_path, pin, checkout)


@pytest.mark.parametrize("named", ["HEAD:kept.bin", "HEAD^{tree}"])
def test_a_damaged_object_is_refused_in_place(
    tmp_path: Path, pin: Artifact, checkout: Path, named: str
) -> None:
    name = git(checkout, "rev-parse", named)
    stored = checkout / ".git/objects" / name[:2] / name[2:]
    stored.chmod(0o644)
    content = bytearray(stored.read_bytes())
    content[len(content) // 2] ^= 0xFF
    stored.write_bytes(content)
    with pytest.raises(
        SetupError, match=rf"its git repository is damaged .*fetch commit {pin.revision} again"
    ):
        in_place(tmp_path, pin, checkout)


def test_a_replaced_commit_is_not_believed(tmp_path: Path, pin: Artifact, checkout: Path) -> None:
    (checkout / MAIN).write_text("print('other')\n")
    git(checkout, "commit", "--quiet", "-am", "other")
    other = git(checkout, "rev-parse", "HEAD")
    assert pin.revision is not None
    git(checkout, "replace", pin.revision, other)
    git(checkout, "update-ref", "HEAD", pin.revision)
    assert git(checkout, "status", "--porcelain") == ""
    with pytest.raises(SetupError, match=f"{MAIN}: changed"):
        in_place(tmp_path, pin, checkout)


def test_a_fetched_tree_is_repaired_and_never_a_repository_around_it(
    tmp_path: Path, pin: Artifact, origin: Path
) -> None:
    outer = tmp_path / "outer"
    git(tmp_path, "clone", "--quiet", "--no-hardlinks", str(origin), str(outer))
    (outer / "mine.txt").write_text("keep")
    pinned = resolve(pin, ArtifactKind.CLIENT, outer / "resources/client", tmp_path / "client.json")
    assert (outer / "mine.txt").exists()
    assert (pinned.folder / ".git").is_dir()
    (pinned.folder / MAIN).write_text("print('bad')\n")
    shutil.rmtree(pinned.folder / ".git")
    assert resolve(pin, ArtifactKind.CLIENT, outer / "resources/client", tmp_path / "client.json") == pinned


def test_a_checkout_may_belong_to_another_user(
    pin: Artifact, checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pin.revision is not None
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own switch
    asked = ["git", "-C", str(checkout), "rev-parse", "HEAD"]
    assert subprocess.run(asked, capture_output=True, check=False).returncode == 128
    assert not proven_checkout(checkout, pin.revision).modified
    # The client asks git too, for the commit that it reports.
    environment = client_environment(checkout, tmp_path, os.environ)
    environment["GIT_TEST_ASSUME_DIFFERENT_OWNER"] = "1"
    done = subprocess.run(asked, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == pin.revision, done.stderr


def test_a_manifest_beside_a_checkout_must_agree(tmp_path: Path, pin: Artifact, checkout: Path) -> None:
    proof = in_place(tmp_path, pin, checkout)
    lock = tmp_path / "lock.json"
    locked = pin.model_copy(update={"manifest": lock})
    write_lock(lock, Manifest(files=proof.files))
    assert in_place(tmp_path, locked, checkout) == proof
    write_lock(lock, Manifest(files=proof.files[1:]))
    with pytest.raises(SetupError, match="but not as its manifest says"):
        in_place(tmp_path, locked, checkout)


def test_the_command_proves_a_checkout(tmp_path: Path, pin: Artifact, checkout: Path) -> None:
    command = [sys.executable, "-m", "weighbridge", "fetch", "--kind", "client"]
    command += ["--artifact", pin.model_copy(update={"path": checkout}).model_dump_json()]
    command += ["--into", str(tmp_path / "client"), "--proof", str(tmp_path / "client.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"files proven in {checkout}" in done.stdout
    assert git(checkout, "status", "--porcelain") == ""
