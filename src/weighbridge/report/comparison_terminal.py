"""A comparison's table on a terminal, and what casts doubt on it."""

from collections.abc import Callable

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from weighbridge.records.comparison import ComparisonResult, SweepComparison
from weighbridge.report.comparison_headline import doubts
from weighbridge.report.comparison_lines import TableLine, lines_of, ratio_text
from weighbridge.report.comparison_table import figure_text, time_text

_WIDE = 110  # columns of a terminal that has room for latencies
_FOLDED = {"Workload", "System"}
_RESULT_STYLES = {
    ComparisonResult.FASTER: "bold green",
    ComparisonResult.SLOWER: "bold red",
    ComparisonResult.SAME: "bold",
    ComparisonResult.NOT_COMPARABLE: "bold yellow",
}


def render_table(comparison: SweepComparison, width: int = 80) -> Group:
    """Return the table, and below it what a reader must know; the verdicts are sentences of their own.

    Args:
        comparison: What was found.
        width: Columns of the terminal: from 110 on there are latencies and reuse too.
    """
    return Group(_table(comparison, wide=width >= _WIDE), *map(Text, doubts(comparison)))


def _table(comparison: SweepComparison, *, wide: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    columns = _columns(comparison, wide=wide)
    for name, left, _ in columns:
        table.add_column(
            name,
            justify="left" if left else "right",
            no_wrap=name not in _FOLDED,
            overflow="fold",
            min_width=len(name),
        )
    for line in lines_of(comparison):
        style = "" if line.row is None else _RESULT_STYLES.get(line.row.result, "")
        table.add_row(
            *(Text(text(line), style=style if name == "Verdict" else "") for name, _, text in columns)
        )
    return table


def _speed_up(line: TableLine) -> str:
    by = "" if line.row is None or line.speed_up is None or line.row.metric == "qps" else line.row.metric
    if line.speed_up is not None and line.speed_up.low is None:
        return f"{line.speed_up.ratio:.3f} [no interval]"  # the sentence below says of how many blocks
    return f"{ratio_text(line.speed_up)} {by.rpartition('.')[2]}".strip()


def _verdict(line: TableLine) -> str:
    """Return the verdict in one or two words; the sentences below the table have its margin."""
    return line.verdict.partition(" within")[0]


_Column = tuple[str, bool, Callable[[TableLine], str]]


def _columns(comparison: SweepComparison, *, wide: bool) -> list[_Column]:
    """Return heading, whether it is aligned to the left, and text of each column."""
    baseline = comparison.baseline if len(comparison.baseline) < 8 else "base"
    compared = bool(comparison.rows)
    workload: list[_Column] = [("Workload", True, lambda line: line.workload)]
    found: list[_Column] = [
        *(workload if len(comparison.workloads) > 1 else []),
        ("Load", True, lambda line: line.load),
        ("System", True, lambda line: line.system),
    ]
    if compared:
        found += [
            (f"req/s {baseline}", False, lambda line: figure_text(line.baseline, "qps")),
            ("req/s", False, lambda line: figure_text(line.sides[-1], "qps")),
            ("Speed-up [95 %]", False, _speed_up),
            ("Verdict", True, _verdict),
        ]
    else:
        found += [
            ("req/s", False, lambda line: figure_text(line.baseline, "qps")),
            ("tokens/s", False, lambda line: figure_text(line.baseline, "output_tps")),
            ("p50 / p99", False, lambda line: time_text(line.baseline, "e2e.p50", "e2e.p99")),
            ("TTFT p50 / p99", False, lambda line: time_text(line.baseline, "ttft.p50", "ttft.p99")),
        ]
    if compared and wide:
        found += [
            ("p50 / p99", False, lambda line: time_text(line.sides[-1], "e2e.p50", "e2e.p99")),
            ("TTFT p50", False, lambda line: time_text(line.sides[-1], "ttft.p50")),
        ]
    return found
