"""What later runs can want a server, and what of a failed group of jobs is put back."""

import os
from pathlib import Path

import pytest

from weighbridge.run.folder_lock import locked
from weighbridge.run.later_runs import forget_runs, note_runs, put_back_runs, wanted_later
from weighbridge.run.replaced import replacing

VARIABLE = "WEIGHBRIDGE_RUNS"
OWN, OTHER = Path("results/offline/performance/run.json"), Path("results/offline/accuracy/run.json")
PEAK = Path("results/server/peak.json")


@pytest.fixture(autouse=True)
def run_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, "")  # and so what a test notes goes with it


def write(record: Path, text: str = "{}") -> None:
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(text)


def test_a_run_that_is_still_to_come_can_want_the_server() -> None:
    note_runs([OWN, OTHER])
    assert wanted_later(OWN)


def test_neither_a_run_that_is_made_nor_the_own_can() -> None:
    note_runs([OWN, OTHER])
    write(OTHER)
    assert not wanted_later(OWN)
    assert not wanted_later(Path.cwd() / OWN)


@pytest.mark.parametrize("other", [OTHER, PEAK])
def test_a_run_that_is_under_way_has_its_own_server(other: Path) -> None:
    note_runs([OWN, other])
    with locked(other.parent if other is OTHER else other.with_suffix(""), "weighbridge run"):
        assert not wanted_later(OWN)
    # It ended, and made nothing.
    assert wanted_later(OWN)


def test_a_lock_that_a_killed_run_left_holds_nothing_back() -> None:
    note_runs([OWN, OTHER])
    with locked(OTHER.parent, "weighbridge run"):
        [lock] = OTHER.parent.parent.glob(".*.lock")
        left = lock.read_text()
    lock.write_text(left.replace(f'"pid":{os.getpid()}', '"pid":4194304'))
    assert wanted_later(OWN)


def test_a_run_that_is_made_again_counts_from_when_it_was_noted() -> None:
    write(OTHER)
    os.utime(OTHER, ns=(1, 1))
    note_runs([OWN, OTHER])
    assert wanted_later(OWN)
    OTHER.unlink()  # as Snakemake does before the job starts
    assert wanted_later(OWN)
    write(OTHER)
    assert not wanted_later(OWN)


@pytest.mark.parametrize("noted", ["", "no JSON", "[1]", "7"])
def test_where_nothing_is_known_any_run_may_follow(noted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, noted)
    assert wanted_later(OWN)


def test_the_note_of_another_snakemake_is_forgotten() -> None:
    note_runs([OWN])
    assert not wanted_later(OWN)
    forget_runs()
    assert wanted_later(OWN)


def test_runs_that_a_failed_group_deleted_are_put_back() -> None:
    replaced = Path("replaced")
    for record in (OWN, PEAK):
        write(record, "of before")
    earlier = Path("results/server/performance/run.json")
    write(earlier, "of before")
    with replacing(replaced, "server-performance", earlier.parent):
        write(earlier, "of before, too")
    note_runs([OWN, OTHER, PEAK, earlier])
    with replacing(replaced, "offline-performance", OWN.parent):
        write(OWN, "new")
        write(OWN.with_name("errors.jsonl"), "")
    with replacing(replaced, "server-peak", PEAK):
        write(PEAK, "found")
    for record in (OWN, PEAK, earlier):
        record.unlink()
    # What was there before is another command's, and what was never made is nobody's.
    assert put_back_runs(replaced) == [OWN, PEAK]
    assert (OWN.read_text(), PEAK.read_text()) == ("new", "found")
    assert not earlier.exists()
    assert put_back_runs(replaced) == []
