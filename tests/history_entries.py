"""Entries of a history whose figures, settings and systems are given, for tests of what reads them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from weighbridge.history.entry_files import add_entry
from weighbridge.history.read_history import RecordedEntry
from weighbridge.records.history_entry import HistoryEntry, HistoryKind, HistoryMeasure, HistorySystem

BEGIN = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)


def digest(text: str) -> str:
    """Return a sha256 that differs where texts do."""
    return sha256(text.encode()).hexdigest()


def speed(value: float, name: str = "rate", **more: Any) -> HistoryMeasure:
    """Return a rate; with `better="lower"` a latency."""
    return HistoryMeasure.model_validate(
        {"name": name, "value": value, "unit": "samples/s", "aspect": "speed", "better": "higher", **more}
    )


def score(value: float, name: str = "F1", **more: Any) -> HistoryMeasure:
    """Return a score."""
    return HistoryMeasure.model_validate(
        {"name": name, "value": value, "unit": "", "aspect": "score", "better": "higher", **more}
    )


def history_entry(
    hours: float,
    *measures: HistoryMeasure,
    settings: Mapping[str, str] | None = None,
    system: str = "one",
    **more: Any,
) -> HistoryEntry:
    """Return an entry so many hours after the first: by default of a verdict on the scenario offline."""
    return HistoryEntry.model_validate(
        {
            "time": BEGIN + timedelta(hours=hours),
            "kind": HistoryKind.VERDICT,
            "name": "offline",
            "benchmark": "toy",
            "round": "v1",
            "system": HistorySystem(
                fingerprint=digest(system), server=f"vLLM {system}", model="m", hardware="1 x GPU"
            ),
            "settings": dict(settings or {}),
            "measures": measures,
            "outcome": "VALID",
            "where": "results/offline/verdict.json",
            "result_sha256": digest(f"{hours} {measures}"),
            "weighbridge_version": "0",
            **more,
        }
    )


def recorded(*entries: HistoryEntry, run: str = "run") -> tuple[RecordedEntry, ...]:
    """Return entries as if they had been read from a run directory."""
    return tuple(RecordedEntry(entry, Path(run), Path(run, "history", "x.json")) for entry in entries)


def write_entries(run: Path, *entries: HistoryEntry) -> list[Path]:
    """Write entries into the history of a run directory at the present time; return their files."""
    files = [add_entry(run / "history", entry) for entry in entries]
    assert all(files)
    return [file for file in files if file]
