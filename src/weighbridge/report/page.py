"""The page: what was read and drawn, put into the templates. Every text from outside is escaped."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from weighbridge import __version__
from weighbridge.config.round import Mode
from weighbridge.core import formatting
from weighbridge.evaluation.error_analysis import ErrorAnalysis
from weighbridge.records.verdict import Verdict, by_remedy
from weighbridge.report.charts import GROUPS
from weighbridge.report.colors import PALETTE
from weighbridge.report.compare_runs import Line, line_of, published_lines
from weighbridge.report.inputs import Material, Missing, Run
from weighbridge.report.provenance_facts import command_of, facts, system_facts
from weighbridge.report.rates import rate_blocks, warnings_of

_MARKS = {"VALID": ("good", "✓"), "INVALID": ("bad", "✕"), "UNPROVEN": ("open", "?")}
_CHECK_MARKS = {True: ("good", "✓ passed"), False: ("bad", "✕ failed"), None: ("open", "? not known")}


@dataclass(frozen=True)
class Picture:
    """A drawn picture, or the reason why there is none."""

    group: str
    title: str
    text: str
    """The caption, or the sentence that stands in the picture's place."""
    svg: Markup | None
    key: str = ""


def render_page(
    material: Material, studies: Mapping[str, ErrorAnalysis | Missing], pictures: Sequence[Picture]
) -> str:
    """Write the whole page."""
    round_, runs = material.round_, [run for run in material.runs.values() if isinstance(run, Run)]
    rates = {
        scenario: rate_blocks([material.runs[scenario, mode] for mode in Mode], material.verdicts[scenario])
        for scenario in round_.scenarios
    }
    page = _environment().get_template("page.html.j2")
    return page.render(
        version=__version__,
        palette=PALETTE,
        contents=_CONTENTS,
        groups=GROUPS,
        modes=list(Mode),
        material=material,
        round=round_,
        runs=runs,
        rates=rates,
        warnings=warnings_of(runs),
        pictures=pictures,
        studies=studies,
        facts=facts(runs),
        system_facts=system_facts(runs),
        ours=_our_lines(material),
        published=published_lines(round_),
    )


# Each section's anchor is also its template's name.
_CONTENTS = {
    "verdicts": "Verdicts",
    "rates": "Rates and latencies",
    "pictures": "Pictures",
    "accuracy": "Accuracy",
    "search": "Peak search",
    "provenance": "Provenance",
    "published": "Beside published results",
}


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,  # products' texts and models' answers are strangers' texts
        undefined=StrictUndefined,  # a template that asks for what nobody gives is a defect, not a blank
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": formatting.number,
        "score": formatting.score,
        "seconds": formatting.page_latency,
        "duration": formatting.page_duration,
        "moment": formatting.utc_time,
        "code": mark_code,
        "value": formatting.value_text,
        "mark": _MARKS.__getitem__,
        "check_mark": _CHECK_MARKS.__getitem__,
        "by_remedy": by_remedy,
        "command": command_of,
        "data_url": _data_url,
    }
    environment.tests["missing"] = lambda part: isinstance(part, Missing)
    return environment


def mark_code(text: str) -> Markup:
    """Escape a sentence, and mark up what stands between backticks as code."""
    # Every second piece stood between two backticks.
    pieces = enumerate(escape(piece) for piece in text.split("`"))
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if index % 2 else piece for index, piece in pieces
    )


def _our_lines(material: Material) -> list[Line]:
    return [
        line_of("this run", verdict, material.round_)
        for verdict in material.verdicts.values()
        if isinstance(verdict, Verdict)
    ]


def _data_url(picture: bytes) -> str:
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"
