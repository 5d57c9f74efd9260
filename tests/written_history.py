"""Nights of a history with the files that their entries name, for tests of its index."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from history_entries import digest, history_entry, score, speed

from weighbridge.history.read_history import RecordedEntry
from weighbridge.records.history_entry import HISTORY_FOLDER, HistoryKind

DEMONSTRATION = "Demonstration, not submittable. Do not cite these numbers."
_DAY_H = 24


def night(
    runs: Path,
    number: int,
    rate: float,
    *,
    settings: Mapping[str, str] | None = None,
    note: str | None = None,
    system: str = "0.12.0",
    outcome: str = "VALID",
) -> RecordedEntry:
    """Write a run directory's Offline verdict and its report, and return the entry of the verdict."""
    directory = runs / f"night-{number:03}"
    verdict = directory / "results" / "offline" / "verdict.json"
    verdict.parent.mkdir(parents=True, exist_ok=True)
    verdict.write_text(f"{number} {rate}")
    (directory / "results" / "report.html").write_text("page")
    entry = history_entry(
        _DAY_H * number,
        speed(rate, measured_by=digest(f"{number}")),
        speed(9.7 / rate, "latency p99", unit="s", better="lower", measured_by=digest(f"{number}")),
        score(0.78465, low=0.7802, high=0.7891, measured_by=digest(f"{number}")),
        settings={"server.args.--max-num-seqs": "512", **(settings or {})},
        system=system,
        note=note,
        outcome=outcome,
        result_sha256=sha256(verdict.read_bytes()).hexdigest(),
    )
    return RecordedEntry(entry, directory, directory / HISTORY_FOLDER / f"{number:03}-offline.json")


def comparison(runs: Path, number: int, speed_ups: Sequence[float]) -> RecordedEntry:
    """Return the entry of a comparison whose files are gone, at one load for each speed-up."""
    directory = runs / f"night-{number:03}"
    measures = [
        speed(value, f"speed-up of B at chat, closed-{load}", unit="x", low=value - 0.02, high=value + 0.02)
        for load, value in enumerate(speed_ups, start=1)
    ]
    entry = history_entry(
        _DAY_H * number + 1,
        *measures,
        kind=HistoryKind.COMPARISON,
        name="prefix",
        benchmark="comparisons of systems",
        round=None,
        outcome=" ".join(f"B is faster at closed-{load}." for load in range(1, len(speed_ups) + 1)),
        where="results/sweeps/prefix/comparison.json",
    )
    return RecordedEntry(entry, directory, directory / HISTORY_FOLDER / f"{number:03}-prefix.json")
