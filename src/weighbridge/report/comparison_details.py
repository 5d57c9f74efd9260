"""Further tables of a comparison's page: all figures of each system, and the ratios of other metrics."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from weighbridge.core.formatting import NONE, number, page_latency
from weighbridge.records.comparison import Interval, SweepComparison
from weighbridge.report.comparison_lines import ratio_text


@dataclass(frozen=True)
class DetailTable:
    """A table: what it is, its headings, and its rows, the first two cells of which name the row."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


# Name of a figure -> heading and the text of a value; a figure that no system has gets no column.
_FIGURES: dict[str, tuple[str, Callable[[float], str]]] = {
    "qps": ("requests/s", lambda value: number(value, 4)),
    "conversations_per_s": ("conversations/s", lambda value: number(value, 4)),
    "output_tps": ("output tokens/s", lambda value: number(value, 4)),
    "output_tps_per_device": ("output tokens/s by device", lambda value: number(value, 4)),
    "tps_per_user": ("tokens/s by user", lambda value: number(value, 4)),
    "goodput": ("goodput", lambda value: number(value, 4)),
    "goodput_share": ("share within objectives", lambda value: f"{100 * value:.4g} %"),
    "ttft.p50": ("TTFT p50", page_latency),
    "ttft.p99": ("TTFT p99", page_latency),
    "e2e.p50": ("E2E p50", page_latency),
    "e2e.p99": ("E2E p99", page_latency),
    "tpot.p50": ("TPOT p50", page_latency),
    "norm_latency.p50": ("E2E by token p50", page_latency),
    "tokens_per_chunk": ("tokens by piece", lambda value: number(value, 3)),
    "concurrency": ("conversations at once", lambda value: number(value, 4)),
    "energy_per_token_j": ("J by output token", lambda value: number(value, 3)),
    "cost_per_million_tokens": ("cost of 1 million tokens", lambda value: number(value, 4)),
}
_RATIOS = (
    "qps",
    "output_tps",
    "goodput",
    "ttft.p50",
    "ttft.p99",
    "e2e.p50",
    "e2e.p99",
    "tpot.p50",
    "energy_per_token_j",
    "cost_per_million_tokens",
)


def detail_tables(comparison: SweepComparison) -> list[DetailTable]:
    """Return the tables that have rows."""
    return [table for table in (_figures(comparison), _ratios(comparison)) if table.rows]


def _figures(comparison: SweepComparison) -> DetailTable:
    named = [
        (f"{cell.workload}, {cell.level}", system, figures.figures)
        for cell in comparison.cells
        for system, figures in cell.systems.items()
    ]
    shown = [name for name in _FIGURES if any(name in figures for _, _, figures in named)]
    return DetailTable(
        "All figures, means over blocks with 95 % intervals",
        ("Load", "System", *(_FIGURES[name][0] for name in shown)),
        tuple(
            (load, system, *(_interval(figures.get(name), _FIGURES[name][1]) for name in shown))
            for load, system, figures in named
        ),
    )


def _interval(interval: Interval | None, text: Callable[[float], str]) -> str:
    if interval is None:
        return NONE
    if interval.low is None or interval.high is None:
        return text(interval.mean)
    return f"{text(interval.mean)} [{text(interval.low)}, {text(interval.high)}]"


def _ratios(comparison: SweepComparison) -> DetailTable:
    rows = [row for row in comparison.rows if row.ratios]
    shown: Sequence[str] = [name for name in _RATIOS if any(name in row.ratios for row in rows)]
    return DetailTable(
        "Ratios of all metrics, B by A with 95 % intervals; of times, energy and cost below 1 is better",
        ("Load", "System", *(_FIGURES[name][0] for name in shown)),
        tuple(
            (
                f"{row.workload}, {row.level}",
                row.system,
                *(ratio_text(row.ratios.get(name)) for name in shown),
            )
            for row in rows
        ),
    )
