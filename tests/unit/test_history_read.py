"""Histories are found and read, whatever else lies there; and pruned, without the newest."""

import json
import logging
import random
from pathlib import Path

import pytest
from fuzzing import few, mutated_file
from history_entries import history_entry, speed, write_entries
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.errors import InputError
from weighbridge.history.entry_files import newest_file
from weighbridge.history.prune import prunable, remove_entries
from weighbridge.history.read_history import read_histories, run_directories
from weighbridge.records.history_entry import LATEST

NAME = "20261101T090000.000Z-verdict-offline.json"


def _write(run: Path, *values: float, **more: object) -> list[Path]:
    return write_entries(run, *(history_entry(0, speed(value), **more) for value in values))


def test_run_directories_are_roots_their_folders_and_those_of_runs(tmp_path: Path) -> None:
    for place in (".", "a", "runs/b", "runs/c/deeper", "other/d", ".hidden"):
        _write(tmp_path / place, 1)
    assert run_directories([tmp_path]) == (tmp_path, tmp_path / "a", tmp_path / "runs" / "b")
    assert run_directories([tmp_path / "runs"]) == (tmp_path / "runs" / "b",)
    assert run_directories([tmp_path / "a", tmp_path / "a" / "history", tmp_path]) == (
        tmp_path / "a",
        tmp_path,
        tmp_path / "runs" / "b",
    ), "each once, under its first name"


def test_entries_come_in_the_order_of_time_with_their_run_directory(tmp_path: Path) -> None:
    for run, value in (("b", 1), ("a", 2), ("b", 3)):
        _write(tmp_path / run, value)
    entries = read_histories([tmp_path])
    assert [(each.entry.measures[0].value, each.run_directory.name) for each in entries] == [
        (1, "b"),
        (2, "a"),
        (3, "b"),
    ]


@pytest.mark.parametrize("place", ["missing", "file"])
def test_a_root_must_be_a_folder(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=f"{place}: there is no such folder"):
        read_histories([tmp_path / place])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (NAME, "{"),
        (NAME, '{"schema_version": 2}'),
        (NAME, b"\xff\xfe"),
        ("notes.json", "{}"),
        (NAME, None),
    ],
    ids=["cut off", "of a later release", "no text", "foreign", "a folder"],
)
def test_what_is_no_entry_is_named_and_left_out(
    name: str, content: str | bytes | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _write(tmp_path, 1)
    odd = tmp_path / "history" / name
    if content is None:
        odd.mkdir()
    else:
        odd.write_bytes(content if isinstance(content, bytes) else content.encode())
    with caplog.at_level(logging.WARNING):
        [only] = read_histories([tmp_path])
    assert only.entry.measures[0].value == 1
    [warning] = caplog.messages
    assert str(odd) in warning
    assert "left out" in warning


@given(st.integers(min_value=0).map(random.Random))
@few(30)
def test_no_damage_stops_the_reading(tmp_path_factory: pytest.TempPathFactory, chance: random.Random) -> None:
    run = tmp_path_factory.mktemp("run")
    [file] = _write(run, 1)
    content = file.read_bytes()
    file.write_bytes(mutated_file(content, chance, suffix=".json"))
    assert len(read_histories([run])) <= 1


def test_pruning_keeps_the_newest_of_each_kind_and_name_in_each_run_directory(tmp_path: Path) -> None:
    for run in ("a", "b"):
        _write(tmp_path / run, 1, 2, 3)
        _write(tmp_path / run, 4, 5, name="server")
    entries = read_histories([tmp_path])
    found = prunable(entries, 2)
    assert [(each.run_directory.name, each.entry.measures[0].value) for each in found] == [("a", 1), ("b", 1)]
    assert remove_entries(found) == 2
    assert prunable(read_histories([tmp_path]), 2) == ()
    assert len(read_histories([tmp_path])) == 8


def test_pruning_never_takes_what_the_link_leads_to(tmp_path: Path) -> None:
    files = _write(tmp_path, 1, 2, 3)
    link = tmp_path / "history" / LATEST
    link.unlink()
    link.symlink_to(files[0].name)  # of a history that was put together by hand
    assert newest_file(tmp_path / "history") == files[0]
    found = prunable(read_histories([tmp_path]), 1)
    assert [each.file for each in found] == [files[1]]
    link.unlink()
    link.symlink_to(files[1].name)
    assert remove_entries(found) == 0
    assert files[1].is_file()


def test_the_newest_file_of_a_history_without_links_is_the_last_one(tmp_path: Path) -> None:
    files = _write(tmp_path, 1, 2)
    link = tmp_path / "history" / LATEST
    link.unlink()
    assert newest_file(tmp_path / "history") is None
    link.write_text(json.dumps({}))
    assert newest_file(tmp_path / "history") == files[-1]
