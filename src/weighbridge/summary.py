"""One table a person reads: what each scenario reached, whether it counts, where its files are."""

from pathlib import Path

from pydantic import Field
from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from weighbridge.errors import InputError
from weighbridge.files import write_atomic
from weighbridge.gates import VERDICT, Verdict
from weighbridge.models import Model
from weighbridge.terms import Scenario

_STYLE = {"VALID": "bold green", "INVALID": "bold red", "UNPROVEN": "bold yellow"}


class ScenarioSummary(Model):
    """A scenario in one line."""

    scenario: Scenario
    rate: float | None
    rate_unit: str
    p99_latency_s: float | None = Field(description="Null where the scenario has no latency limit.")
    metric: str
    accuracy: float | None
    outcome: str
    failed: tuple[str, ...] = Field(description="Gates that failed, or that nothing on disk can answer.")
    next_steps: tuple[str, ...] = Field(description="What to do about each of them.")
    folder: str


class Summary(Model):
    """All of summary.json."""

    round: str
    submittable: bool = Field(description="False: a demonstration, nobody's result.")
    scenarios: tuple[ScenarioSummary, ...]


def summarise(results: Path) -> Summary:
    """Read every verdict of a run directory's results/.

    Raises:
        InputError: there is none, or they are of different rounds.
    """
    verdicts = {
        results / scenario: Verdict.read(results / scenario / VERDICT)
        for scenario in Scenario
        if (results / scenario / VERDICT).is_file()
    }
    if not verdicts:
        raise InputError(f"{results}: no scenario has a verdict yet; run `snakemake verdicts` first.")
    rounds = {verdict.round: verdict.submittable for verdict in verdicts.values()}
    if len(rounds) > 1:
        raise InputError(f"{results}: verdicts of different rounds ({', '.join(rounds)}); judge them again.")
    [(round_name, submittable)] = rounds.items()
    return Summary(
        round=round_name,
        submittable=submittable,
        scenarios=tuple(_line(verdict, folder) for folder, verdict in verdicts.items()),
    )


def _line(verdict: Verdict, folder: Path) -> ScenarioSummary:
    open_checks = (*verdict.failed, *verdict.unknown)
    return ScenarioSummary(
        scenario=verdict.scenario,
        rate=verdict.rate,
        rate_unit=verdict.rate_unit,
        p99_latency_s=None if verdict.over_latency is None else verdict.p99_latency_s,
        metric=verdict.metric,
        accuracy=verdict.accuracy,
        outcome=verdict.outcome,
        failed=tuple(check.name for check in open_checks),
        next_steps=tuple(dict.fromkeys(check.remedy for check in open_checks if check.remedy)),
        folder=str(folder),
    )


def write_summary(summary: Summary, path: Path) -> None:
    """Write summary.json."""
    write_atomic(path, summary.model_dump_json(indent=2) + "\n")


def render(summary: Summary) -> Group:
    """Draw the table, and below it what to do next; a demonstration says so above and below its numbers."""
    title, caption = f"Round {summary.round}", "Not verified by MLCommons Association."
    if not summary.submittable:
        title += ": DEMONSTRATION, NOT SUBMITTABLE"
        caption = "These numbers show that the workflow works; they are nobody's result."
    table = Table(title=title, caption=caption, box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Scenario", no_wrap=True)
    table.add_column("Rate", justify="right", no_wrap=True)
    table.add_column("p99", justify="right", no_wrap=True)
    table.add_column(summary.scenarios[0].metric.upper(), justify="right", no_wrap=True)
    table.add_column("Verdict", no_wrap=True)
    table.add_column("Files", overflow="fold")
    for line in summary.scenarios:
        table.add_row(
            line.scenario.loadgen_name,
            f"{_number(line.rate, '.6g')} {line.rate_unit}",
            f"{_number(line.p99_latency_s, '.3f')} s" if line.p99_latency_s is not None else "no limit",
            _number(line.accuracy, ".6f"),
            Text(line.outcome, style=_STYLE[line.outcome]),
            line.folder,
        )
    steps = [
        Text(f"{line.scenario.loadgen_name}: {step}")
        for line in summary.scenarios
        for step in line.next_steps
    ]
    return Group(table, *steps)


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
