"""The table of a comparison as CSV: one value a column, in the order of the printed table."""

import csv
import io
from collections.abc import Callable, Iterator
from functools import partial

from weighbridge.records.comparison import SweepComparison
from weighbridge.records.quality_comparison import QualityComparison
from weighbridge.report.comparison_lines import TableLine, lines_of

_Value = str | int | float | None
_Column = tuple[str, Callable[[TableLine], _Value]]


def comparison_csv(comparison: SweepComparison) -> str:
    """Return the table with times in s; an empty field: not known."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    columns = [*_columns(), *_of_quality(comparison)]
    writer.writerow(name for name, _ in columns)
    writer.writerows([_text(value(line)) for _, value in columns] for line in lines_of(comparison))
    return stream.getvalue()


def _text(value: _Value) -> str:
    return "" if value is None else f"{value:.9g}" if isinstance(value, float) else str(value)


def _columns() -> Iterator[_Column]:
    yield "workload", lambda line: line.workload
    yield "system", lambda line: line.system
    yield from _of_both("options", "devices", "dtype", value=_described)
    yield from _of_both("prompt_tokens", "output_tokens", "previous_turns", value=_measured)
    yield "load", lambda line: line.load
    yield from _of_both("qps", value=_measured)
    yield "speed_up_by", lambda line: None if line.row is None else line.row.metric
    for name, attribute in {"speed_up": "ratio", "speed_up_low": "low", "speed_up_high": "high"}.items():
        yield name, partial(_speed_up, attribute)
    yield "verdict", lambda line: None if line.row is None else str(line.row.result)
    yield from _of_both("reuse", "ttft.p50", "ttft.p99", "e2e.p50", "e2e.p99", "tpot.p50", value=_measured)
    yield from _of_both("goodput", value=_measured)
    yield "checks", lambda line: line.checks
    yield "blocks", lambda line: None if line.row is None else str(len(line.row.blocks))
    yield from _of_both(
        "output_tps",
        "tps_per_user",
        "output_tps_per_device",
        "energy_per_token_j",
        "cost_per_million_tokens",
        value=_measured,
    )


def _of_quality(comparison: SweepComparison) -> Iterator[_Column]:
    """Yield the columns of answers, the same at all loads; none where no system was asked."""
    quality = comparison.quality
    if quality is None:
        return
    for letter, named in {"a": lambda _: quality.baseline, "b": lambda line: line.system}.items():
        yield f"accuracy_{letter}", partial(_accuracy, quality, named)
    for attribute in ("difference", "low", "high", "only_a", "only_b"):
        yield f"answers_{attribute}", partial(_paired, quality, attribute)
    yield "answers_finding", lambda line: str(row.finding) if (row := quality.row(line.system)) else None


def _accuracy(quality: QualityComparison, named: Callable[[TableLine], str], line: TableLine) -> _Value:
    found = quality.systems.get(named(line))
    return None if found is None else found.accuracy


def _paired(quality: QualityComparison, attribute: str, line: TableLine) -> _Value:
    row = quality.row(line.system)
    return None if row is None or row.paired is None else getattr(row.paired, attribute)


def _speed_up(attribute: str, line: TableLine) -> _Value:
    return None if line.speed_up is None else getattr(line.speed_up, attribute)


def _of_both(*names: str, value: Callable[[str, int, TableLine], _Value]) -> Iterator[_Column]:
    for name in names:
        for place, letter in enumerate("ab"):
            yield f"{name.replace('.', '_')}_{letter}", partial(value, name, place)


def _described(name: str, place: int, line: TableLine) -> _Value:
    description = line.sides[place].description if place < len(line.sides) else None
    return None if description is None else getattr(description, name)


def _measured(name: str, place: int, line: TableLine) -> _Value:
    return line.sides[place].value(name) if place < len(line.sides) else None
