"""Compare runs with each other and with published results: rates, latencies, scores, verdicts, answers."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field
from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from weighbridge.benchmarks.registry import load_benchmark
from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.metric_rules import MetricRules
from weighbridge.config.round import Round
from weighbridge.config.round_of_scenario import round_of_scenario
from weighbridge.core.errors import InputError
from weighbridge.core.formatting import measured, number_or_dash, score, table_latencies
from weighbridge.core.long_names import short_names, whole_lines
from weighbridge.core.models import Model
from weighbridge.core.terminal import OUTCOME_STYLES
from weighbridge.quality.compare_quality import compare_quality
from weighbridge.quality.finished_quality import FinishedQuality, read_finished
from weighbridge.records.notice import heading_of
from weighbridge.records.quality_answers import MMLU_FOLDER
from weighbridge.records.quality_comparison import QUALITY_MARGIN, QualityComparison
from weighbridge.records.quality_scores import OVERALL
from weighbridge.records.verdict import VERDICT, Verdict
from weighbridge.report.quality_table import render_quality


class PublishedScenario(Model):
    """The published result of one system in one scenario."""

    rate: float = Field(description="In the unit of the scenario's metric.")
    score: float | None = Field(default=None, description="The main metric of the round.")


PUBLISHED = "published"
"""In place of an outcome."""


class PublishedResult(Model):
    """The published results of one system."""

    submitter: str
    system: str
    category: str | None = Field(default=None, description="Null: of every category of the round.")
    weights: str | None = None
    scenarios: dict[str, PublishedScenario]


class Published(Model):
    """A file of published results."""

    benchmark: str
    round: str
    results: tuple[PublishedResult, ...]


class ComparisonLine(Model):
    """The result of one system in one scenario."""

    system: str
    scenario: str
    title: str
    rate: float | None
    rate_error: float | None = Field(default=None, description="Standard error of the rate; null: not known.")
    rate_unit: str = Field(default="", description="As in the verdict; empty: not recorded.")
    p99_latency_s: float | None
    p99_ttft_s: float | None = Field(
        default=None, description="Time to the first token, of streamed answers."
    )
    p99_tpot_s: float | None = Field(default=None, description="Time per output token, likewise.")
    accuracy: float | None
    deviations: float | None = Field(description="(Score - reference mean) / reference deviation.")
    outcome: str


class Comparison(Model):
    """The lines of all systems; the first of each scenario is the baseline."""

    lines: tuple[ComparisonLine, ...]
    marks: tuple[str, ...] = Field(description="Notes on runs that must not be cited.")
    quality: QualityComparison | None = Field(
        default=None, description="The answers of those runs whose quality was measured; null: of none."
    )


def compare(runs: Sequence[Path], *, margin: float = QUALITY_MARGIN) -> Comparison:
    """Compare run directories, and add the published results of their benchmarks.

    Args:
        runs: Run directories, or their results/ folders; the first is the baseline. A measurement of quality
            alone, such as that of a sweep's system, has its own folder.
        margin: Share within which a difference of accuracies counts as none.

    Raises:
        InputError: a run directory holds neither verdict nor quality, or a file is damaged.
    """
    answers = {str(run): found for run in runs if (found := _quality(run)) is not None}
    verdicts = [(run, verdict) for run in runs for verdict in _verdicts(run, known=str(run) in answers)]
    rounds = {verdict.round_reference: _round_of(verdict) for _, verdict in verdicts}
    lines = [
        line_of(f"{run} ({verdict.round})", verdict, rounds[verdict.round_reference])
        for run, verdict in verdicts
    ]
    benchmarks = {(each.benchmark, each.category): each for each in rounds.values() if each is not None}
    for round_ in benchmarks.values():
        lines += published_lines(round_)
    marks = [f"{run}: {_mark_of(of)}" for run, of in verdicts if not of.submittable]
    if answers:
        marks += [f"{run}: its quality was not measured." for run in runs if str(run) not in answers]
    order = list(dict.fromkeys(line.scenario for line in lines))
    return Comparison(
        lines=tuple(sorted(lines, key=lambda line: order.index(line.scenario))),
        marks=tuple(dict.fromkeys(marks)),
        quality=compare_quality(answers, margin=margin) if answers else None,
    )


def _verdicts(run: Path, *, known: bool) -> list[Verdict]:
    """Return a run directory's verdicts; `known`: something else is known of it."""
    folders = (run / "results", run)
    found = [Verdict.read(path) for folder in folders for path in sorted(folder.glob(f"*/{VERDICT}"))]
    if not found and not known:
        raise InputError(
            f"{run}: holds no verdict and no quality, nor does its results/; run `snakemake verdicts` or "
            "`snakemake quality` there first."
        )
    return found


def _quality(run: Path) -> FinishedQuality | None:
    """Return a run directory's measurement of quality; None: there is none with scores."""
    for folder in (run / "results" / MMLU_FOLDER, run / MMLU_FOLDER, run):
        if (folder / OVERALL).is_file():
            return read_finished(folder)
    return None


def _mark_of(verdict: Verdict) -> str:
    reason = verdict.not_submittable_because
    return f"{heading_of(verdict)}: {reason}." if reason else heading_of(verdict)


def _round_of(verdict: Verdict) -> Round | None:
    """Return the verdict's round; None if it is a file outside the release."""
    try:
        return load_round(verdict.round_reference)
    except InputError:
        return None


def line_of(system: str, verdict: Verdict, round_: Round | None) -> ComparisonLine:
    """Return a scenario's verdict as a line; without a round the distance from the reference is None."""
    return ComparisonLine(
        system=system,
        scenario=verdict.scenario,
        title=verdict.title,
        rate=verdict.rate,
        rate_error=verdict.rate_error,
        rate_unit=verdict.rate_unit,
        p99_latency_s=verdict.p99_of_queries_s,
        p99_ttft_s=verdict.ttft.p99_s if verdict.ttft else None,
        p99_tpot_s=verdict.tpot.p99_s if verdict.tpot else None,
        accuracy=verdict.accuracy,
        deviations=_deviations(verdict.accuracy, _main_rules(round_, verdict.scenario)),
        outcome=verdict.outcome,
    )


def _main_rules(round_: Round | None, scenario: str) -> MetricRules | None:
    """Return the rules of a scenario's main metric; None: the round is not known, or has no such scenario."""
    if round_ is None or scenario not in round_.scenarios:
        return None
    of_scenario = round_of_scenario(round_, scenario)
    return of_scenario.metrics[of_scenario.main_metric]


def published_lines(round_: Round) -> list[ComparisonLine]:
    """Return the published results of a round's benchmark, in the round's category and scenarios.

    A demonstration, a rehearsal and a try of a part have other work, and are compared with none.

    Raises:
        InputError: the file of published results is damaged.
    """
    path = load_benchmark(round_.benchmark).folder / "published.yaml"
    if not round_.held_to_rules or not path.is_file():
        return []
    return [
        ComparisonLine(
            system=f"{result.submitter} {result.system}{f', {result.weights}' if result.weights else ''}",
            scenario=name,
            title=round_.scenarios[name].folder,
            rate=of.rate,
            p99_latency_s=None,
            accuracy=of.score,
            deviations=_deviations(of.score, _main_rules(round_, name)),
            outcome=PUBLISHED,
        )
        for result in Published.read(path).results
        for name, of in result.scenarios.items()
        if name in round_.scenarios and result.category in (None, round_.category)
    ]


def _deviations(score: float | None, rules: MetricRules | None) -> float | None:
    if score is None or rules is None or rules.reference_mean is None or not rules.reference_sd:
        return None
    return (score - rules.reference_mean) / rules.reference_sd


def render_comparison(comparison: Comparison) -> Group:
    """Return one table for each scenario, the notes below, and the table of compared answers."""
    scenarios = dict.fromkeys(line.scenario for line in comparison.lines)
    runs = (line.system for line in comparison.lines if line.outcome != PUBLISHED)
    short = short_names(runs, "run", _SYSTEM_WIDTH)
    tables = [
        _table([line for line in comparison.lines if line.scenario == scenario], short)
        for scenario in scenarios
    ]
    mark = [Text("Not verified by MLCommons Association.")] if tables else []
    quality = [] if comparison.quality is None else [render_quality(comparison.quality)]
    notes = (Text(sentence, overflow="ignore") for sentence in comparison.marks)  # breaks no path
    return Group(*tables, *whole_lines(short), *notes, *mark, *quality)


_SYSTEM_WIDTH = 18  # with it, all other columns fit into 80
_LATENCIES = {"p99": "p99_latency_s", "TTFT p99": "p99_ttft_s", "TPOT p99": "p99_tpot_s"}


def _table(lines: list[ComparisonLine], short: Mapping[str, str]) -> Table:
    table = Table(title=lines[0].title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("System", overflow="fold", min_width=_SYSTEM_WIDTH)
    unit = lines[0].rate_unit
    shown = [
        name for name in _LATENCIES if any(getattr(line, _LATENCIES[name]) is not None for line in lines)
    ]
    latencies = {name: _LATENCIES[name] for name in shown or ["p99"]}
    for name in (unit if unit.startswith("s ") else "Rate", "x first", *latencies, "Score", "sd off"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Verdict", no_wrap=True)
    first = lines[0].rate
    columns = [[getattr(line, field) for line in lines] for field in latencies.values()]
    times = list(map(table_latencies, columns))
    for row, line in enumerate(lines):
        table.add_row(
            short.get(line.system, line.system),
            # What others published stands as they did.
            number_or_dash(line.rate, ".6g")
            if line.outcome == PUBLISHED
            else measured(line.rate, line.rate_error, "-"),
            number_or_dash(line.rate / first if line.rate and first else None, ".2f"),
            *(texts[row] for texts in times),
            score(line.accuracy, none="-"),
            number_or_dash(line.deviations, "+.1f"),
            Text(line.outcome, style=OUTCOME_STYLES.get(line.outcome, "")),
        )
    return table
