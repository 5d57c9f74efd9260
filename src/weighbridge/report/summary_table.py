"""One table a person reads: what each scenario reached, whether it counts, where its files are."""

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from weighbridge.core.formatting import number_or_dash
from weighbridge.core.terminal import OUTCOME_STYLES
from weighbridge.records.notice import heading_of, reason_of
from weighbridge.report.summary import ScenarioSummary, Summary


def render(summary: Summary) -> Group:
    """Draw the table, and below it what to do next; a demonstration says so above and below its numbers."""
    title, caption = f"Round {summary.round}", "Not verified by MLCommons Association."
    if not summary.submittable:
        title, caption = f"{title}: {heading_of(summary)}", reason_of(summary)
    table = Table(title=title, caption=caption, box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Scenario", no_wrap=True)
    rates = all(line.rate_unit.endswith("/s") for line in summary.scenarios)
    table.add_column("Rate" if rates else "Result", justify="right", no_wrap=True)
    table.add_column("p99", justify="right", no_wrap=True)
    metrics = list(dict.fromkeys(name for line in summary.scenarios for name in _scores(line)))
    for metric in metrics:
        table.add_column(metric.replace("_", " ").upper(), justify="right", no_wrap=True)
    table.add_column("Verdict", no_wrap=True)
    table.add_column("Files", overflow="fold")
    for line in summary.scenarios:
        table.add_row(
            line.title,
            f"{number_or_dash(line.rate, '.6g')} {line.rate_unit}",
            f"{number_or_dash(line.p99_latency_s, '.3f')} s"
            if line.p99_latency_s is not None
            else "no limit",
            *(number_or_dash(_scores(line).get(metric), ".6f") for metric in metrics),
            Text(line.outcome, style=OUTCOME_STYLES[line.outcome]),
            line.folder,
        )
    steps = [Text(f"{line.title}: {step}") for line in summary.scenarios for step in line.next_steps]
    return Group(table, *steps)


def _scores(line: ScenarioSummary) -> dict[str, float | None]:
    """Return every gated score by name, the main one first; None where it is not known."""
    return {line.metric: line.accuracy, **line.metrics}
