"""Render the report's page from its templates; every text from outside is escaped."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from weighbridge import __version__
from weighbridge.config.metric_rules import MetricRules
from weighbridge.config.round_of_scenario import other_samples, round_of_scenario
from weighbridge.config.scenario_rules import Mode
from weighbridge.core import formatting
from weighbridge.evaluation.error_analysis import ErrorAnalysis
from weighbridge.gates.disturbance_lines import disturbance_lines, unexamined_line
from weighbridge.gates.performance_sentences import runs_sentences
from weighbridge.records.notice import subject_of
from weighbridge.records.verdict import Verdict, by_remedy
from weighbridge.report import accuracy_texts
from weighbridge.report.accuracy_texts import QUALITY_TITLE
from weighbridge.report.chart import GROUPS
from weighbridge.report.compare_runs import ComparisonLine, line_of, published_lines
from weighbridge.report.figures.style import PALETTE
from weighbridge.report.inputs import Missing, ReportInputs, ReportRun
from weighbridge.report.provenance_facts import command_of, provenance_facts, system_facts
from weighbridge.report.quality_facts import quality_facts
from weighbridge.report.quality_results import QualityResults
from weighbridge.report.rates import rate_blocks, warnings_of
from weighbridge.report.spent_time import Spending
from weighbridge.report.time_tables import spent_notes

_MARKS = {"VALID": ("good", "✓"), "INVALID": ("bad", "✕"), "UNPROVEN": ("open", "?")}
_CHECK_MARKS = {True: ("good", "✓ passed"), False: ("bad", "✕ failed"), None: ("open", "? not known")}


@dataclass(frozen=True)
class RenderedChart:
    """A chart as SVG, or the reason why there is none."""

    group: str
    title: str
    text: str
    """The caption, or the reason."""
    svg: Markup | None
    key: str = ""


def render_page(
    inputs: ReportInputs, analyses: Mapping[str, ErrorAnalysis | Missing], charts: Sequence[RenderedChart]
) -> str:
    """Return the page as HTML.

    Args:
        inputs: The inputs of the report.
        analyses: The error analysis of each scenario.
        charts: The charts in their order on the page.
    """
    round_ = inputs.round_
    columns = {scenario: _columns(inputs, scenario) for scenario in round_.scenarios}
    runs = [run for of in columns.values() for run in of.values() if isinstance(run, ReportRun)]
    rates = {
        scenario: rate_blocks(list(of.values()), inputs.verdicts[scenario])
        for scenario, of in columns.items()
    }
    quality = inputs.quality
    shown = {"quality": quality is not None, "published": round_.held_to_rules}
    page = page_environment().get_template("page.html.j2")
    return page.render(
        version=__version__,
        palette=PALETTE,
        contents={key: title for key, title in _CONTENTS.items() if shown.get(key, True)},
        subject=subject_of(round_, round_.benchmark, (run.record.server.model_name for run in runs)),
        groups=GROUPS,
        columns=columns,
        inputs=inputs,
        round=round_,
        rounds={name: round_of_scenario(round_, name) for name in round_.scenarios},
        other_samples=other_samples(round_),
        runs=runs,
        rates=rates,
        warnings=[*_disturbed(inputs), *warnings_of(runs)],
        unexamined=_unexamined(inputs),
        charts=charts,
        analyses=analyses,
        facts=provenance_facts(runs),
        system_facts=system_facts(runs),
        own=_own_lines(inputs),
        published=published_lines(round_),
        spent=inputs.spent,
        spendings=list(Spending),
        notes=spent_notes(inputs.spent)[1:],  # the first is the sentence above the table
        quality=quality,
        quality_facts=quality_facts(quality.overall) if isinstance(quality, QualityResults) else [],
    )


def _disturbed(inputs: ReportInputs) -> list[str]:
    """Return the disturbances of all runs; what to do about them stands in the scenarios' cards."""
    return [
        line
        for scenario, verdict in inputs.verdicts.items()
        if isinstance(verdict, Verdict)
        for line in disturbance_lines(inputs.round_.scenarios[scenario].folder, verdict.disturbances)
    ]


def _unexamined(inputs: ReportInputs) -> list[str]:
    """Return what was not looked for in each scenario; without a verdict nothing was."""
    lines = [
        f"{inputs.round_.scenarios[scenario].folder}: disturbances are looked for when it is judged."
        if isinstance(verdict, Missing)
        else unexamined_line(inputs.round_.scenarios[scenario].folder, verdict.not_examined)
        for scenario, verdict in inputs.verdicts.items()
    ]
    return [line for line in lines if line is not None]


# The anchor of each section is also the name of its template.
_CONTENTS = {
    "verdicts": "Verdicts",
    "rates": "Rates and latencies",
    "figures": "Figures",
    "accuracy": "Accuracy",
    "quality": QUALITY_TITLE,
    "search": "Peak search",
    "time": "Time of servers",
    "provenance": "Provenance",
    "published": "Compared with published results",
}


def _columns(inputs: ReportInputs, scenario: str) -> dict[str, ReportRun | Missing]:
    """Return the runs of a scenario by the headings of their columns, the result first."""
    performance, accuracy = (inputs.runs[scenario, mode] for mode in Mode)
    repeats = inputs.repeats.get(scenario, [])
    if not repeats:
        return {str(Mode.PERFORMANCE): performance, str(Mode.ACCURACY): accuracy}
    others = {_heading(run, f"repeat {place}"): run for place, run in enumerate(repeats, 1)}
    chosen = f"{_heading(performance, Mode.PERFORMANCE)}, the result"
    return {chosen: performance, **others, str(Mode.ACCURACY): accuracy}


def _heading(run: ReportRun | Missing, missing: str) -> str:
    return missing if isinstance(run, Missing) else run.run


def page_environment() -> Environment:
    """Return the environment of all pages' templates, which escapes every text from outside."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,  # datasets' texts and models' answers are not trusted
        undefined=StrictUndefined,  # a missing value is an error, not an empty text
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": formatting.number,
        "measured": formatting.measured,
        "runs_sentences": runs_sentences,
        "score": formatting.score,
        "metric_label": formatting.metric_label,
        "bounds": _bounds,
        "limits": lambda rules: [rules.floor, rules.ceiling] if rules else [],
        "seconds": formatting.page_latency,
        "duration": formatting.page_duration,
        "code": mark_code,
        "value": formatting.value_text,
        "share": formatting.share,
        "mark": _MARKS.__getitem__,
        "check_mark": _CHECK_MARKS.__getitem__,
        "by_remedy": by_remedy,
        "command": command_of,
        "data_url": _data_url,
        "asked": accuracy_texts.asked_text,
        "quality_banners": accuracy_texts.banners,
        "accuracy": lambda share: _unbroken(accuracy_texts.share_text(share)),
        "stderr": lambda share: _unbroken(accuracy_texts.stderr_text(share)),
    }
    environment.tests["missing"] = lambda part: isinstance(part, Missing)
    return environment


def mark_code(text: str) -> Markup:
    """Escape a sentence, and mark up the parts between backticks as code."""
    # Every second piece was between two backticks.
    pieces = enumerate(escape(piece) for piece in text.split("`"))
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if index % 2 else piece for index, piece in pieces
    )


def _bounds(rules: MetricRules | None) -> str:
    """Return a metric's bounds for people, such as 'floor 0.7824'; empty if it has none."""
    bounds = {"floor": rules.floor, "ceiling": rules.ceiling} if rules else {}
    named = [f"{name} {formatting.number(value, 9)}" for name, value in bounds.items() if value is not None]
    return ", ".join(named)


def _own_lines(inputs: ReportInputs) -> list[ComparisonLine]:
    return [
        line_of("this run", verdict, inputs.round_)
        for verdict in inputs.verdicts.values()
        if isinstance(verdict, Verdict)
    ]


def _unbroken(text: str) -> str:
    """Return a value with its interval, in which a line may break before the interval only."""
    return text.replace(" ", "\N{NO-BREAK SPACE}").replace("\N{NO-BREAK SPACE}[", " [")


def _data_url(image: bytes) -> str:
    kind = "png" if image.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"
