"""The report made: results read, pictures drawn, page and files written."""

import logging
import shutil
from pathlib import Path

from weighbridge.config.round import Mode, Round
from weighbridge.core.errors import InputError
from weighbridge.core.files import write_atomic
from weighbridge.evaluation.error_analysis import ErrorAnalysis, analyse_errors
from weighbridge.report.charts import GROUPS, Gap, Item, drawings
from weighbridge.report.figures.style import styled
from weighbridge.report.inputs import Material, Missing, gather
from weighbridge.report.page import Picture, render_page
from weighbridge.report.svg import inline_svg, png

_log = logging.getLogger(__name__)


def write_report(
    results: Path,
    output: Path,
    *,
    round_: Round | None = None,
    dataset: Path | None = None,
    prompt: Path | None = None,
    figures: Path | None = None,
) -> None:
    """Write the report of a results folder as one HTML file.

    Args:
        results: The folder.
        output: The file to write.
        round_: The rules; None: those of the round that the results name.
        dataset: Folder of the dataset, for scores by level and examples of wrong answers.
        prompt: The prompt's file, which the scorer needs too.
        figures: Also write every figure as figures/GROUP/NAME.png; what was in these folders before goes.

    Raises:
        InputError: the results folder holds nothing to report, or names a round that is not known.
    """
    material = gather(results, round_)
    studies = {
        scenario: _study(results / scenario / Mode.ACCURACY, dataset, prompt, material, scenario)
        for scenario in material.round_.scenarios
    }
    if figures is not None:
        _empty(figures)
    with styled():
        pictures = [_picture(item, figures) for item in drawings(material, studies)]
    write_atomic(output, render_page(material, studies, pictures))
    _log.info("%s: %d pictures", output, sum(picture.svg is not None for picture in pictures))


def _study(
    logs: Path, dataset: Path | None, prompt: Path | None, material: Material, scenario: str
) -> ErrorAnalysis | Missing:
    run = material.runs[scenario, Mode.ACCURACY]
    if isinstance(run, Missing):
        return run
    if dataset is None:
        return Missing(
            "This holds answers against the truth: give `weighbridge report` a `--dataset` and a `--prompt`."
        )
    try:
        return analyse_errors(logs=logs, dataset=dataset, prompt=prompt, round_=material.round_)
    except InputError as error:
        return Missing(str(error))


def _empty(figures: Path) -> None:
    """Make a folder for each group, without pictures of an earlier report."""
    for group in GROUPS:
        shutil.rmtree(figures / group, ignore_errors=True)
        (figures / group).mkdir(parents=True)


def _picture(item: Item, figures: Path | None) -> Picture:
    if isinstance(item, Gap):
        return Picture(item.group, item.title, item.sentence, None)
    figure = item.draw()
    svg = inline_svg(figure, item.key, f"{item.title}. {item.caption}")
    if figures is not None:
        write_atomic(figures / item.group / f"{item.key}.png", png(figure, item.title))
    return Picture(item.group, item.title, item.caption, svg, item.key)
