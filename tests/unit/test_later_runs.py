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
MMLU = Path("results/quality/mmlu/measured.json")
FOLDERS = {OTHER: OTHER.parent, PEAK: PEAK.with_suffix(""), MMLU: MMLU.parent}
REPLACED = Path("replaced")


@pytest.fixture(autouse=True)
def run_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, "")  # and so what a test notes goes with it


def write(record: Path, text: str = "{}") -> None:
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(text)


def test_a_run_that_is_still_to_come_can_want_the_server() -> None:
    note_runs([OWN, OTHER], REPLACED)
    assert wanted_later(OWN)


def test_neither_a_run_that_is_made_nor_the_own_can() -> None:
    note_runs([OWN, OTHER], REPLACED)
    write(OTHER)
    assert not wanted_later(OWN)
    assert not wanted_later(Path.cwd() / OWN)


@pytest.mark.parametrize("other", FOLDERS)
def test_a_run_that_is_under_way_has_its_own_server(other: Path) -> None:
    note_runs([OWN, other], REPLACED)
    with locked(FOLDERS[other], "weighbridge run"):
        assert not wanted_later(OWN)
    # It ended, and made nothing.
    assert wanted_later(OWN)


def test_a_lock_that_a_killed_run_left_holds_nothing_back() -> None:
    note_runs([OWN, OTHER], REPLACED)
    with locked(OTHER.parent, "weighbridge run"):
        [lock] = OTHER.parent.parent.glob(".*.lock")
        left = lock.read_text()
    lock.write_text(left.replace(f'"pid":{os.getpid()}', '"pid":4194304'))
    assert wanted_later(OWN)


def test_a_run_that_is_made_again_counts_from_when_it_was_noted() -> None:
    write(OTHER)
    os.utime(OTHER, ns=(1, 1))
    note_runs([OWN, OTHER], REPLACED)
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
    note_runs([OWN], REPLACED)
    assert not wanted_later(OWN)
    forget_runs()
    assert wanted_later(OWN)


def test_runs_that_a_failed_group_deleted_are_put_back() -> None:
    for record in (OWN, OTHER, PEAK):
        with replacing(REPLACED, f"{record.parts[1]}-{record.parts[2].partition('.')[0]}", record.parent):
            write(record, "of before")
            os.utime(record, ns=(1, 1))
    OWN.unlink()  # by a person: it is to be made again
    note_runs([OWN, OTHER, PEAK], REPLACED)
    assert put_back_runs(REPLACED) == []
    with replacing(REPLACED, "server-peak", PEAK):
        write(PEAK, "found")
        write(PEAK.with_name("errors.jsonl"), "")
    for record in (OTHER, PEAK):
        record.unlink()  # by Snakemake
    # What was there before is another command's.
    assert put_back_runs(REPLACED) == [PEAK]
    assert PEAK.read_text() == "found"
    assert not OWN.exists()
    assert not OTHER.exists()
    assert put_back_runs(REPLACED) == []
    with replacing(REPLACED, "offline-performance", OWN.parent):
        write(OWN, "new")
        write(OWN.with_name("errors.jsonl"), "")
    OWN.unlink()
    assert put_back_runs(REPLACED) == [OWN]
    assert OWN.read_text() == "new"
