"""Which pictures a results folder gives, each with its caption; and what is said where there is none."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from matplotlib.figure import Figure

from weighbridge.config.round import Mode, Round, ScenarioRules
from weighbridge.core.formatting import number, page_duration, page_latency, with_unit
from weighbridge.evaluation.error_analysis import ErrorAnalysis
from weighbridge.records.search_record import Peak
from weighbridge.report.figures import (
    accuracy_figures,
    latency_figures,
    load_figures,
    search_figures,
    system_figures,
)
from weighbridge.report.inputs import Material, Missing, Run
from weighbridge.report.request_series import Traffic, latencies, latency_over_time, rates_over_time
from weighbridge.report.telemetry_series import Curve, Telemetry, band, curves_of, growth_of, rate_of, total

# Also the folders of the figures' files, and the names of their captions in workflow/report.
GROUPS = {
    "latency": "Latency",
    "load": "Load",
    "tokens": "Tokens",
    "server": "Server queue",
    "machines": "GPUs and processors",
    "accuracy": "Accuracy",
    "search": "Peak search",
}
_FEW = 10  # samples, one a second: fewer draw no curve
_OF_REQUESTS, _OF_TELEMETRY = ("latency", "load", "tokens"), ("server", "machines")


@dataclass(frozen=True)
class Drawing:
    """A picture that can be made."""

    group: str
    key: str
    """Unique; also its file's name."""
    title: str
    caption: str
    draw: Callable[[], Figure]


@dataclass(frozen=True)
class Gap:
    """A picture that cannot, and what would make it possible."""

    group: str
    title: str
    sentence: str


Item = Drawing | Gap


def drawings(material: Material, studies: Mapping[str, ErrorAnalysis | Missing]) -> Iterator[Item]:
    """List the pictures in the order of the page."""
    of_scenarios = [list(_of_scenario(material, scenario)) for scenario in material.round_.scenarios.values()]
    for group in GROUPS:
        # Scenarios beside each other: the first picture of each, then the second of each.
        columns = [[item for item in items if item.group == group] for items in of_scenarios]
        yield from (item for row in zip_longest(*columns) for item in row if item is not None)
    yield from _of_scores(studies, material.round_)
    yield from _of_search(material.peak)


def _of_scenario(material: Material, scenario: ScenarioRules) -> Iterator[Item]:
    run = material.runs[scenario.name, Mode.PERFORMANCE]
    if isinstance(run, Missing):
        yield from _gaps((*_OF_REQUESTS, *_OF_TELEMETRY), scenario, run.sentence)
    else:
        yield from _of_run(run)


def _gaps(groups: Sequence[str], scenario: ScenarioRules, sentence: str) -> Iterator[Gap]:
    return (Gap(group, scenario.folder, sentence) for group in groups)


def _of_run(run: Run) -> Iterator[Item]:
    traffic, telemetry = run.traffic, run.telemetry
    if isinstance(traffic, Missing):
        yield from _gaps((*_OF_REQUESTS, *_OF_TELEMETRY), run.scenario, traffic.sentence)
        return
    yield from _latency(run.scenario, traffic)
    yield _requests(run, traffic)
    yield from _tokens(run, traffic)
    if isinstance(telemetry, Missing):
        yield from _gaps(_OF_TELEMETRY, run.scenario, telemetry.sentence)
        return
    yield _queue(run.scenario, telemetry, traffic.duration_s)
    yield _gpus(run.scenario, telemetry, traffic.duration_s)
    yield _cores(run.scenario, telemetry, traffic.duration_s)


def _latency(scenario: ScenarioRules, traffic: Traffic) -> Iterator[Item]:
    limit = scenario.limits.latency
    if limit is None:
        yield from _gaps(
            ("latency",),
            scenario,
            "All samples are issued at once and nothing limits how long one may take: see the load instead.",
        )
        return
    limit_s, percentile, title = limit.limit_s, limit.percentile, scenario.folder
    brief, spread = latencies(traffic), traffic.latency_s
    of_percentile = {each: page_latency(value) for each, value in brief.percentiles_s.items()}
    yield Drawing(
        group="latency",
        key=f"{scenario.name}-latency",
        title=f"{title}: how latencies are spread",
        caption=f"{number(len(spread))} requests: median {of_percentile[0.5]}, p99 {of_percentile[0.99]}, "
        f"slowest {page_latency(brief.max_s)}. The limit of {with_unit(limit_s, 's')} is for the "
        f"{100 * percentile:g}th percentile.",
        draw=lambda: latency_figures.distribution(spread, limit_s),
    )
    yield Drawing(
        group="latency",
        key=f"{scenario.name}-latency-cumulative",
        title=f"{title}: share answered in time",
        caption=f"The curve has to cross the dotted line at {with_unit(100 * percentile, '%')} left of the "
        f"limit; each step up is ten times rarer.",
        draw=lambda: latency_figures.cumulative(spread, limit_s, percentile),
    )
    yield Drawing(
        group="latency",
        key=f"{scenario.name}-latency-over-time",
        title=f"{title}: latency while the run goes on",
        caption="By the time of issue. A level curve is a server that keeps up; a rising one, a queue that "
        "grows.",
        draw=lambda: latency_figures.over_time(latency_over_time(traffic), traffic.duration_s, limit_s),
    )


def _requests(run: Run, traffic: Traffic) -> Drawing:
    windows, in_flight = rates_over_time(traffic), run.record.load.in_flight
    most = max((count for _, count in in_flight), default=0)
    return Drawing(
        group="load",
        key=f"{run.scenario.name}-requests",
        title=f"{run.scenario.folder}: requests sent, completed and in flight",
        caption=f"In windows of {page_duration(windows.width_s)}; at most {number(most)} requests were "
        "under way at once.",
        draw=lambda: load_figures.requests(windows, in_flight, traffic.duration_s),
    )


def _tokens(run: Run, traffic: Traffic) -> Iterator[Item]:
    title, answered = run.scenario.folder, traffic.tokens[~traffic.failed]
    if not answered.any():
        told = "No answer told how many tokens it has; a server that sends `usage` does."
        yield from _gaps(("tokens",), run.scenario, told)
        return
    yield Drawing(
        group="tokens",
        key=f"{run.scenario.name}-tokens",
        title=f"{title}: length of the answers",
        caption=f"On average {number(float(answered.mean()), 3)} tokens, at most "
        f"{number(int(answered.max()))}.",
        draw=lambda: load_figures.answer_tokens(answered),
    )
    rate, source = _token_rate(run, traffic)
    yield Drawing(
        group="tokens",
        key=f"{run.scenario.name}-token-rate",
        title=f"{title}: generated tokens per second",
        caption=f"On average {number(float(rate.value.mean()), 4)} over the run; {source}.",
        draw=lambda: load_figures.token_rate(rate, traffic.duration_s),
    )


def _token_rate(run: Run, traffic: Traffic) -> tuple[Curve, str]:
    """Take the servers' counters where there are some: from the client, an answer counts all at its end."""
    if not isinstance(run.telemetry, Missing):
        counters = curves_of(run.telemetry, "server", "generation_tokens").values()
        rates = [rate_of(counter) for counter in counters]
        if max((len(rate.time_s) for rate in rates), default=0) >= _FEW:
            return total(rates), "as the servers counted them"
    windows = rates_over_time(traffic)
    return Curve(windows.middle_s, windows.values["tokens"]), "an answer's tokens count where it ended"


def _queue(scenario: ScenarioRules, telemetry: Telemetry, duration_s: float) -> Item:
    running, waiting, usage = (
        curves_of(telemetry, "server", metric).values()
        for metric in ("requests_running", "requests_waiting", "kv_cache_usage")
    )
    if not running and not waiting and not usage:
        told = (
            "The server told nothing of its queue; one that tells it at `/metrics`, as vLLM does, fills this."
        )
        return Gap("server", scenario.folder, told)
    told = _counted(telemetry, "preemptions", "Preemptions: {}.")
    told += _counted(telemetry, "prefix_cache_hits", "Tokens found in the prefix cache: {}; 0 is the rule.")
    return Drawing(
        group="server",
        key=f"{scenario.name}-queue",
        title=f"{scenario.folder}: running, waiting, KV cache",
        caption=f"All servers together; of the cache, the mean of the servers and their spread.{told}",
        draw=lambda: system_figures.queue(total(running), total(waiting), band(usage), duration_s),
    )


def _counted(telemetry: Telemetry, metric: str, sentence: str) -> str:
    counters = curves_of(telemetry, "server", metric).values()
    return f" {sentence.format(number(growth_of(counters)))}" if counters else ""


def _gpus(scenario: ScenarioRules, telemetry: Telemetry, duration_s: float) -> Item:
    title = f"{scenario.folder}: GPUs"
    utilisation, power, memory = (
        curves_of(telemetry, "gpu", metric).values()
        for metric in ("utilisation", "power_w", "memory_used_bytes")
    )
    count = max(map(len, (utilisation, power, memory)))
    if not count:
        told = "No GPU told anything of itself: there is none, or its driver has no NVML."
        return Gap("machines", title, told)
    return Drawing(
        group="machines",
        key=f"{scenario.name}-gpus",
        title=title,
        caption=f"Of {count}: the mean, and their spread behind it; their power is added up.",
        draw=lambda: system_figures.gpus(band(utilisation), total(power), band(memory), duration_s),
    )


def _cores(scenario: ScenarioRules, telemetry: Telemetry, duration_s: float) -> Item:
    title = f"{scenario.folder}: processor cores in use"
    processes = curves_of(telemetry, "process", "cpu_cores")
    groups = {
        "server": [curve for source, curve in processes.items() if source == "process server"],
        "client": [curve for source, curve in processes.items() if source != "process server"],
        "machine": list(curves_of(telemetry, "host", "cpu_cores").values()),
    }
    used = {name: total(curves) for name, curves in groups.items() if curves}
    if not used:
        return Gap("machines", title, "No process told what it used.")
    return Drawing(
        group="machines",
        key=f"{scenario.name}-cores",
        title=title,
        caption="The client is LoadGen and its workers. One that needs most of the machine's cores measures "
        "itself, not the server.",
        draw=lambda: system_figures.cores(used, duration_s),
    )


def _of_scores(studies: Mapping[str, ErrorAnalysis | Missing], round_: Round) -> Iterator[Item]:
    known = {
        round_.scenarios[name].folder: study.levels
        for name, study in studies.items()
        if isinstance(study, ErrorAnalysis)
    }
    if not known:
        sentences = dict.fromkeys(study.sentence for study in studies.values() if isinstance(study, Missing))
        yield from (Gap("accuracy", "Scores by level", sentence) for sentence in sentences)
        return
    metric = round_.main_metric
    floor = round_.metrics[metric].floor
    yield Drawing(
        group="accuracy",
        key="scores",
        title="Scores with their 95 % confidence intervals",
        caption=f"{_floor_sentence(floor, metric)}an interval says how sure a score is, and gates nothing.",
        draw=lambda: accuracy_figures.levels(known, floor, metric),
    )


def _floor_sentence(floor: float | None, metric: str) -> str:
    return "" if floor is None else f"The floor of {floor:.7g} is for {metric} alone; "


def _of_search(peak: Peak | Missing) -> Iterator[Item]:
    if isinstance(peak, Missing):
        return
    yield Drawing(
        group="search",
        key="probes",
        title="The search for the highest rate that passes",
        caption="A dot passed, a cross did not, a ring is a run of full length; the dotted line is the rate "
        "that was confirmed. Latencies far above the limit are cut off.",
        draw=lambda: search_figures.probes(peak),
    )
