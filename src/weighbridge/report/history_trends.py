"""The charts of a history: one for each figure that was recorded more than once."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from weighbridge.core.formatting import number
from weighbridge.history.changes import Change, ChangeFinding
from weighbridge.history.history_values import measure_text
from weighbridge.history.series import Series
from weighbridge.records.history_entry import REVISION
from weighbridge.report.chart import Chart
from weighbridge.report.figures.trend_figures import TrendPoint, trend
from weighbridge.report.history_rows import result_title

_MOST_CHARTS = 48  # a page with more is slow, and nobody looks at them


@dataclass(frozen=True)
class HistoryTrends:
    """The charts, the title of each group of them, and how many figures have none."""

    groups: dict[str, str]
    charts: tuple[Chart, ...]
    single: int
    """Figures that were recorded once."""
    left_out: int
    """Figures beyond the largest number of charts."""


def trends_of(series: Sequence[Series], changes: Sequence[Change]) -> HistoryTrends:
    """Return the charts, those of one kind of result in one group."""
    several = [each for each in series if len(each.points) > 1]
    regressed = {id(each.series) for each in changes if each.finding is ChangeFinding.REGRESSED}
    # Only where there are too many does it matter which come first.
    chosen = sorted(several, key=lambda each: id(each) not in regressed)[:_MOST_CHARTS]
    drawn = [each for each in several if any(each is one for one in chosen)]
    titles = dict.fromkeys(result_title(each.newest) for each in drawn)
    anchors = {title: f"trends-{number_}" for number_, title in enumerate(titles, start=1)}
    by_after = {(id(each.series), each.after.recorded.file): each for each in changes}
    return HistoryTrends(
        groups={anchor: title for title, anchor in anchors.items()},
        charts=tuple(
            _chart(each, anchors[result_title(each.newest)], f"trend-{place}", by_after)
            for place, each in enumerate(drawn, start=1)
        ),
        single=len(series) - len(several),
        left_out=len(several) - len(drawn),
    )


def _chart(series: Series, group: str, key: str, changes: Mapping[tuple[int, Path], Change]) -> Chart:
    of = [changes.get((id(series), point.recorded.file)) for point in series.points]
    labels = _labels([point.recorded.entry.time for point in series.points])
    points = [
        TrendPoint(
            value=point.value,
            label=label,
            low=point.measure.low,
            high=point.measure.high,
            expected=_expected(change),
            finding=change.finding if change else "",
            other_system=change is not None and change.other_system,
            other_settings=change is not None and any(each.name != REVISION for each in change.settings),
        )
        for point, change, label in zip(series.points, of, labels, strict=True)
    ]
    return Chart(
        group=group,
        key=key,
        title=_capitalised(series.measure.name),
        caption=_caption(series, of),
        draw=partial(trend, points, series.measure.unit),
    )


def _expected(change: Change | None) -> tuple[float, float] | None:
    if change is None or change.noise is None:
        return None
    value = change.before.value
    return value - change.noise.half_width, value + change.noise.half_width


def _labels(times: Sequence[datetime]) -> list[str]:
    """Return dates, or times of day where all are of one day; with the year where there are several."""
    if len({time.date() for time in times}) == 1:
        minutes = [time.strftime("%H:%M") for time in times]
        return minutes if len(set(minutes)) == len(minutes) else [time.strftime("%H:%M:%S") for time in times]
    years = len({time.year for time in times}) > 1
    return [time.strftime("%Y-%m-%d" if years else "%m-%d") for time in times]


def _caption(series: Series, changes: Sequence[Change | None]) -> str:
    last = changes[-1]
    directories = len({point.recorded.run_directory for point in series.points})
    noise = 0 if last is None else last.resolution
    return (
        f"{_capitalised(series.measure.better)} is better. Newest: {measure_text(series.measure, noise)}"
        f"{_judged(last)}. {number(len(series.points))} results of {number(directories)} "
        f"run {'directory' if directories == 1 else 'directories'}."
    )


def _judged(change: Change | None) -> str:
    if change is None:
        return ""
    return f", {change.finding}" if change.finding is not ChangeFinding.NOT_KNOWN else ", noise not known"


def _capitalised(text: str) -> str:
    return re.sub(r"^[a-z](?=[a-z ])", lambda found: found[0].upper(), text)
