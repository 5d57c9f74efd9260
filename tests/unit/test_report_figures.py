"""The report's charts: what each draws, and how it becomes part of the page."""

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from probes import peak, probe
from report_files import error_analysis

from weighbridge.config.metric_rules import MetricRules
from weighbridge.config.scenario_rules import LatencyLimit
from weighbridge.evaluation.error_analysis import Level
from weighbridge.records.telemetry_readings import TimeSeries
from weighbridge.report.figure_files import inline_svg, png, svg_text
from weighbridge.report.figures import accuracy_figures, request_figures, system_figures
from weighbridge.report.figures.style import ACCENT, BAD, PALETTE, Colour, compact, new_figure, styled
from weighbridge.report.request_series import Windows
from weighbridge.report.telemetry_series import SeriesBand

WINDOWS = Windows(
    middle_s=np.array([0.5, 1.5, 2.5]),
    width_s=1.0,
    values={
        "p50": np.array([1.0, np.nan, 1.2]),
        "p99": np.array([2.0, np.nan, 13.0]),
        "sent": np.array([900.0, 0, 0]),
        "completed": np.array([10.0, 12.0, 8.0]),
    },
)
TIMES = np.array([0.0, 1, 2])
SERIES = TimeSeries(TIMES, np.array([5.0, 6, 7]))
BAND = SeriesBand(TIMES, np.full(3, 0.2), np.full(3, 0.5), np.full(3, 0.9), count=2)
NOTHING = np.empty(0)


@pytest.fixture(autouse=True)
def _style() -> Iterator[None]:
    with styled():
        yield


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def labels(figure: Figure) -> list[str]:
    return [str(line.get_label()) for axes in figure.axes for line in axes.get_lines()]


def test_a_distribution_counts_every_request_and_shows_its_limit() -> None:
    figure = request_figures.latency_distribution(np.linspace(1, 14, 500), 12)
    [axes] = figure.axes
    assert sum(axes.patches[0].get_data().values) == 500
    assert texts(figure) == ["limit 12 s"]
    [line] = axes.get_lines()
    assert set(line.get_xdata()) == {12}
    assert line.get_linestyle() == "--"  # dashed, so that it differs from data without colour
    assert axes.get_xlim()[1] > 14


def test_a_limit_far_above_is_named_and_does_not_flatten_the_rest() -> None:
    figure = request_figures.latency_distribution(np.linspace(0.1, 0.5, 50), 12)
    assert texts(figure) == ["limit 12 s, far above"]
    assert figure.axes[0].get_xlim()[1] < 1


def test_without_a_limit_none_is_drawn() -> None:
    assert texts(request_figures.latency_distribution(np.linspace(0.1, 0.5, 50), None)) == []


def test_the_cumulative_curve_has_the_tail_and_the_percentile_that_counts() -> None:
    values = np.arange(1, 10_001) / 1000
    figure = request_figures.cumulative_latency(values, LatencyLimit(limit_s=12, percentile=0.99))
    [axes] = figure.axes
    curve, percentile = axes.get_lines()[:2]
    seconds, slower = curve.get_data()
    assert np.interp(0.01, slower[::-1], seconds[::-1]) == pytest.approx(9.9, abs=0.01)
    assert percentile.get_ydata() == pytest.approx([0.01, 0.01])
    figure.canvas.draw()
    ticks = [label.get_text() for label in axes.get_yticklabels()]
    assert ticks == ["50 %", "90 %", "99 %", "99.9 %", "99.99 %"]


def test_latency_over_time_has_p50_p99_and_the_limit() -> None:
    figure = request_figures.latency_over_time(WINDOWS, 3, 12)
    assert labels(figure)[:2] == ["p99", "p50"]
    assert figure.axes[0].get_ylim()[1] > 13
    assert figure.axes[0].get_xlabel() == "seconds"


def test_failed_requests_are_marked_and_make_no_curve_better() -> None:
    values = WINDOWS.values | {"p99": np.array([2.0, np.inf, 3.0])}
    figure = request_figures.latency_over_time(replace(WINDOWS, values=values), 3, None)
    [axes] = figure.axes
    [failed] = [line for line in axes.get_lines() if line.get_label() == "p99: no answer"]
    assert failed.get_xdata().tolist() == [1.5]
    assert 3 < axes.get_ylim()[1] < 10
    latency_s = np.append(np.linspace(1, 2, 90), [np.inf] * 10)
    [axes] = request_figures.latency_distribution(latency_s, None).axes
    assert sum(axes.patches[0].get_data().values) == 90
    [axes] = request_figures.cumulative_latency(latency_s, None).axes
    assert min(axes.get_lines()[0].get_ydata()) == pytest.approx(0.1)


def test_the_time_of_a_long_run_is_in_minutes() -> None:
    figure = request_figures.latency_over_time(WINDOWS, 707, 12)
    figure.canvas.draw()
    assert figure.axes[0].get_xlabel() == "minutes"
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["0", "2", "4", "6", "8", "10"]


def test_offlines_first_burst_does_not_hide_the_rate() -> None:
    figure = request_figures.request_rates(WINDOWS, [(0.0, 1), (1.0, 40), (3.0, 0)], 3)
    rates, under_way = figure.axes
    assert rates.get_ylim()[1] < 30
    assert under_way.get_ylim()[1] >= 40
    assert [text.get_text() for text in rates.get_legend().get_texts()] == ["sent", "completed"]


def test_answers_are_counted_by_whole_tokens() -> None:
    figure = request_figures.answer_tokens(np.array([17, 17, 18, 22]))
    data = figure.axes[0].patches[0].get_data()
    assert dict(zip(data.edges[:-1] + 0.5, data.values, strict=True)) == {
        17: 2,
        18: 1,
        19: 0,
        20: 0,
        21: 0,
        22: 1,
    }
    wide = request_figures.answer_tokens(np.arange(1, 5000)).axes[0].patches[0].get_data()
    assert len(wide.values) <= 60
    assert len(set(np.diff(wide.edges))) == 1


def test_queue_and_cache_share_a_chart() -> None:
    figure = system_figures.queue(SERIES, TimeSeries(TIMES, np.zeros(3)), BAND, 2)
    assert labels(figure)[:2] == ["running", "waiting"]
    assert figure.axes[1].get_ylim() == (0, 1.02)


def test_a_server_that_reports_only_its_queue_is_drawn_too() -> None:
    figure = system_figures.queue(
        SERIES, TimeSeries(NOTHING, NOTHING), SeriesBand(*[NOTHING] * 4, count=0), 2
    )
    assert png(figure, "queue")


def test_gpus_have_three_panels_and_cores_up_to_three_lines() -> None:
    figure = system_figures.gpus(BAND, SERIES, BAND, 2)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "utilisation",
        "power of all, W",
        "memory of each, GiB",
    ]
    assert labels(system_figures.cores({"server": SERIES, "client": SERIES}, 2)) == ["server", "client"]


@pytest.mark.parametrize("floor", [0.2, 0.782400663, 0.99])
def test_the_floors_name_stays_within_the_axes(floor: float) -> None:
    levels = tuple(Level(name, 0.9, 0.88, 0.92, 512) for name in ("f1", "brand"))
    figure = accuracy_figures.score_levels({"Offline": levels}, {"f1": MetricRules(floor=floor)})
    figure.canvas.draw()
    [axes] = figure.axes
    [name] = [text for text in axes.texts if text.get_text() == "floor of f1"]
    box, frame = name.get_window_extent(), axes.get_window_extent()
    assert frame.x0 <= box.x0
    assert box.x1 <= frame.x1


def test_scores_have_their_intervals_and_the_floor() -> None:
    figure = accuracy_figures.score_levels(
        {"Offline": error_analysis().levels, "Server": error_analysis().levels},
        {"f1": MetricRules(floor=0.7824)},
    )
    [axes] = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["f1", "category level 1"]
    assert len(axes.containers) == 2
    bars = axes.containers[0].lines[2][0].get_segments()
    assert bars[0][:, 0].tolist() == pytest.approx([0.78, 0.80])
    assert "floor of f1" in texts(figure)


def test_several_bounds_are_marked_in_the_rows_of_their_scores() -> None:
    levels = tuple(Level(name, 0.5, 0.4, 0.6, 512) for name in ("rouge1", "other", "rougeL"))
    rules = {
        "rouge1": MetricRules(floor=0.3),
        "rougeL": MetricRules(floor=0.4, ceiling=0.9),
        "tokens": MetricRules(floor=264.5),  # no level, and on another scale
    }
    figure = accuracy_figures.score_levels({"Offline": levels}, rules)
    dashed = [line.get_data() for line in figure.axes[0].get_lines() if line.get_color() == BAD]
    assert [(x[0], round(float(np.mean(y)))) for x, y in dashed] == [(0.3, 0), (0.4, 2), (0.9, 2)]
    assert texts(figure) == []


def test_a_length_beside_shares_is_left_out_and_large_scores_are_drawn_together() -> None:
    def drawn(**values: float) -> list[str]:
        levels = tuple(Level(name, value, value, value, 9) for name, value in values.items())
        [axes] = accuracy_figures.score_levels({"Offline": levels}, {}).axes
        return [label.get_text() for label in axes.get_yticklabels()]

    assert drawn(rouge1=0.4, gen_len=48953, rougeL=0.2) == ["rouge1", "rougeL"]
    assert drawn(words=300, letters=1500) == ["words", "letters"]


def test_more_scenarios_than_styles_are_all_drawn() -> None:
    scores = {f"Scenario {number}": error_analysis().levels for number in range(4)}
    figure = accuracy_figures.score_levels(scores, {"f1": MetricRules(floor=0.7824)})
    assert len(figure.axes[0].containers) == 4


def test_probes_differ_by_shape_and_not_by_colour_alone() -> None:
    figure = request_figures.probes(
        peak(probe(1, 10, 4), probe(2, 20, 80), probe(3, 14, None), probe(4, 13, 8, full_length=True))
    )
    rates, latencies = figure.axes
    marks = {(line.get_marker(), line.get_color()) for line in rates.get_lines()}
    assert {("o", ACCENT), ("x", BAD)} <= marks
    rings = [line for line in rates.get_lines() if line.get_markerfacecolor() == "none"]
    assert [ring.get_xdata()[0] for ring in rings] == [4]
    # The overloaded probe stays in the chart and the others stay readable; one without latency has no mark.
    assert latencies.get_ylim()[1] < 30
    crosses = [line.get_xdata()[0] for line in latencies.get_lines() if line.get_marker() == "x"]
    assert crosses == [2]
    assert latencies.get_title("left") == "p99 latency, seconds"
    limits = {"ttft": 2.0, "tpot": 0.1}
    first = peak(probe(1, 10, 1.5, full_length=True)).model_copy(update={"limits_s": limits})
    assert request_figures.probes(first).axes[1].get_title("left") == "p99 time to first token, seconds"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0"),
        (0.05, "0.05"),
        (12, "12"),
        (4800, "4,800"),
        (20000, "20,000"),
        (150_000, "150k"),
        (1.5e6, "1.5M"),
    ],
)
def test_ticks_are_short(value: float, expected: str) -> None:
    assert compact(value) == expected


def drawn() -> Figure:
    figure, [axes] = new_figure()
    axes.plot([1, 2], [3, 4], color=ACCENT, label="a <b> & c")
    axes.legend()
    return figure


def test_a_figure_in_a_page_has_text_a_name_and_no_address() -> None:
    markup = str(inline_svg(svg_text(drawn()), "first", 'the "name"'))
    assert markup.startswith("<svg viewBox=")
    assert 'role="img" aria-label="the &#34;name&#34;"' in markup
    assert ">a &lt;b&gt; &amp; c</text>" in markup
    for foreign in ("http", "<style", "<?xml", "font-family", "xlink"):
        assert foreign not in markup


def test_a_figure_takes_the_pages_colours() -> None:
    markup = str(inline_svg(svg_text(drawn()), "first", ""))
    assert not re.findall("#[0-9a-f]{6}", markup)
    assert {f"var(--{role})" for role in ("muted", "line", "card", "accent")} <= set(
        re.findall(r"var\(--\w+\)", markup)
    )


def test_ids_of_two_figures_never_meet_and_all_references_resolve() -> None:
    markup = str(inline_svg(svg_text(drawn()), "one", "")) + str(inline_svg(svg_text(drawn()), "two", ""))
    ids = re.findall(r' id="([^"]+)"', markup)
    assert len(ids) == len(set(ids))
    references = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', markup)
    assert references
    assert {first or second for first, second in references} <= set(ids)


def test_the_same_data_makes_the_same_bytes() -> None:
    assert inline_svg(svg_text(drawn()), "one", "") == inline_svg(svg_text(drawn()), "one", "")
    assert png(drawn(), "a") == png(drawn(), "a") != png(drawn(), "b")


def test_the_file_is_an_image_wide_enough_for_a_slide() -> None:
    with Image.open(io.BytesIO(png(drawn(), "title"))) as picture:
        assert picture.width >= 700


def luminance(colour: str) -> float:
    """Relative luminance. Source: WCAG 2.2, definition of relative luminance."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("role", ["ink", "muted", "accent", "good", "bad", "open"])
@pytest.mark.parametrize("ground", ["paper", "card"])
def test_every_ink_is_readable_on_every_background(role: str, ground: str) -> None:
    assert contrast(PALETTE[role].light, PALETTE[ground].light) >= 4.5
    assert contrast(PALETTE[role].dark, PALETTE[ground].dark) >= 4.5


def test_a_light_value_names_its_role() -> None:
    colours: list[Colour] = list(PALETTE.values())
    assert all(one.light != other.light for one, other in combinations(colours, 2))
