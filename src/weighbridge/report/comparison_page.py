"""Render the page of a comparison: verdict, table, figures, checks, what was run, definitions."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from weighbridge import __version__
from weighbridge.config.sweep_settings import SweepSettings
from weighbridge.core.formatting import NONE, number, utc_time
from weighbridge.quality.quality_sentences import quality_sentences
from weighbridge.records.comparison import (
    ComparedDescription,
    ComparisonResult,
    ComparisonRow,
    Interval,
    SweepComparison,
)
from weighbridge.records.quality_comparison import QualityFinding
from weighbridge.records.sweep_run import CellRecord
from weighbridge.report.comparison_charts import COMPARISON_GROUPS
from weighbridge.report.comparison_checks import counted_checks, notes_and_places, reasons_and_places
from weighbridge.report.comparison_definitions import DEFINITIONS
from weighbridge.report.comparison_details import detail_tables
from weighbridge.report.comparison_headline import doubts, headline, place_of
from weighbridge.report.comparison_lines import lines_of, ratio_text, verdict_text
from weighbridge.report.comparison_table import COLUMNS, findings, footer_sentences
from weighbridge.report.figures.style import PALETTE
from weighbridge.report.page import RenderedChart, page_environment
from weighbridge.report.provenance_facts import ProvenanceFact
from weighbridge.report.quality_table import QUALITY_COLUMNS, domain_lines, quality_footer, quality_lines
from weighbridge.sweep.comparison_sentences import METRIC_NAMES

_MARKS = {
    ComparisonResult.FASTER: ("good", "▲"),
    ComparisonResult.SLOWER: ("bad", "▼"),
    ComparisonResult.SAME: ("", "="),
    ComparisonResult.INCONCLUSIVE: ("open", "?"),
    ComparisonResult.NOT_COMPARABLE: ("open", "✕"),
    ComparisonResult.INDICATIVE_FASTER: ("open", "▲"),
    ComparisonResult.INDICATIVE_SLOWER: ("open", "▼"),
}
_QUALITY_MARKS = {
    QualityFinding.BETTER: "good",
    QualityFinding.WORSE: "bad",
    QualityFinding.INCONCLUSIVE: "open",
    QualityFinding.NOT_COMPARABLE: "open",
}
_QUALITY = "quality"
# The anchor of each section, and its title.
_CONTENTS = {
    "verdicts": "Verdicts",
    "table": "Table",
    _QUALITY: "Quality",
    "figures": "Figures",
    "checks": "Checks",
    "run": "What was run",
    "definitions": "Definitions",
}
_MOST_CARDS = 6


@dataclass(frozen=True)
class PhaseLine:
    """Conversations of each run of a workload at a load."""

    workload: str
    level: str
    warmup: int
    measured: int
    cooldown: int
    requests: str
    window: str


def render_comparison_page(
    comparison: SweepComparison,
    settings: SweepSettings,
    cells: Sequence[CellRecord],
    charts: Sequence[RenderedChart],
    searched: Sequence[str] = (),
) -> str:
    """Return the page as HTML.

    Args:
        comparison: What was found.
        settings: The sweep.
        cells: The runs.
        charts: The charts in their order on the page.
        searched: What searches of the highest load within objectives found, a sentence each.
    """
    rows = [row for row in comparison.rows if not row.noise_floor]
    quality = comparison.quality
    page = page_environment().get_template("comparison.html.j2")
    return page.render(
        version=__version__,
        palette=PALETTE,
        contents={
            anchor: title for anchor, title in _CONTENTS.items() if quality is not None or anchor != _QUALITY
        },
        groups=COMPARISON_GROUPS,
        comparison=comparison,
        headline=headline(comparison),
        doubts=doubts(comparison),
        findings=findings(comparison),
        rows=rows,
        cards=rows if len(rows) <= _MOST_CARDS else [],
        grid=_grid(comparison) if len(rows) > _MOST_CARDS else {},
        compared=list(dict.fromkeys(row.system for row in comparison.rows)),
        metrics=METRIC_NAMES,
        marks=_MARKS,
        place=lambda row: place_of(row, comparison),
        verdict=lambda row: verdict_text(row, comparison.equivalence),
        ratio=ratio_text,
        interval=interval_text_of,
        columns=COLUMNS,
        lines=lines_of(comparison),
        footer=footer_sentences(comparison),
        details=detail_tables(comparison),
        quality=quality,
        quality_marks=_QUALITY_MARKS,
        quality_columns=QUALITY_COLUMNS,
        quality_lines=[] if quality is None else quality_lines(quality),
        quality_sentences=[] if quality is None else quality_sentences(quality),
        quality_footer=[] if quality is None else quality_footer(quality),
        domain_lines=[] if quality is None else domain_lines(quality),
        capacities=comparison.capacities,
        searched=searched,
        reasons=reasons_and_places(comparison),
        notes=notes_and_places(comparison),
        checks=counted_checks(cells),
        charts=charts,
        systems=_system_facts(comparison),
        phases=list(_phases(cells)),
        facts=_facts(comparison, settings, cells),
        definitions=DEFINITIONS,
    )


def _grid(comparison: SweepComparison) -> dict[str, dict[str, ComparisonRow]]:
    """Return the rows by workload and load, and by system."""
    grid: dict[str, dict[str, ComparisonRow]] = {}
    several = len(comparison.workloads) > 1
    for row in comparison.rows:
        name = f"{row.workload}, {row.level}" if several else row.level
        grid.setdefault(name, {})[row.system] = row
    return grid


def interval_text_of(interval: Interval | None) -> str:
    """Return a mean with its interval, such as 67.5 [66.1, 69.1]; a dash for None."""
    if interval is None:
        return NONE
    if interval.low is None:
        return f"{number(interval.mean, 4)} [no interval]"
    return f"{number(interval.mean, 4)} [{number(interval.low, 4)}, {number(interval.high, 4)}]"


_OF_SYSTEMS: dict[str, Callable[[ComparedDescription], str | None]] = {
    "server": lambda system: " ".join(each for each in (system.kind, system.version) if each) or None,
    "model": lambda system: system.model_name,
    "options": lambda system: system.options or None,
    "devices": lambda system: None if not system.devices else str(system.devices),
    "data type": lambda system: system.dtype,
    "started by": lambda system: "its user" if system.attached else "Weighbridge",
    "forced lengths": lambda system: system.forced_lengths,
    "price an hour": lambda system: None if system.price_per_hour is None else f"{system.price_per_hour:g}",
    "identity": lambda system: system.identity[:16],
}


def _system_facts(comparison: SweepComparison) -> list[ProvenanceFact]:
    """Return what each system is; a value that all share is said once."""
    return list(_merged(comparison))


def _merged(comparison: SweepComparison) -> Iterator[ProvenanceFact]:
    for name, value in _OF_SYSTEMS.items():
        found: dict[str, list[str]] = {}
        for system, description in comparison.systems.items():
            text = value(description)
            if text is not None:
                found.setdefault(text, []).append(system)
        if found:
            shared = len(found) == 1 and len(next(iter(found.values()))) == len(comparison.systems)
            yield ProvenanceFact(
                name, tuple((text, "" if shared else ", ".join(of)) for text, of in found.items())
            )


def _facts(
    comparison: SweepComparison, settings: SweepSettings, cells: Sequence[CellRecord]
) -> list[ProvenanceFact]:
    values = {
        "measured": (f"{utc_time(comparison.started)} to {utc_time(comparison.ended)}",),
        "on": comparison.hosts,
        "blocks": (f"{comparison.blocks}, {_ORDERS[settings.order]}",),
        "noise floor": ("a second copy of the baseline" if settings.aa else "not measured",),
        "equivalence": (f"{100 * comparison.equivalence:g} %",),
        "caches before a run": tuple(dict.fromkeys(cell.reset for cell in cells)),
        "Weighbridge": (comparison.weighbridge_version,),
        "phase plan, sha256": (comparison.phase_plan,),
        **{f"bytes of {name}, sha256": (each.digest,) for name, each in comparison.workloads.items()},
    }
    return [ProvenanceFact(name, tuple((text, "") for text in texts)) for name, texts in values.items()]


_ORDERS = {
    "balanced": "the order of the systems alternates",
    "sequential": "always in the same order of the systems",
}


def _phases(cells: Sequence[CellRecord]) -> Iterator[PhaseLine]:
    groups: dict[tuple[str, str, int], list[CellRecord]] = {}
    for cell in cells:
        groups.setdefault((cell.workload, cell.level.name, cell.wave), []).append(cell)
    for (workload, level, _), runs in groups.items():
        figures = [run.figures for run in runs if run.figures is not None]
        counts = runs[0].counts
        windows = sorted(each.window_s for each in figures)
        yield PhaseLine(
            workload=workload,
            level=level,
            warmup=counts.warmup,
            measured=counts.measured,
            cooldown=counts.cooldown,
            requests=number(figures[0].requests) if figures else NONE,
            window=f"{windows[0]:.0f} to {windows[-1]:.0f} s" if windows else NONE,
        )
