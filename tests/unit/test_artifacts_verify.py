"""Verification: every kind of difference is named, nothing is touched, and a stamp spares hashing."""

import logging
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from weighbridge.artifacts import verify as module
from weighbridge.artifacts.manifest import Manifest
from weighbridge.artifacts.verify import HashCache, describe, verify
from weighbridge.core.errors import SetupError

LONG_AGO_NS = 1_600_000_000_000_000_000


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    for path, content in {"config.json": "{}", "part/one": "1" * 5000, "part/two": "2" * 3_000_000}.items():
        write(folder / path, content)
    return folder


def write(file: Path, content: str, mtime_ns: int = LONG_AGO_NS) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    os.utime(file, ns=(mtime_ns, mtime_ns))


def everything(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_describe_hashes_what_sha256sum_hashes(folder: Path) -> None:
    manifest = describe(folder)
    command = ["sha256sum", "config.json", "part/one", "part/two"]
    listed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    assert listed == "".join(f"{entry.sha256}  {entry.path}\n" for entry in manifest.files)
    assert [entry.size for entry in manifest.files] == [2, 5000, 3_000_000]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda f: (f / "part/one").unlink(), "part/one: expected 5000 bytes, found no such file"),
        (lambda f: write(f / "extra.bin", "x"), "extra.bin: expected no such file, found 1 bytes"),
        (lambda f: write(f / "part/one", "1" * 4999), "part/one: expected 5000 bytes, found 4999 bytes"),
        (
            lambda f: write(f / "config.json", "[]", LONG_AGO_NS + 1),
            "config.json: expected sha256 44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a, "
            "found 4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945",
        ),
    ],
    ids=["missing", "extra", "short", "changed"],
)
def test_a_difference_is_named_and_nothing_is_touched(
    folder: Path, damage: Callable[[Path], None], says: str
) -> None:
    lock = describe(folder)
    verify(folder, lock)
    damage(folder)
    before = everything(folder)
    with pytest.raises(SetupError, match="is not as locked") as caught:
        verify(folder, lock)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert everything(folder) == before


def test_of_many_differences_the_first_is_said_and_all_are_logged(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lock = describe(folder)
    (folder / "part/one").unlink()
    (folder / "part/two").unlink()
    with pytest.raises(SetupError, match=r"part/one: .* 1 more files"):
        verify(folder, lock)
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.getMessage().split(":")[0] for record in errors] == ["part/one", "part/two"]


def test_a_missing_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="does not exist"):
        verify(tmp_path / "nowhere", Manifest(files=()))


def test_a_file_with_its_stamp_is_not_read_again_unless_in_full(folder: Path) -> None:
    lock = describe(folder)
    write(folder / "config.json", "[]")  # same size, same mtime: only reading it could tell
    verify(folder, lock)
    with pytest.raises(SetupError, match=r"config\.json"):
        verify(folder, lock, full=True)


def test_a_full_hash_corrects_a_wrong_stamp(folder: Path) -> None:
    lock = describe(folder)
    write(folder / "config.json", "[]")
    with pytest.raises(SetupError):
        verify(folder, lock, full=True)
    with pytest.raises(SetupError):
        verify(folder, lock)


def test_a_file_just_written_gets_no_stamp(folder: Path) -> None:
    now_ns = time.time_ns()
    write(folder / "config.json", "{}", now_ns)
    lock = describe(folder)
    write(folder / "config.json", "[]", now_ns)
    with pytest.raises(SetupError, match=r"config\.json"):
        verify(folder, lock)


def test_hashes_lie_in_the_users_cache_and_not_in_the_folder(folder: Path, cache: Path) -> None:
    before = everything(folder)
    describe(folder)
    assert everything(folder) == before
    assert list((cache / "weighbridge" / "stamps").iterdir())


@pytest.mark.parametrize("damaged", ["", "[]", '{"config.json": 1}', '{"config.json": [2, "x", "y"]}'])
def test_damaged_hashes_count_as_none(folder: Path, cache: Path, damaged: str) -> None:
    lock = describe(folder)
    (cached,) = (cache / "weighbridge" / "stamps").iterdir()
    cached.write_text(damaged)
    write(folder / "config.json", "[]")
    with pytest.raises(SetupError, match=r"config\.json"):
        verify(folder, lock)


def test_a_cache_that_cannot_be_written_costs_only_time(
    folder: Path, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache.write_text("a file where the folder should be")
    verify(folder, describe(folder))
    assert "will be hashed again" in caplog.text


def test_hashes_of_two_folders_are_apart(folder: Path, tmp_path: Path) -> None:
    describe(folder)
    other = tmp_path / "other"
    write(other / "config.json", "[]")
    assert HashCache(other).sha256("config.json", (other / "config.json").stat()) is None


def test_an_interrupted_verification_keeps_the_hashes_it_has(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = []

    def record(self: HashCache, path: str, stat: os.stat_result, sha256: str) -> None:
        if len(hashed) == 2:
            raise KeyboardInterrupt
        hashed.append(path)
        original(self, path, stat, sha256)

    original = HashCache.record
    monkeypatch.setattr(HashCache, "record", record)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    with pytest.raises(KeyboardInterrupt):
        describe(folder)
    kept = HashCache(folder)
    assert (
        [path for path in hashed if kept.sha256(path, (folder / path).stat())]
        == hashed
        == ["part/two", "part/one"]
    )


def test_a_file_that_changes_meanwhile_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = describe(folder)
    two = folder / "part" / "two"
    os.utime(two, ns=(LONG_AGO_NS + 1, LONG_AGO_NS + 1))

    def sha256(file: Path, advance: object) -> str:
        result = original(file, advance)
        write(two, "3" * 3_000_000, LONG_AGO_NS + 2)
        return result

    original = module._sha256
    monkeypatch.setattr(module, "_sha256", sha256)
    with pytest.raises(SetupError, match="part/two: changes while it is verified"):
        verify(folder, lock)


def test_a_file_that_cannot_be_read_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = describe(folder)

    def sha256(file: Path, advance: object) -> str:
        raise OSError(5, "Input/output error", str(file))

    monkeypatch.setattr(module, "_sha256", sha256)
    with pytest.raises(SetupError, match="cannot be read \\(Input/output error\\)"):
        verify(folder, lock, full=True)
