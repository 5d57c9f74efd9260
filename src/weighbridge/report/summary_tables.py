"""The summary of a run directory as tables: on a terminal, and as Markdown."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from weighbridge.core.formatting import measured, metric_label, number, score
from weighbridge.core.long_names import whole_line
from weighbridge.gates.disturbance_lines import NO_WARNINGS, disturbance_lines, remedy_lines, unexamined_line
from weighbridge.gates.performance_sentences import result_text, runs_sentences
from weighbridge.records.notice import heading_of, reason_of
from weighbridge.records.verdict import LatencyFigures
from weighbridge.report.accuracy_table import accuracies_markdown, render_accuracies
from weighbridge.report.summary import RunSummary, ScenarioSummary, Summary
from weighbridge.report.summary_columns import SummaryColumn, markdown_table, rich_table

_CAPTION = "Not verified by MLCommons Association."
_MOST_METRICS = 2  # in the table of results; more have a table of their own
_TIMINGS = ("ttft", "tpot")


def render_summary(summary: Summary) -> Group:
    """Return a line for each scenario, next steps and model quality; a demonstration is marked twice."""
    return Group(*_scenario_tables(summary), *_quality_tables(summary))


def _scenario_tables(summary: Summary) -> Iterator[RenderableType]:
    if not summary.scenarios:
        return
    (*results, _files), *others = _tables(summary)
    # Not the table's own, which are broken where the table is narrower than they are.
    yield Text(_title(summary), style="bold")
    yield from map(rich_table, (results, *others))
    yield Text(_caption(summary), style="dim")
    # Below the table, where no column is too narrow for a path, and it can be copied.
    yield from (whole_line(f"{line.title}: {line.folder}") for line in summary.scenarios)
    yield from map(Text, _sentences(summary))


def _quality_tables(summary: Summary) -> Iterator[RenderableType]:
    if summary.quality is not None:
        yield render_accuracies(summary.quality.overall, summary.quality.domains)


def summary_markdown(summary: Summary) -> str:
    """Return the same as a short page in Markdown."""
    parts = []
    if summary.scenarios:
        parts += [f"# {_title(summary)}", *map(markdown_table, _tables(summary)), _caption(summary)]
        parts.append("\n".join(f"- {sentence}" for sentence in _sentences(summary)))
    if summary.quality is not None:
        parts.append(accuracies_markdown(summary.quality.overall, summary.quality.domains))
    return "\n\n".join(filter(None, parts)) + "\n"


def unanswered(issued: int, completed: int) -> list[str]:
    """Return a sentence on the requests of a run that have no answer, or nothing."""
    if issued == completed:
        return []
    return [
        f"{number(issued - completed)} of {number(issued)} requests got no answer. The load generator counts "
        "those as answered when they failed, so its rate and percentiles say too much."
    ]


def _title(summary: Summary) -> str:
    models = dict.fromkeys(run.model_name for line in summary.scenarios for run in line.runs.values())
    # What is no result of the benchmark is named after the model that answered.
    subject = summary.benchmark if summary.submittable else " and ".join(models) or summary.benchmark
    title = f"{subject}, round {summary.round}" + (f", {summary.category}" if summary.category else "")
    return title if summary.submittable else f"{title}: {heading_of(summary)}"


def _caption(summary: Summary) -> str:
    return _CAPTION if summary.submittable else reason_of(summary)


def _sentences(summary: Summary) -> list[str]:
    failures = [
        f"{line.title}: {run} run: {sentence}"
        for line in summary.scenarios
        for run, of in line.runs.items()
        for sentence in _faults(of, line)
    ]
    repeated = [
        f"{line.title}: {sentence}" for line in summary.scenarios for sentence in runs_sentences(line)
    ]
    steps = [f"{line.title}: {step}" for line in summary.scenarios for step in line.next_steps]
    disturbed = [
        f"Warning: {sentence}"
        for line in summary.scenarios
        for sentence in disturbance_lines(line.title, line.disturbances)
    ]
    disturbed += remedy_lines(each for line in summary.scenarios for each in line.disturbances)
    missing = [unexamined_line(line.title, line.not_examined) for line in summary.scenarios]
    said = [*failures, *repeated, *steps, *disturbed, *filter(None, missing)]
    return said or [NO_WARNINGS]


def _faults(run: RunSummary, line: ScenarioSummary) -> list[str]:
    """Return sentences on a run that ended early or lacks answers; one that a next step has is left out."""
    if run.aborted is None:
        return unanswered(run.issued, run.completed)
    told = any(run.aborted in step for step in line.next_steps)
    return [] if told else [f"ended early: {run.aborted}."]


def _tables(summary: Summary) -> list[list[SummaryColumn]]:
    """Return the columns of each table: results, token latencies if any, and scores where there are many."""
    lines = summary.scenarios
    titles = SummaryColumn("Scenario", tuple(line.title for line in lines), left=True)
    names = dict.fromkeys(name for line in lines for name in line.scores)
    scores = [
        SummaryColumn(
            metric_label(name),
            tuple(score(line.scores.get(name), limits=line.limits_of(name), none="-") for line in lines),
        )
        for name in names
    ]
    apart = len(scores) > _MOST_METRICS
    timings = _timing_columns(lines)
    results = [
        titles,
        _result_column(lines),
        *([] if timings else [_latency_column(lines)]),
        *([] if apart else scores),
        SummaryColumn("Verdict", tuple(line.outcome for line in lines), left=True),
        SummaryColumn("Files", tuple(line.folder for line in lines), left=True),
    ]
    # A terminal of 80 columns has no room for all of them in one table.
    return [results, *([[titles, *timings]] if timings else []), *([[titles, *scores]] if apart else [])]


def _result_column(lines: tuple[ScenarioSummary, ...]) -> SummaryColumn:
    """Return the column of the published result."""
    rates = all(line.rate_unit.endswith("/s") for line in lines)
    return SummaryColumn("Rate" if rates else "Result", tuple(map(result_text, lines)))


def _latency_column(lines: tuple[ScenarioSummary, ...]) -> SummaryColumn:
    latencies = (
        "no limit" if line.p99_latency_s is None else f"{measured(line.p99_latency_s)} s" for line in lines
    )
    return SummaryColumn("p99", tuple(latencies))


def _timing_columns(lines: tuple[ScenarioSummary, ...]) -> list[SummaryColumn]:
    """Return the columns of the token latencies; none if no scenario has any."""
    timings = {name: [getattr(line, name) for line in lines] for name in _TIMINGS}
    if not any(each is not None for of in timings.values() for each in of):
        return []
    return [SummaryColumn(f"{name.upper()} p99", _timings(of)) for name, of in timings.items()]


def _timings(column: Sequence[LatencyFigures | None]) -> tuple[str, ...]:
    """Return 99th percentiles, with the limit where there is one, such as '0.412 s (<= 2 s)', in one unit."""
    known = [(None, None) if of is None else (of.p99_s, of.limit_s) for of in column]
    limits = [limit_s for _, limit_s in known if limit_s is not None]
    in_s = max([*limits, *(p99_s for p99_s, _ in known if p99_s is not None)], default=0.0) >= 1
    unit, scale = ("s", 1) if in_s else ("ms", 1000)
    return tuple(
        "-"
        if p99_s is None
        else f"{measured(scale * p99_s)} {unit}"
        + ("" if limit_s is None else f" (<= {scale * limit_s:g} {unit})")
        for p99_s, limit_s in known
    )
