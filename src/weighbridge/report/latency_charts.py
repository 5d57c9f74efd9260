"""Charts of what a scenario's limits are about: latency, time to first token, time per output token."""

from collections.abc import Iterator
from dataclasses import dataclass

from weighbridge.config.scenario_rules import LatencyLimit
from weighbridge.core.formatting import number, page_latency, with_unit
from weighbridge.report.chart import Chart, ChartGap
from weighbridge.report.figures import request_figures
from weighbridge.report.inputs import ReportRun
from weighbridge.report.request_series import Floats, RequestSeries, latency_over_time, latency_summary

GROUP = "latency"
TITLES = {
    "latency": ("distribution of latencies", "share answered in time", "latency over the run"),
    "ttft": (
        "distribution of times to first token",
        "share with a first token in time",
        "time to first token over the run",
    ),
    "tpot": ("distribution of times per output token", "share with a time per token in the limit"),
}
"""Of the charts of each latency: its distribution, its shares, and its course where requests are in order."""


@dataclass(frozen=True)
class _Timing:
    """One kind of latency of a run's requests.

    Attributes:
        key: Its key in `TITLES`, and its part of a chart's key.
        values_s: Of the requests that have it, in seconds; infinity for failed ones.
        limit: The round's limit; None: there is none.
    """

    key: str
    values_s: Floats
    limit: LatencyLimit | None

    @property
    def name(self) -> str:
        """Its name for people."""
        return request_figures.LATENCY_NAMES[self.key]

    @property
    def limit_s(self) -> float | None:
        """The limit in seconds."""
        return None if self.limit is None else self.limit.limit_s


def latency_charts(run: ReportRun, requests: RequestSeries) -> Iterator[Chart | ChartGap]:
    """Yield the charts of a performance run: three for each latency with a limit, one for each other."""
    title = run.scenario.folder
    if run.scenario.offline:
        sentence = "All samples are issued at once, and no limit applies to their latencies; see the load."
        yield ChartGap(GROUP, title, sentence)
        return
    if requests.failed.all():
        yield ChartGap(GROUP, title, "No request was answered; errors.jsonl beside the run says why.")
        return
    timings = _timings(run, requests)
    limited = any(timing.limit is not None for timing in timings)
    for timing in timings:
        yield _distribution(run, requests, timing)
        if timing.limit is not None or not limited:
            yield _cumulative(run, timing)
            if timing.key != "tpot":  # it is not that of each request
                yield _over_time(run, requests, timing)


def _timings(run: ReportRun, requests: RequestSeries) -> list[_Timing]:
    """Return the latencies of a run, those with a limit first."""
    limits = run.scenario.limits
    timings = [_Timing("latency", requests.latency_s, limits.latency)]
    if run.streamed:
        timings += [
            _Timing("ttft", requests.ttft_s, limits.ttft),
            _Timing("tpot", requests.tpot_s, limits.tpot),
        ]
    return sorted((each for each in timings if len(each.values_s)), key=lambda each: each.limit is None)


def _distribution(run: ReportRun, requests: RequestSeries, timing: _Timing) -> Chart:
    summary = latency_summary(timing.values_s)
    failed = int(requests.failed.sum())
    unanswered = f"{number(failed)} of them failed and are not drawn. " if failed else ""
    percentiles = {each: page_latency(value) for each, value in summary.percentiles_s.items()}
    return Chart(
        group=GROUP,
        key=f"{run.scenario.name}-{timing.key}",
        title=f"{run.scenario.folder}: {TITLES[timing.key][0]}",
        caption=f"{number(len(timing.values_s))} requests: median {percentiles[0.5]}, p99 "
        f"{percentiles[0.99]}, slowest {page_latency(summary.max_s)}. {unanswered}"
        f"{_limit_sentence(timing.limit)}",
        draw=lambda: request_figures.latency_distribution(timing.values_s, timing.limit_s, timing.name),
    )


def _cumulative(run: ReportRun, timing: _Timing) -> Chart:
    return Chart(
        group=GROUP,
        key=f"{run.scenario.name}-{timing.key}-cumulative",
        title=f"{run.scenario.folder}: {TITLES[timing.key][1]}",
        caption=f"{_crossing_sentence(timing.limit)}Each step up is ten times rarer.",
        draw=lambda: request_figures.cumulative_latency(timing.values_s, timing.limit, timing.name),
    )


def _over_time(run: ReportRun, requests: RequestSeries, timing: _Timing) -> Chart:
    return Chart(
        group=GROUP,
        key=f"{run.scenario.name}-{timing.key}-over-time",
        title=f"{run.scenario.folder}: {TITLES[timing.key][2]}",
        caption="By the time of issue. A level curve shows a server that keeps up; a rising one shows a "
        "growing queue.",
        draw=lambda: request_figures.latency_over_time(
            latency_over_time(requests.planned_s, timing.values_s),
            requests.duration_s,
            timing.limit_s,
            timing.name,
        ),
    )


def _limit_sentence(limit: LatencyLimit | None) -> str:
    if limit is None:
        return "The round has no limit for these latencies."
    percentile = f"{100 * limit.percentile:g}th percentile"
    return f"The limit of {with_unit(limit.limit_s, 's')} applies to the {percentile}."


def _crossing_sentence(limit: LatencyLimit | None) -> str:
    if limit is None:
        return ""
    percentile = with_unit(100 * limit.percentile, "%")
    return f"The curve must cross the dotted line at {percentile} left of the limit. "
