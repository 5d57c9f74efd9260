"""Measure a sweep, compare it, and print what came of it: what `bench` and `sweep` have in common."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import typer

from weighbridge.config.fingerprint import canonical
from weighbridge.config.sweep_settings import SweepSettings
from weighbridge.core.errors import InputError, InvalidRunError
from weighbridge.records.comparison import COMPARISON, COMPARISON_PAGE, ComparisonResult, SweepComparison
from weighbridge.records.run_record import REPLACED_FOLDER

log = logging.getLogger(__name__)

UNKNOWN_MODEL = "unknown"
"""A model's name in settings that leave it to the endpoint."""


def finished(folder: Path, settings: SweepSettings) -> SweepSettings | None:
    """Return the settings of a folder that has all results of the given ones; None: some is missing.

    Where the given settings leave a model's name open, any is right.
    """
    from weighbridge.sweep.sweep_folder import SETTINGS_FILE

    if not (folder / COMPARISON).is_file() or not (folder / SETTINGS_FILE).is_file():
        return None
    measured = SweepSettings.read(folder / SETTINGS_FILE)
    systems = {
        name: system.model_copy(
            update={"server": system.server.model_copy(update={"model_name": UNKNOWN_MODEL})}
        )
        if name in settings.systems and settings.systems[name].server.model_name == UNKNOWN_MODEL
        else system
        for name, system in measured.systems.items()
    }
    if canonical(measured.model_copy(update={"systems": systems})) != canonical(settings):
        return None
    return measured


def set_aside(folder: Path) -> Path | None:
    """Move a folder's earlier result below `replaced/` beside it.

    Returns:
        The folder that holds it now; None where there was none. A folder of anything else stays.

    Raises:
        InputError: it is the working folder.
        SetupError: another command measures in it.
    """
    from weighbridge.run.folder_lock import locked
    from weighbridge.sweep.sweep_folder import SETTINGS_FILE

    if not (folder / SETTINGS_FILE).is_file():
        return None
    if folder.resolve() == Path.cwd():
        raise InputError("--again moves the earlier result, not the working folder; name another --out.")
    aside = folder.parent / REPLACED_FOLDER / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{folder.name}"
    with locked(folder, "bench --again"):
        aside.parent.mkdir(parents=True, exist_ok=True)
        return folder.rename(aside)


def measure(
    settings: SweepSettings,
    folder: Path,
    *,
    model: Path | None,
    like: Path | None = None,
    dataset: Path | None = None,
) -> SweepComparison:
    """Measure what is missing of a sweep, compare, and write all results.

    Args:
        settings: The sweep.
        folder: Its folder; made if missing.
        model: Folder of the model that started servers serve, or its proof file; None: none is started.
        like: Folder of an earlier sweep whose counts are taken; None: they are found by trying.
        dataset: Proof file of the questions of a sweep that asks some; None: they are fetched.

    Raises:
        InvalidRunError: nothing was measured that can be compared.
        OSError: the folder cannot be written.
    """
    from weighbridge.cli.asked_sweep import ask_if_possible
    from weighbridge.cli.described_sweep import model_folder
    from weighbridge.monitor.sweep_reporter import reporting_sweep
    from weighbridge.records.slo_capacity import SLO_CAPACITY
    from weighbridge.sweep.conduct import conduct
    from weighbridge.sweep.expected_sessions import expected_run_s

    folder.mkdir(parents=True, exist_ok=True)
    # A comparison of fewer results must not look like that of all, nor a search's of what has changed since:
    # a search that is repeated takes the runs that there are.
    for file in (COMPARISON, SLO_CAPACITY):
        (folder / file).unlink(missing_ok=True)
    label = f"comparison of {' and '.join(settings.systems)}" if len(settings.systems) > 1 else settings.name
    with reporting_sweep(folder, label, expected_run_s(settings)) as observer:
        conduct(settings, folder, model=model_folder(model), observer=observer, like=like)
    ask_if_possible(settings, folder, model=model, dataset=dataset)
    return compare(settings, folder, model=model_folder(model))


def compare(settings: SweepSettings, folder: Path, *, model: Path | None) -> SweepComparison:
    """Compare what a folder holds of what is asked for, and write table, page and comparison.json.

    Args:
        settings: The sweep.
        folder: Its folder.
        model: Folder of the model that started servers serve; None: none is started.

    Raises:
        InvalidRunError: it holds no such result.
    """
    from weighbridge.quality.sweep_quality import SweepQuality, with_quality
    from weighbridge.records.sweep_plan import PLAN, SweepPlan
    from weighbridge.report.write_comparison import write_comparison
    from weighbridge.sweep.compare_blocks import compare_cells
    from weighbridge.sweep.planning import asked_runs
    from weighbridge.sweep.sweep_folder import read_cells

    plan = SweepPlan.read(folder / PLAN)
    asked = asked_runs(settings, plan)
    cells = tuple(cell for cell in read_cells(folder, plan) if cell.place in asked)
    if not cells:
        raise InvalidRunError(f"{folder}: nothing was measured; the messages above say why.")
    comparison = with_quality(compare_cells(settings, plan, cells), SweepQuality(settings, folder, model))
    write_comparison(folder, comparison, settings, cells)
    return comparison


def record(folder: Path, history: Path | None) -> None:
    """Record the comparison of a sweep's folder in a history, where one is named."""
    if history is not None:
        from weighbridge.history.record import record_comparison

        record_comparison(folder / COMPARISON, history)


def show(comparison: SweepComparison, folder: Path, *, as_json: bool) -> None:
    """Print a comparison: table, a sentence for each row, answers, where the page is; or its JSON alone."""
    from rich.console import Console

    from weighbridge.report.comparison_headline import headline
    from weighbridge.report.comparison_table import findings
    from weighbridge.report.comparison_terminal import render_table
    from weighbridge.report.quality_table import render_quality

    if as_json:
        typer.echo((folder / COMPARISON).read_text(), nl=False)
        return
    console = Console()
    console.print(render_table(comparison, console.width))
    for sentence in findings(comparison):
        typer.echo(sentence)
    if comparison.quality is not None:
        console.print(render_quality(comparison.quality), crop=False)
        typer.echo(headline(comparison))
    typer.echo(f"With figures: {folder / COMPARISON_PAGE}; for programs: {folder / COMPARISON}")


def search_objectives(settings: SweepSettings, folder: Path, *, model: Path | None) -> tuple[str, ...]:
    """Search the highest load at which each system meets its objectives; a finished search is read.

    Returns:
        A sentence for each system.

    Raises:
        InputError, SetupError, InvalidRunError: as a sweep.
    """
    from weighbridge.monitor.sweep_reporter import reporting_sweep
    from weighbridge.records.slo_capacity import SLO_CAPACITY, SloCapacities
    from weighbridge.sweep.expected_sessions import expected_run_s
    from weighbridge.sweep.slo_search import slo_sentence
    from weighbridge.sweep.slo_sweep import search_slo

    wanted = {
        (name, workload.name, workload.slo)
        for name in settings.systems
        for workload in settings.workloads
        if workload.slo.given
    }
    written = folder / SLO_CAPACITY
    found = SloCapacities.read(written).capacities if written.is_file() else ()
    if {(each.system, each.workload, each.slo) for each in found} != wanted:
        log.info("searching the highest load that meets the objectives; this takes minutes")
        with reporting_sweep(folder, "search of the highest load", expected_run_s(settings)) as observer:
            found = search_slo(settings, folder, model=model, observer=observer)
        compare(settings, folder, model=model)  # the page has what was found
    return tuple(slo_sentence(each) for each in found)


def refuse_if_nothing_compares(comparison: SweepComparison) -> None:
    """Raise where several systems were measured and no row compares two of them.

    Raises:
        InvalidRunError: with the first reason.
    """
    rows = comparison.rows
    if rows and all(row.result is ComparisonResult.NOT_COMPARABLE for row in rows):
        raise InvalidRunError(f"no row can be compared. {_first_reason([row.reasons for row in rows])}.")


def _first_reason(reasons: Sequence[Sequence[str]]) -> str:
    found = [reason for row in reasons for reason in row]
    return found[0].rstrip(".") if found else "the table above says why"
