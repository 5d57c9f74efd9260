"""Write the report: read the results, draw the charts, and write the page and the image files."""

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path

from weighbridge.config.round import Round
from weighbridge.config.round_of_scenario import round_of_scenario
from weighbridge.config.scenario_rules import Mode
from weighbridge.core.errors import InputError
from weighbridge.core.files import write_atomic
from weighbridge.evaluation.error_analysis import ErrorAnalysis, analyse_errors
from weighbridge.report.chart import GROUPS, Chart, ChartGap
from weighbridge.report.charts import charts_of
from weighbridge.report.figure_files import inline_svg, png, svg_text
from weighbridge.report.figures.style import styled
from weighbridge.report.inputs import Missing, ReportInputs, holds_runs, read_inputs
from weighbridge.report.page import RenderedChart, render_page
from weighbridge.report.quality_charts import accuracy_chart
from weighbridge.report.quality_page import render_quality_page
from weighbridge.report.quality_results import QualityResults, read_quality

_log = logging.getLogger(__name__)


def write_report(
    results: Path,
    output: Path,
    *,
    round_: Round | None = None,
    dataset: Path | None = None,
    further_datasets: Mapping[str, Path] | None = None,
    prompt: Path | None = None,
    model: Path | None = None,
    figures: Path | None = None,
) -> None:
    """Write the report of a results folder as one HTML file.

    Args:
        results: The folder.
        output: The file to write.
        round_: The rules; None: load the round that the results name.
        dataset: Folder of the dataset, for scores by level and examples of wrong answers.
        further_datasets: Likewise, those of scenarios that do not use the round's own, by their names.
        prompt: The benchmark's prompt file, if its scorer needs one.
        model: Folder of the model, if answers are token ids.
        figures: Also write every chart as figures/GROUP/NAME.png; older files in these folders are deleted.

    Raises:
        InputError: the results folder holds neither run nor verdict nor model quality, or names a round that
            cannot be loaded.
    """
    if round_ is None and not holds_runs(results) and (quality := read_quality(results)) is not None:
        with styled():
            chart = _rendered(accuracy_chart(quality), None)
        write_atomic(output, render_quality_page(quality, [chart]))
        return
    inputs = read_inputs(results, round_)
    datasets: dict[str | None, Path | None] = {None: dataset}
    datasets.update(further_datasets or {})
    analyses = {
        name: _analysis(
            results / name / Mode.ACCURACY, datasets.get(rules.dataset), prompt, model, inputs, name
        )
        for name, rules in inputs.round_.scenarios.items()
    }
    if figures is not None:
        _clear(figures)
    with styled():
        charts = [_rendered(chart, figures) for chart in charts_of(inputs, analyses)]
        if isinstance(inputs.quality, QualityResults):
            # Its image files are beside the scores.
            charts.append(_rendered(accuracy_chart(inputs.quality), None))
    write_atomic(output, render_page(inputs, analyses, charts))
    _log.info("%s: %d charts", output, sum(chart.svg is not None for chart in charts))


def _analysis(
    logs: Path,
    dataset: Path | None,
    prompt: Path | None,
    model: Path | None,
    inputs: ReportInputs,
    scenario: str,
) -> ErrorAnalysis | Missing:
    run = inputs.runs[scenario, Mode.ACCURACY]
    if isinstance(run, Missing):
        return run
    if dataset is None:
        name = inputs.round_.scenarios[scenario].dataset
        option = "--dataset" if name is None else f"--further-dataset {name}=PROOF"
        return Missing(
            f"The error analysis needs the dataset: pass `{option}`, `--prompt` where the benchmark has a "
            "prompt file, and `--model` where answers are token ids, to `weighbridge report`."
        )
    try:
        return analyse_errors(
            logs=logs,
            dataset=dataset,
            prompt=prompt,
            round_=round_of_scenario(inputs.round_, scenario),
            model=model,
        )
    except InputError as error:
        return Missing(str(error))


def _clear(figures: Path) -> None:
    """Make an empty folder for each group of charts."""
    for group in GROUPS:
        shutil.rmtree(figures / group, ignore_errors=True)
        (figures / group).mkdir(parents=True)


def _rendered(chart: Chart | ChartGap, figures: Path | None) -> RenderedChart:
    """Draw a chart as SVG for the page and, if a folder is given, as a PNG file."""
    if isinstance(chart, ChartGap):
        return RenderedChart(chart.group, chart.title, chart.sentence, None)
    figure = chart.draw()
    svg = inline_svg(svg_text(figure), chart.key, f"{chart.title}. {chart.caption}")
    if figures is not None:
        write_atomic(figures / chart.group / f"{chart.key}.png", png(figure, chart.title))
    return RenderedChart(chart.group, chart.title, chart.caption, svg, chart.key)
