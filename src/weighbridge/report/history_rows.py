"""The rows of a history's table: each recorded result as text, and the link to its report."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote

from weighbridge.core.files import sha256_of
from weighbridge.history.history_values import measure_text
from weighbridge.history.read_history import RecordedEntry
from weighbridge.records.comparison import COMPARISON_PAGE
from weighbridge.records.history_entry import HistoryEntry, HistoryKind, HistoryMeasure
from weighbridge.records.notice import DEMONSTRATION

# Of a cell: the report has the others, and the trends those that were measured before.
_MOST_LINES, _MOST_SENTENCES = 4, 1
_MOST_SCORES = {HistoryKind.QUALITY: 1}
_NOTE_ENDS = re.compile(r"[,.:;]")
_SENTENCE_ENDS = re.compile(r"(?<=\.)\s+(?=[A-Z])")
_HASH, _HASH_LETTERS = re.compile(r"\b[0-9a-f]{40,64}\b"), 8
_LATENCY_UNITS = frozenset({"s", "ms"})


@dataclass(frozen=True)
class ResultRow:
    """A recorded result; cells with several lines have one each."""

    time: str
    place: str
    """Its run directory."""
    what: str
    benchmark: str
    rates: tuple[str, ...]
    latencies: tuple[str, ...]
    scores: tuple[str, ...]
    """Whatever is neither rate nor latency: accuracies, speed-ups."""
    outcome: tuple[str, ...]
    system: str
    note: str | None
    """Its first words; the page's head has all of it."""
    link: str | None
    """Relative address of its report, or of the result itself; None: neither is there any more."""


def rows_of(entries: Sequence[RecordedEntry], folder: Path) -> list[ResultRow]:
    """Return the rows, the newest first.

    Args:
        entries: In time order.
        folder: Of the page, for relative links.
    """
    places = place_names([each.run_directory for each in entries])
    digest = cache(sha256_of)  # of one file, which many entries may name
    return [_row(each, places, folder, digest) for each in reversed(entries)]


def place_names(run_directories: Sequence[Path]) -> dict[Path, str]:
    """Return how a page calls each run directory: relative to the folder that all are in."""
    found = dict.fromkeys(run_directories)
    if not found:
        return {}
    parents = [path.resolve().parent for path in found]
    common = os.path.commonpath(parents)
    return {path: Path(os.path.relpath(path.resolve(), common)).as_posix() for path in found}


def time_text(entry: HistoryEntry) -> str:
    """Return when a result was recorded, in UTC, to the minute."""
    return entry.time.strftime("%Y-%m-%d %H:%M")


def title_of(kind: HistoryKind, name: str) -> str:
    """Return what a result is: a scenario's name, or kind and name."""
    return name.capitalize() if kind is HistoryKind.VERDICT else f"{kind.capitalize()} {name}"


def result_title(of: HistoryEntry) -> str:
    """Return what a result is, and of a scenario's also the benchmark."""
    title = title_of(of.kind, of.name)
    if of.kind is not HistoryKind.VERDICT:
        return title
    return f"{title}, {benchmark_of(of)}"


def benchmark_of(of: HistoryEntry) -> str:
    """Return benchmark, round and category in one line; a round's name often begins with its benchmark's.

    A demonstration is named after its model: it is no result of the benchmark.
    """
    named: tuple[str | None, ...] = (f"{of.benchmark} {of.round or ''}".rstrip(),)
    if of.note is not None and of.note.startswith(DEMONSTRATION):
        named = (f"demonstration with {of.system.model}", of.round)
    elif of.round is not None and of.round.startswith(of.benchmark):
        named = (of.round,)
    return ", ".join(filter(None, (*named, of.category)))


def _row(
    recorded: RecordedEntry, places: Mapping[Path, str], folder: Path, digest: Callable[[Path], str]
) -> ResultRow:
    entry = recorded.entry
    rates = [measure for measure in entry.measures if measure.unit.endswith("/s")]
    latencies = [measure for measure in entry.measures if measure.unit in _LATENCY_UNITS]
    others = [measure for measure in entry.measures if measure not in rates and measure not in latencies]
    if entry.kind is HistoryKind.COMPARISON and others:
        rates = []  # of single systems, which the speed-ups are made of
    server = _HASH.sub(lambda found: found[0][:_HASH_LETTERS], entry.system.server or "server not known")
    return ResultRow(
        time=time_text(entry),
        place=places[recorded.run_directory],
        what=title_of(entry.kind, entry.name),
        benchmark=benchmark_of(entry),
        rates=_lines(rates),
        latencies=_lines(latencies),
        scores=_lines(others, _MOST_SCORES.get(entry.kind, _MOST_LINES)),
        outcome=_first(_SENTENCE_ENDS.split(entry.outcome), _MOST_SENTENCES),
        system=f"{server} · {entry.system.fingerprint[:_HASH_LETTERS]}",
        note=entry.note and _NOTE_ENDS.split(entry.note)[0],
        link=_link(recorded, folder, digest),
    )


def _lines(measures: Sequence[HistoryMeasure], most: int = _MOST_LINES) -> tuple[str, ...]:
    return _first([f"{measure.name} {measure_text(measure)}" for measure in measures], most)


def _first(lines: Sequence[str], most: int) -> tuple[str, ...]:
    if len(lines) <= most:
        return tuple(lines)
    return (*lines[:most], f"and {len(lines) - most} more")


def _link(recorded: RecordedEntry, folder: Path, digest: Callable[[Path], str]) -> str | None:
    """Return where the result's report is, unless a later result has taken its place."""
    where = Path(recorded.entry.where)
    result = recorded.run_directory / where
    try:
        # Of a replaced result the report would show another one's figures.
        if where.is_absolute() or not result.is_file() or digest(result) != recorded.entry.result_sha256:
            return None
        above = (recorded.run_directory / parent / COMPARISON_PAGE for parent in where.parents)
        page = next((each for each in above if each.is_file()), result)
    except OSError:
        return None
    return quote(Path(os.path.relpath(page.resolve(), folder.resolve())).as_posix())
