"""Render a verdict for the terminal: figures, every check, and the remedies."""

from collections.abc import Iterator

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from weighbridge.core.formatting import measured, metric_label, score
from weighbridge.core.long_names import short_names, whole_lines
from weighbridge.core.terminal import OUTCOME_STYLES
from weighbridge.gates.disturbance_lines import unexamined_line
from weighbridge.gates.foreign_logs import JudgedLogs
from weighbridge.gates.performance_sentences import result_text, runs_sentences
from weighbridge.records.notice import heading_of, reason_of
from weighbridge.records.verdict import Check, LatencyFigures, Verdict, by_remedy

_MARK = {True: Text("ok", style="green"), False: Text("FAILED", style="bold red"), None: Text("unknown")}
_WIDTH_OF_OTHERS = 68  # columns of a terminal for all but the name of the system


def _mark(check: Check) -> Text:
    return _MARK[check.passed] if check.asked else Text("not asked", style="dim")


def render_systems(judged: JudgedLogs, width: int = 80) -> Group:
    """Render the verdicts on several systems as one table, and below it what was not judged.

    Args:
        judged: The verdicts.
        width: Columns of the terminal; long names of systems stand below the table where it has no room.
    """
    table = Table(
        title="All systems", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0)
    )
    short = short_names(judged.systems, "system", max(width - _WIDTH_OF_OTHERS, 0))
    table.add_column("System", no_wrap=True)
    for name in ("Scenario", "Verdict"):
        table.add_column(name, no_wrap=True)
    metrics = list(dict.fromkeys(name for verdict in judged.verdicts for name in verdict.scores))
    timed = [name for name in ("ttft", "tpot") if any(getattr(each, name) for each in judged.verdicts)]
    latencies = [f"{name.upper()} p99" for name in timed]
    for name in ("Rate", "p99", *latencies, *map(metric_label, metrics)):
        table.add_column(name, justify="right", no_wrap=True)
    # Their names stand in the tables of the single verdicts; here they would take the width of the rest.
    for name in ("Failed", "Unknown"):
        table.add_column(name, justify="right", no_wrap=True)
    for system, verdicts in judged.systems.items():
        for verdict in verdicts:
            table.add_row(
                short.get(system, system),
                verdict.title,
                Text(verdict.outcome, style=OUTCOME_STYLES[verdict.outcome]),
                measured(verdict.rate, verdict.rate_error, "-"),
                _p99(verdict),
                *(_token_p99(getattr(verdict, name)) for name in timed),
                *(_score(verdict, name) for name in metrics),
                str(len(verdict.failed)),
                str(len(verdict.unknown)),
            )
    units = dict.fromkeys(f"{verdict.title} {verdict.rate_unit}" for verdict in judged.verdicts)
    reasons = dict.fromkeys(reason_of(verdict) for verdict in judged.verdicts if not verdict.submittable)
    notes = (f"Rates: {', '.join(units)}.", *reasons, *judged.skipped)
    return Group(table, *whole_lines(short), *(Text(each, overflow="ignore") for each in notes))


def _p99(verdict: Verdict) -> str:
    return "-" if verdict.p99_of_queries_s is None else f"{measured(verdict.p99_of_queries_s)} s"


def _token_p99(figures: LatencyFigures | None) -> str:
    return "-" if figures is None or figures.p99_s is None else f"{measured(figures.p99_s)} s"


def _score(verdict: Verdict, metric: str) -> str:
    return score(verdict.scores.get(metric), limits=verdict.limits_of(metric), none="-")


def render_verdict(verdict: Verdict) -> Group:
    """Render a verdict as a table; remedies of checks that did not pass are listed below it."""
    table = Table(title=_title(verdict), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Run", no_wrap=True)
    table.add_column("Check", overflow="fold")
    table.add_column("Value", overflow="fold")
    table.add_column("Limit", overflow="fold")
    table.add_column("", no_wrap=True)
    for check in verdict.checks:
        table.add_row(check.run or "both", check.name, check.shown, check.limit, _mark(check))
    outcome = Text.assemble(
        f"{verdict.title}: ",
        (verdict.outcome, OUTCOME_STYLES[verdict.outcome]),
        *_counts(verdict),
    )
    said = (*_numbers(verdict), *_remedies(verdict), *_disturbances(verdict))
    return Group(table, *map(Text, said), outcome, Text())


def _title(verdict: Verdict) -> str:
    mark = "" if verdict.submittable else f": {heading_of(verdict)}"
    return f"{verdict.title}, round {verdict.round}{mark}"


def _numbers(verdict: Verdict) -> Iterator[str]:
    if verdict.not_submittable_because:
        yield reason_of(verdict)
    if verdict.rate is not None:
        scheduled = f" ({measured(verdict.scheduled_rate)} scheduled)" if verdict.scheduled_rate else ""
        yield f"Result: {result_text(verdict)}{scheduled}"
        yield from runs_sentences(verdict)
    if verdict.work is not None:
        yield f"Work: {verdict.work}"
    if verdict.p99_latency_s is not None and verdict.queries_needed is not None:
        yield (
            f"Latency: p99 {measured(verdict.p99_latency_s)} s; {verdict.over_latency} of {verdict.queries} "
            f"queries late, {verdict.over_latency_allowed} allowed; with {verdict.over_latency} late, early "
            f"stopping needs {verdict.queries_needed} queries ({_missing(verdict)})"
        )
    elif verdict.p99_of_queries_s is not None:
        yield f"Latency: p99 {measured(verdict.p99_of_queries_s)} s"
    yield from _token_numbers(verdict)
    if verdict.accuracy is not None:
        readings = ", ".join(
            f"{name} {reading.floor:.12g} {'met' if reading.passed else 'missed'}"
            for name, reading in verdict.readings.items()
        )
        stated = f" ({readings})" if readings else ""
        yield f"Score: {verdict.metric} {_score(verdict, verdict.metric)}{stated}"
    for name in verdict.metrics:
        if name != verdict.metric:
            yield f"Score: {name} {_score(verdict, name)}"
    if verdict.suggested_target_qps is not None:
        yield (
            f"Next: target_qps {verdict.suggested_target_qps:g} instead of {verdict.target_qps:g} "
            f"(scenarios.{verdict.scenario}.target_qps)"
        )


def _token_numbers(verdict: Verdict) -> Iterator[str]:
    if verdict.tokens_per_s is not None:
        yield f"Tokens: {measured(verdict.tokens_per_s)} tokens/s"
    for name, figures in (("TTFT", verdict.ttft), ("TPOT", verdict.tpot)):
        if figures is not None:
            yield f"{name}: {_token_latency(figures, verdict.queries)}"


def _token_latency(figures: LatencyFigures, queries: int | None) -> str:
    """Return the percentiles of a token latency, and how many queries were over its limit."""
    shown = (("p50", figures.p50_s), ("p90", figures.p90_s), ("p99", figures.p99_s))
    said = ", ".join(f"{name} {measured(value, none='-')} s" for name, value in shown)
    if figures.limit_s is None or figures.percentile is None:
        return said
    said += f"; limit {figures.limit_s:g} s at p{100 * figures.percentile:g}"
    if figures.over is None:
        return said
    return f"{said}, {figures.over} of {queries} queries over it, {figures.over_allowed} allowed"


def _missing(verdict: Verdict) -> str:
    missing = (verdict.queries_needed or 0) - (verdict.queries or 0)
    return f"{missing} more" if missing > 0 else "enough were issued"


def _counts(verdict: Verdict) -> Iterator[str]:
    passed = len(verdict.checks) - len(verdict.failed) - len(verdict.unknown) - len(verdict.not_asked)
    yield f", {passed} of {len(verdict.checks)} checks passed"
    if verdict.failed:
        yield f", {len(verdict.failed)} failed"
    if verdict.unknown:
        yield f", {len(verdict.unknown)} unknown (evidence missing)"
    if verdict.not_asked:
        yield f", {len(verdict.not_asked)} not asked"


def _disturbances(verdict: Verdict) -> Iterator[str]:
    for each in verdict.disturbances:
        yield f"Warning ({each.run or 'all runs'}): {each.sentence} {each.remedy}"
    missing = unexamined_line(verdict.title, verdict.not_examined)
    if missing is not None:
        yield missing


def _remedies(verdict: Verdict) -> Iterator[str]:
    """Yield each remedy once, after the names of its checks."""
    for state, checks in (("failed", verdict.failed), ("unknown", verdict.unknown)):
        for remedy, alike in by_remedy(checks).items():
            names = ", ".join(f"{check.name} ({check.run or 'both'})" for check in alike)
            yield f"{names} {state}: {remedy}"
