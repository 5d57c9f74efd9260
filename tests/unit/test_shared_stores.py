"""Stores that run directories share: encoded once, never trusted blindly, and never in the way."""

import errno
import fcntl
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from weighbridge.core.file_sharing import share_file
from weighbridge.records.store_manifest import MANIFEST_FILE, StoreManifest, StoreOrigin
from weighbridge.requests.bodies import BODIES_FILE, INDEX_FILE
from weighbridge.requests.shared_stores import Recipe, shared_store
from weighbridge.requests.store import RequestStore, write_store

FILES = (BODIES_FILE, INDEX_FILE, MANIFEST_FILE)


class Kitchen:
    """Makes stores, and counts how often one was encoded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache: Path | None = folder / "cache"
        self.encoded = self.looked = 0

    def __call__(self, name: str, model: str = "tiny", prompts: str = "ab") -> Path:
        out = self.folder / name / "requests"
        prefix = f'{{"model":"{model}","prompt":"'

        def build() -> StoreManifest:
            self.encoded += 1
            origin = StoreOrigin(benchmark="t", model_name=model, prefix=prefix, suffix='"}')
            return write_store(out, (f'{prefix}{each}"}}'.encode() for each in prompts), lambda: origin)

        recipe = Recipe({"prompts": prompts}, model, lambda: ((prefix, '"}'), None))

        def look() -> None:
            self.looked += 1

        shared_store(self.cache, recipe, out, build, look)
        return out

    @property
    def shared(self) -> list[Path]:
        assert self.cache is not None
        return sorted(path.parent for path in self.cache.glob(f"*/*/{MANIFEST_FILE}"))


@pytest.fixture
def kitchen(tmp_path: Path) -> Iterator[Kitchen]:
    made = Kitchen(tmp_path)
    yield made
    assert not list(tmp_path.rglob(".unfinished.*"))
    assert not list(tmp_path.rglob(".requests.*"))


def bodies(store: Path) -> list[bytes]:
    opened = RequestStore.open(store)
    return [bytes(opened.body(number)) for number in range(len(opened))]


def test_a_second_run_directory_encodes_nothing_and_takes_no_room(kitchen: Kitchen) -> None:
    first, second = kitchen("one"), kitchen("two")
    assert kitchen.encoded == 1
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in FILES)
    # Of one's own, because Snakemake compares its time with those of other files.
    assert (first / MANIFEST_FILE).stat().st_ino != (second / MANIFEST_FILE).stat().st_ino
    # Snakemake refuses outputs that cannot be written.
    assert all((second / name).stat().st_mode & 0o200 for name in FILES)


def test_the_disk_holds_linked_bodies_once(kitchen: Kitchen) -> None:
    first, second = kitchen("one"), kitchen("two")
    if share_file(first / BODIES_FILE, kitchen.folder / "clone") == "a reflink":
        pytest.skip("needs a file system that has no reflinks")
    inodes = {(store / BODIES_FILE).stat().st_ino for store in (first, second, *kitchen.shared)}
    assert len(inodes) == 1
    (first / BODIES_FILE).unlink()
    assert bodies(second) == bodies(kitchen.shared[0])


def test_another_name_of_the_model_encodes_nothing_and_changes_every_body(kitchen: Kitchen) -> None:
    kitchen("one")
    renamed = kitchen("two", model="another")
    assert kitchen.encoded == 1
    assert bodies(renamed) == [b'{"model":"another","prompt":"a"}', b'{"model":"another","prompt":"b"}']
    assert RequestStore.open(renamed).manifest.model_name == "another"
    assert len(kitchen.shared) == 2
    alone = Kitchen(kitchen.folder / "alone")
    encoded = alone("three", model="another")
    assert all((renamed / name).read_bytes() == (encoded / name).read_bytes() for name in FILES)


def test_other_prompts_are_encoded(kitchen: Kitchen) -> None:
    kitchen("one")
    assert bodies(kitchen("two", prompts="xyz"))[2] == b'{"model":"tiny","prompt":"z"}'
    assert kitchen.encoded == 2


def test_what_is_not_encoded_is_looked_at(kitchen: Kitchen) -> None:
    kitchen("one")
    assert kitchen.looked == 0
    kitchen("two")
    kitchen("three", model="another")
    assert (kitchen.encoded, kitchen.looked) == (1, 2)


def test_what_a_killed_command_left_is_removed(kitchen: Kitchen) -> None:
    kitchen("one")
    place = kitchen.shared[0]
    (place / BODIES_FILE).unlink()
    left = place.with_name(f".unfinished.{place.name}.k1ll3d")
    left.mkdir()
    (left / BODIES_FILE).write_bytes(b"half")
    kitchen("two")
    assert not left.exists()
    assert kitchen.shared == [place]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", [b"", b"x", None])
def test_a_damaged_store_is_made_again(
    kitchen: Kitchen, name: str, damage: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    right = bodies(kitchen("one"))
    damaged = kitchen.shared[0] / name
    damaged.unlink()
    if damage is not None:
        damaged.write_bytes(damage)
    assert bodies(kitchen("two")) == right
    assert kitchen.encoded == 2
    assert bodies(kitchen.shared[0]) == right
    assert damage is None or "is damaged and is made again" in caplog.text


def test_an_edit_in_one_run_directory_reaches_no_other_unseen(kitchen: Kitchen) -> None:
    first = kitchen("one")
    right = bodies(first)
    with (first / BODIES_FILE).open("r+b") as file:  # in place, so a hard link is edited everywhere
        file.seek(20)
        file.write(b"Q")
    assert bodies(kitchen("two")) == right


def test_a_store_of_another_user_is_not_used(
    kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kitchen("one")
    if (owner := kitchen.shared[0].stat().st_uid) == 0:
        for path in (kitchen.shared[0], *kitchen.shared[0].iterdir()):
            os.chown(path, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    kitchen("two")
    assert kitchen.encoded == 2
    assert "belongs to another user" in caplog.text


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_cache_that_cannot_be_written_costs_only_time(
    kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    make = tempfile.mkdtemp

    def fail(*, prefix: str, **place: Path) -> str:
        if prefix.startswith(".unfinished."):
            raise OSError(number, os.strerror(number))
        return make(prefix=prefix, **place)

    monkeypatch.setattr(tempfile, "mkdtemp", fail)
    assert len(bodies(kitchen("one"))) == 2
    assert f"not shared with other run directories ({os.strerror(number)})" in caplog.text
    assert kitchen.shared == []


def test_a_cache_in_a_place_that_is_no_folder_costs_only_time(kitchen: Kitchen) -> None:
    kitchen.cache = kitchen.folder / "file"
    kitchen.cache.write_text("")
    assert len(bodies(kitchen("one"))) == 2


def test_a_cache_of_another_file_system_is_copied_from(
    kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other_device(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", other_device)
    assert bodies(kitchen("one")) == bodies(kitchen("two"))
    assert kitchen.encoded == 1


def test_a_store_that_cannot_be_taken_costs_only_time(
    kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    right = bodies(kitchen("one"))

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(shutil, "copyfile", fail)
    assert bodies(kitchen("two")) == right
    assert "cannot be taken (Input/output error); the requests are made again" in caplog.text


def test_an_interrupted_command_leaves_nothing_in_the_cache(
    kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "link", interrupt)
    monkeypatch.setattr(fcntl, "ioctl", interrupt)
    with pytest.raises(KeyboardInterrupt):
        kitchen("one")
    assert kitchen.shared == []


def test_two_at_once_encode_once(kitchen: Kitchen) -> None:
    threads = [threading.Thread(target=kitchen, args=(name,)) for name in ("one", "two", "three")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert kitchen.encoded == 1
    assert len(bodies(kitchen.folder / "three" / "requests")) == 2


def test_without_a_cache_every_store_is_encoded(kitchen: Kitchen) -> None:
    kitchen.cache = None
    kitchen("one")
    kitchen("two")
    assert kitchen.encoded == 2
