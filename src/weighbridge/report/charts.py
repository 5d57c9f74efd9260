"""The charts of a report, each with its title and caption; and a reason for each that cannot be drawn."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import zip_longest

from weighbridge.config.metric_rules import MetricRules
from weighbridge.config.round import Round
from weighbridge.config.round_of_scenario import round_of_scenario
from weighbridge.config.scenario_rules import Mode, ScenarioRules
from weighbridge.core.formatting import measured, metric_label, number, page_duration
from weighbridge.evaluation.error_analysis import ErrorAnalysis, Level
from weighbridge.records.telemetry_readings import TimeSeries
from weighbridge.report.chart import GROUPS, Chart, ChartGap
from weighbridge.report.figures import accuracy_figures, request_figures
from weighbridge.report.inputs import Missing, ReportInputs, ReportRun
from weighbridge.report.latency_charts import latency_charts
from weighbridge.report.request_series import RequestSeries, rates_over_time
from weighbridge.report.telemetry_charts import core_chart, gpu_chart, queue_chart
from weighbridge.report.telemetry_series import rate_of, series_of, total

_MIN_SAMPLES = 10  # of a counter, one a second: fewer make no curve
_REQUEST_GROUPS, _TELEMETRY_GROUPS = ("latency", "load", "tokens"), ("server", "machines")


def charts_of(
    inputs: ReportInputs, analyses: Mapping[str, ErrorAnalysis | Missing]
) -> Iterator[Chart | ChartGap]:
    """Yield the charts in the order of the page."""
    scenarios = inputs.round_.scenarios.values()
    of_scenarios = [list(_scenario_charts(inputs, scenario)) for scenario in scenarios]
    for group in GROUPS:
        # Scenarios side by side: the first chart of each, then the second of each.
        columns = [[chart for chart in charts if chart.group == group] for charts in of_scenarios]
        yield from (chart for row in zip_longest(*columns) for chart in row if chart is not None)
    yield from _score_charts(analyses, inputs.round_)
    yield from _search_charts(inputs)


def _scenario_charts(inputs: ReportInputs, scenario: ScenarioRules) -> Iterator[Chart | ChartGap]:
    run = inputs.runs[scenario.name, Mode.PERFORMANCE]
    if isinstance(run, Missing):
        yield from _gaps((*_REQUEST_GROUPS, *_TELEMETRY_GROUPS), scenario, run.sentence)
    else:
        yield from _run_charts(run)


def _gaps(groups: Sequence[str], scenario: ScenarioRules, sentence: str) -> Iterator[ChartGap]:
    return (ChartGap(group, scenario.folder, sentence) for group in groups)


def _run_charts(run: ReportRun) -> Iterator[Chart | ChartGap]:
    requests, telemetry = run.requests, run.telemetry
    if isinstance(requests, Missing):
        yield from _gaps((*_REQUEST_GROUPS, *_TELEMETRY_GROUPS), run.scenario, requests.sentence)
        return
    yield from latency_charts(run, requests)
    yield _rate_chart(run, requests)
    yield from _token_charts(run, requests)
    if isinstance(telemetry, Missing):
        yield from _gaps(_TELEMETRY_GROUPS, run.scenario, telemetry.sentence)
        return
    yield queue_chart(run.scenario, telemetry, requests.duration_s)
    yield gpu_chart(run.scenario, telemetry, requests.duration_s)
    yield core_chart(run.scenario, telemetry, requests.duration_s)


def _rate_chart(run: ReportRun, requests: RequestSeries) -> Chart:
    windows, in_flight = rates_over_time(requests), run.record.load.in_flight
    most = max((count for _, count in in_flight), default=0)
    return Chart(
        group="load",
        key=f"{run.scenario.name}-requests",
        title=f"{run.scenario.folder}: requests sent, completed and in flight",
        caption=f"In windows of {page_duration(windows.width_s)}; at most {number(most)} requests were "
        "in flight at once.",
        draw=lambda: request_figures.request_rates(windows, in_flight, requests.duration_s),
    )


def _token_charts(run: ReportRun, requests: RequestSeries) -> Iterator[Chart | ChartGap]:
    title, tokens = run.scenario.folder, requests.answer_tokens
    if not tokens.any():
        sentence = "No answer reported its number of tokens; use a server that sends `usage`."
        yield from _gaps(("tokens",), run.scenario, sentence)
        return
    yield Chart(
        group="tokens",
        key=f"{run.scenario.name}-tokens",
        title=f"{title}: length of the answers",
        caption=f"On average {measured(float(tokens.mean()))} tokens, at most {number(int(tokens.max()))}.",
        draw=lambda: request_figures.answer_tokens(tokens),
    )
    rate, source = _token_rate(run, requests)
    yield Chart(
        group="tokens",
        key=f"{run.scenario.name}-token-rate",
        title=f"{title}: generated tokens per second",
        caption=f"On average {measured(float(rate.value.mean()))} over the run, {source}.",
        draw=lambda: request_figures.token_rate(rate, requests.duration_s),
    )


def _token_rate(run: ReportRun, requests: RequestSeries) -> tuple[TimeSeries, str]:
    """Return the token rate and its source: the servers' counters, or else the ends of the answers."""
    if not isinstance(run.telemetry, Missing):
        counters = series_of(run.telemetry, "server", "generation_tokens").values()
        rates = [rate_of(counter) for counter in counters]
        if max((len(rate.time_s) for rate in rates), default=0) >= _MIN_SAMPLES:
            return total(rates), "from the servers' counters"
    windows = rates_over_time(requests)
    return TimeSeries(windows.middle_s, windows.values["tokens"]), "each answer counted at its end"


def _score_charts(
    analyses: Mapping[str, ErrorAnalysis | Missing], round_: Round
) -> Iterator[Chart | ChartGap]:
    scored = {name: each.levels for name, each in analyses.items() if isinstance(each, ErrorAnalysis)}
    if not scored:
        sentences = dict.fromkeys(each.sentence for each in analyses.values() if isinstance(each, Missing))
        yield from (ChartGap("accuracy", "Scores by level", sentence) for sentence in sentences)
        return
    # Scenarios with bounds of their own have a chart of their own.
    bounds = {name: round_of_scenario(round_, name).metrics for name in scored}
    first = next(iter(scored))
    alike = [name for name in scored if bounds[name] == bounds[first]]
    for names in (alike, *([name] for name in scored if name not in alike)):
        levels = {round_.scenarios[name].folder: scored[name] for name in names}
        own = "" if names == alike else f"-{names[0]}"
        of = "" if len(alike) == len(scored) else f" of {' and '.join(levels)}"
        yield _score_chart(f"scores{own}", of, levels, bounds[names[0]])


def _score_chart(
    key: str, of: str, levels: Mapping[str, Sequence[Level]], metrics: Mapping[str, MetricRules]
) -> Chart:
    marked = " and ".join(
        metric_label(name) for name, rules in metrics.items() if accuracy_figures.drawn_bounds(rules)
    )
    bounds = f"The dashed bounds apply to {marked} only. " if marked else ""
    return Chart(
        group="accuracy",
        key=key,
        title=f"Scores{of} with their 95 % confidence intervals",
        caption=f"{bounds}The intervals show how certain the scores are; no gate uses them.",
        draw=lambda: accuracy_figures.score_levels(levels, metrics),
    )


def _search_charts(inputs: ReportInputs) -> Iterator[Chart]:
    several = len(inputs.searches) > 1
    for name, peak in inputs.searches.items():
        if isinstance(peak, Missing):
            continue
        of = f": {inputs.round_.scenarios[name].folder}" if several else ""
        yield Chart(
            group="search",
            key=f"probes-{name}" if several else "probes",
            title=f"The search for the highest rate that passes{of}",
            caption="A dot passed, a cross failed, a ring is a run of full length; the dotted line is the "
            "confirmed rate. Latencies far above the limit are cut off.",
            draw=partial(request_figures.probes, peak),
        )
