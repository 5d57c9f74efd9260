"""The commands verify and lock, as a person calls them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CLI = [sys.executable, "-c", "from weighbridge.cli import main; main()"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "model"
    folder.mkdir()
    for name, content in {"config.json": "{}", "model.safetensors": "weights"}.items():
        (folder / name).write_text(content)
        os.utime(folder / name, (1_600_000_000, 1_600_000_000))
    return folder


def call(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*CLI, *map(str, arguments)], capture_output=True, text=True, check=False)


def test_a_folder_is_as_its_lock_says(folder: Path, tmp_path: Path) -> None:
    locked = call("lock", folder, "--out", tmp_path / "lock.json")
    assert locked.returncode == 0
    verified = call("verify", folder, "--lock", tmp_path / "lock.json")
    assert verified.returncode == 0
    assert "2 files match the lock" in verified.stdout
    assert verified.stdout.split("sha256 ")[1] == locked.stdout.split("sha256 ")[1]


def test_full_finds_what_size_and_mtime_hide(folder: Path, tmp_path: Path) -> None:
    lock = tmp_path / "lock.json"
    call("lock", folder, "--out", lock)
    (folder / "model.safetensors").write_text("WEIGHTS")
    os.utime(folder / "model.safetensors", (1_600_000_000, 1_600_000_000))
    assert call("verify", folder, "--lock", lock).returncode == 0
    full = call("verify", folder, "--lock", lock, "--full")
    assert full.returncode == 3
    assert "model.safetensors: expected sha256" in full.stderr


def test_a_read_only_folder_can_be_verified(folder: Path, tmp_path: Path) -> None:
    call("lock", folder, "--out", tmp_path / "lock.json")
    folder.chmod(0o555)
    try:
        assert call("verify", folder, "--lock", tmp_path / "lock.json", "--full").returncode == 0
    finally:
        folder.chmod(0o755)


def test_a_missing_lock_is_an_input_error(folder: Path, tmp_path: Path) -> None:
    done = call("verify", folder, "--lock", tmp_path / "none.json")
    assert done.returncode == 2
    assert "weighbridge lock FOLDER --out" in done.stderr


def test_a_missing_folder_is_one_sentence(folder: Path, tmp_path: Path) -> None:
    call("lock", folder, "--out", tmp_path / "lock.json")
    done = call("verify", tmp_path / "nowhere", "--lock", tmp_path / "lock.json")
    assert done.returncode == 3
    assert "nowhere: the folder does not exist" in done.stderr


@pytest.mark.parametrize(
    ("artifact", "sentence"),
    [
        ('{"repo": "a/b", "revision": "main"}', "never a branch or tag"),
        ('{"repo": "a/b"}', "set 'repo' and 'revision'"),
        ('{"rep": "a/b"}', "unknown key 'artifact.rep'"),
        ("{", "not JSON"),
    ],
)
def test_wrong_settings_are_one_sentence(tmp_path: Path, artifact: str, sentence: str) -> None:
    paths = ["--into", tmp_path / "into", "--proof", tmp_path / "proof.json"]
    done = call("fetch", "--kind", "model", "--artifact", artifact, *paths)
    assert done.returncode == 2
    assert sentence in done.stderr.splitlines()[-1]
