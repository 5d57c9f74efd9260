"""The table of a comparison as Markdown, and the texts of its columns."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from weighbridge.core.formatting import NONE, number, page_latencies, utc_time
from weighbridge.records.comparison import SweepComparison
from weighbridge.report.comparison_headline import alone, doubts, noise_floor_text
from weighbridge.report.comparison_lines import (
    NOT_SUPPORTED,
    UNSTEADY,
    Side,
    TableLine,
    lines_of,
    ratio_text,
)
from weighbridge.report.quality_table import quality_markdown
from weighbridge.report.summary_columns import SummaryColumn, markdown_table
from weighbridge.sweep.comparison_sentences import comparison_sentences

_GAP = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class TableColumn:
    """A column of the table.

    Attributes:
        name: Its heading.
        text: The text of a line.
        left: Aligned to the left; numbers are not.
    """

    name: str
    text: Callable[[TableLine], str]
    left: bool = False


def figure_text(side: Side, name: str) -> str:
    """Return a figure that is no time, in four digits; with the marks of the footer."""
    if not side.supported:
        return NOT_SUPPORTED
    value = side.value(name)
    steady = side.figures is None or side.figures.steady or name != "qps"
    return number(value, 4) + ("" if steady else f" {UNSTEADY}")


def time_text(side: Side, *names: str) -> str:
    """Return times such as '120 ms / 480 ms', with a dash for too few samples and overload."""
    if not side.supported:
        return NOT_SUPPORTED
    values = [side.value(name) for name in names]
    return " / ".join(text.replace(_GAP, " ") for text in page_latencies(values))


def _share_text(side: Side) -> str:
    value = side.value("reuse")
    return NONE if value is None else f"{100 * value:.0f} %"


def _options_text(line: TableLine) -> str:
    options = line.both(lambda side: (side.description and side.description.options) or NONE)
    return f"{line.system}: {options}"


def _devices_text(side: Side) -> str:
    return str((side.description and side.description.devices) or NONE)


def _dtype_text(side: Side) -> str:
    return (side.description and side.description.dtype) or NONE


def speed_up_text(line: TableLine) -> str:
    """Return the speed-up with its interval, and what it is by where that is not the throughput."""
    text = ratio_text(line.speed_up)
    by = "" if line.row is None or line.row.metric == "qps" else f" by {line.row.metric}"
    return text if line.speed_up is None else text + by


def _other(text: Callable[[Side], str]) -> Callable[[TableLine], str]:
    return lambda line: NONE if line.other is None else text(line.other)


COLUMNS = (
    TableColumn("Workload", lambda line: line.workload, left=True),
    TableColumn("System options", _options_text, left=True),
    TableColumn("Dev.", lambda line: line.both(_devices_text)),
    TableColumn("Dtype", lambda line: line.both(_dtype_text), left=True),
    TableColumn("Prompt tok (avg)", lambda line: line.both(lambda side: figure_text(side, "prompt_tokens"))),
    TableColumn("Output tok (avg)", lambda line: line.both(lambda side: figure_text(side, "output_tokens"))),
    TableColumn("Prev. turns", lambda line: line.both(lambda side: figure_text(side, "previous_turns"))),
    TableColumn("Load", lambda line: line.load, left=True),
    TableColumn("QPS A", lambda line: figure_text(line.baseline, "qps")),
    TableColumn("QPS B", _other(lambda side: figure_text(side, "qps"))),
    TableColumn("Speed-up B/A [95 %]", speed_up_text),
    TableColumn("Verdict", lambda line: line.verdict, left=True),
    TableColumn("Reuse A/B", lambda line: line.each(_share_text, " / ")),
    TableColumn(
        "p50/p99 TTFT A, B", lambda line: line.each(lambda side: time_text(side, "ttft.p50", "ttft.p99"))
    ),
    TableColumn(
        "p50/p99 E2E A, B", lambda line: line.each(lambda side: time_text(side, "e2e.p50", "e2e.p99"))
    ),
    TableColumn("TPOT A, B", lambda line: line.each(lambda side: time_text(side, "tpot.p50"))),
    TableColumn("Goodput A, B", lambda line: line.each(lambda side: figure_text(side, "goodput"))),
    TableColumn("Checks", lambda line: line.checks, left=True),
)
"""The table of the specification."""


def findings(comparison: SweepComparison) -> list[str]:
    """Return a sentence for each row; of a sweep that compares none, one for each system and load."""
    return list(comparison_sentences(comparison) or alone(comparison))


def comparison_markdown(comparison: SweepComparison) -> str:
    """Return verdicts, table and footer as Markdown."""
    verdicts = "\n".join(f"- {sentence}" for sentence in findings(comparison))
    lines = lines_of(comparison)
    table = markdown_table(
        [SummaryColumn(each.name, tuple(map(each.text, lines)), left=each.left) for each in COLUMNS]
    )
    footer = "\n".join(f"- {sentence}" for sentence in footer_sentences(comparison))
    quality = "" if comparison.quality is None else f"\n{quality_markdown(comparison.quality)}"
    return f"# {comparison.sweep}\n\n{verdicts}\n\n{table}\n\n{footer}\n{quality}"


def footer_sentences(comparison: SweepComparison) -> list[str]:
    """Return what a reader of the table must know: blocks, margin, noise floor, date, hosts, bytes, marks."""
    return list(_footer(comparison))


def _footer(comparison: SweepComparison) -> Iterator[str]:
    if comparison.rows:
        baseline = "the baseline" if comparison.baseline == "A" else comparison.baseline
        yield f"A is {baseline}, B is the system of the row. A speed-up above 1: B is better."
    yield (
        f"{comparison.blocks} blocks. A difference within {100 * comparison.equivalence:g} % counts as none. "
        "Intervals: 95 %, over blocks; verdicts after Holm over all rows."
    )
    floor = noise_floor_text(comparison)
    if floor is not None:
        yield f"Noise floor, {comparison.baseline} beside its own copy: {floor}."
    elif comparison.rows:
        yield "The noise floor was not measured."
    yield (
        f"Measured {utc_time(comparison.started)} to {utc_time(comparison.ended)} on "
        f"{', '.join(comparison.hosts)}, Weighbridge {comparison.weighbridge_version}."
    )
    for name, workload in comparison.workloads.items():
        yield f"{name}: {workload.summary} Bytes: sha256 {workload.digest[:16]}."
    yield (
        f"`{NOT_SUPPORTED}` not supported, or no run ended; `{NONE}` not known, or too few samples (p99 "
        f"needs 1,000 requests); `{UNSTEADY}` not steady."
    )
    yield from doubts(comparison)
