"""Where the time of servers went: start, warm-up, measured runs, probes, waiting, stop."""

import os
from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import Field

from weighbridge.core.errors import InputError
from weighbridge.core.models import Model
from weighbridge.records.not_made import not_made
from weighbridge.records.run_record import REPLACED_FOLDER, RUN_RECORD, LoadReport, RunRecord
from weighbridge.records.search_record import PROBE, Probe
from weighbridge.records.server_life import LIFE_RECORD, LIVES_FOLDER, ServerLife

_S_PER_H = 3600


class Spending(StrEnum):
    """What a server's time was spent on; together they are the whole time."""

    START = "start"
    WARM_UP = "warm-up"
    MEASURED = "measured"
    PROBES = "probes"
    ABORTED = "ended early"
    IDLE = "idle"
    STOP = "stop"


class LifeTime(Model):
    """The time of one life of a server."""

    id: str
    gpus: int = Field(ge=0, description="GPUs that the servers held; 0: none.")
    used_by: tuple[str, ...] = Field(description="What used it, in order.")
    goes_on: bool = Field(description="Its end is not recorded: the time is that until its last use.")
    spent_s: dict[Spending, float]
    stages_s: dict[str, float] = Field(description="Of the start, as the server's log shows it.")

    @property
    def total_s(self) -> float:
        """Its whole time in seconds."""
        return sum(self.spent_s.values())


class SpentTime(Model):
    """The time of all servers of a run directory, and of its downloads."""

    lives: tuple[LifeTime, ...]
    downloads_s: dict[str, float] = Field(
        description="Seconds by artifact; no server ran meanwhile for them."
    )
    not_recorded: tuple[str, ...] = Field(description="Folders of runs whose server has no recorded life.")

    @property
    def unit(self) -> Literal["GPU h", "server h"]:
        """GPU hours, or hours of servers where none held a GPU."""
        return "GPU h" if any(life.gpus for life in self.lives) else "server h"

    def hours(self, spending: Spending | None = None) -> float:
        """Return the hours spent on something, or all, in `unit`."""
        weighted = self.unit == "GPU h"
        return (
            sum(
                (life.gpus if weighted else 1)
                * (life.total_s if spending is None else life.spent_s.get(spending, 0.0))
                for life in self.lives
            )
            / _S_PER_H
        )

    @property
    def outside_share(self) -> float | None:
        """The share of the time that was not spent in measured runs; None without any time."""
        total = self.hours()
        return 1 - self.hours(Spending.MEASURED) / total if total else None


class _Run(Model):
    """One measurement on a server, from its run.json."""

    spending: Spending
    folder: str
    record: RunRecord


def spent_time(results: Path) -> SpentTime:
    """Return where the time of a run directory's servers went.

    Args:
        results: Its results/. What was replaced lies beside it, and took time too.

    Raises:
        InputError: there is no such folder, or the record of a life is damaged.
    """
    if not results.is_dir():
        raise InputError(
            f"{results}: no such folder; pass --results, the folder 'results' of a run directory."
        )
    runs, unreadable = _runs(results)
    lives = [ServerLife.read(path) for path in sorted((results / LIVES_FOLDER).glob(f"*/{LIFE_RECORD}"))]
    known = {life.id for life in lives}
    return SpentTime(
        lives=tuple(life_time(life, [run for run in runs if _life_of(run) == life.id]) for life in lives),
        downloads_s=_downloads_s(results.parent / "benchmarks"),
        not_recorded=(
            *(run.folder for run in runs if _life_of(run) not in known and run.record.server.command),
            *unreadable,
        ),
    )


def life_time(life: ServerLife, runs: Iterable["_Run"]) -> LifeTime:
    """Divide the time of a life; what is not accounted for by its runs is idle time.

    Args:
        life: Its record.
        runs: The measurements on it.
    """
    runs = list(runs)
    uses = [use.ended or use.began for use in life.uses]
    last = max([life.started, *uses, *(run.record.load.ended for run in runs)], key=_at)
    end = life.ended or last
    spent = dict.fromkeys(Spending, 0.0)
    # A start that never came to its end is all that there was.
    spent[Spending.START] = _between(life.started, life.ready or end)
    if life.ready is not None:
        stopping = life.stopping or end
        spent[Spending.STOP] = _between(stopping, end)
        # The runs of one use share its warm-up.
        warm_ups = {
            brief.number: run.record.server.warmup_s for run in runs if (brief := run.record.server.life)
        }
        spent[Spending.WARM_UP] = sum(warm_ups.values())
        for run in runs:
            spent[run.spending] += measured_s(run.record.load)
        used_s = sum(spent[part] for part in Spending if part not in (Spending.START, Spending.STOP))
        spent[Spending.IDLE] = max(0.0, _between(life.ready, stopping) - used_s)
    return LifeTime(
        id=life.id,
        gpus=life.gpus,
        used_by=tuple(use.label for use in life.uses),
        goes_on=life.ended is None,
        spent_s={part: seconds for part, seconds in spent.items() if seconds > 0},
        stages_s=life.stages,
    )


def measured_s(load: LoadReport) -> float:
    """Return how long a measurement lasted, from its first request to its last answer, in seconds."""
    return _between(load.started, load.ended)


def start_times_s(results: Path) -> list[float]:
    """Return how long each recorded start of a server took, in seconds: of lives, else of runs."""
    lives = [ServerLife.read(path) for path in sorted((results / LIVES_FOLDER).glob(f"*/{LIFE_RECORD}"))]
    taken = [_between(life.started, life.ready) for life in lives if life.ready is not None]
    return taken or [run.record.server.ready_s for run in _runs(results)[0] if run.record.server.command]


def _runs(results: Path) -> tuple[list[_Run], list[str]]:
    """Read all measurements, each once: a confirmed peak's is copied, and a tree has copies too.

    Returns:
        The measurements, and the folders of those whose record cannot be read, as one of a later release.
    """
    found: dict[tuple[str, str, str], _Run] = {}
    unreadable = []
    for top in (results, results.parent / REPLACED_FOLDER):
        # Folders of runs come before those of probes, whose confirmation they are copies of.
        for path in sorted(_records(top), key=lambda path: (len(path.parts), path)):
            try:
                record = RunRecord.read(path)
                spending = _spending(path.parent, record)
            except InputError:
                unreadable.append(str(path.parent))
                continue
            key = (record.load.started, record.scenario, record.mode)
            found.setdefault(key, _Run(spending=spending, folder=str(path.parent), record=record))
    return list(found.values()), unreadable


def _records(top: Path) -> Iterator[Path]:
    """Yield the run records below a folder, but for hidden ones: there a tree is made, which then moves."""
    for folder, names, files in os.walk(top):
        names[:] = [name for name in names if not name.startswith(".")]
        if RUN_RECORD in files and not_made(path := Path(folder) / RUN_RECORD) is None:
            yield path


def _spending(folder: Path, record: RunRecord) -> Spending:
    if (folder / PROBE).is_file() and not Probe.read(folder / PROBE).full_length:
        return Spending.PROBES
    return Spending.ABORTED if record.load.aborted else Spending.MEASURED


def _life_of(run: _Run) -> str | None:
    return run.record.server.life.id if run.record.server.life else None


def _downloads_s(benchmarks: Path) -> dict[str, float]:
    """Read how long the jobs that fetch took, from the tables that Snakemake writes: seconds come first."""
    found = {}
    for path in sorted(benchmarks.glob("fetch-*.tsv")):
        lines = path.read_text().splitlines()
        if len(lines) > 1:
            found[path.stem.removeprefix("fetch-")] = float(lines[1].split("\t")[0])
    return found


def _at(moment: str) -> datetime:
    return datetime.fromisoformat(moment)


def _between(begin: str, end: str) -> float:
    """Return the seconds between two times, at least 0: the clock of a machine may be set back."""
    return max(0.0, (_at(end) - _at(begin)).total_seconds())


def in_hours(spent: SpentTime) -> dict[Spending, float]:
    """Return the hours of each kind that took any, in the order of a life."""
    hours = {part: spent.hours(part) for part in Spending}
    return {part: value for part, value in hours.items() if value > 0}
