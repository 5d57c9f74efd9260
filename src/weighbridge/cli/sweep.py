"""The command that measures the sweep of a file, as a whole or step by step: sweep."""

import logging
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weighbridge.cli.described_sweep import (
    Questions,
    SweepFile,
    SweepJson,
    SweepOut,
    described_sweep,
    model_folder,
    sweep_folder,
)
from weighbridge.cli.options import AsJson, HistoryFolder

if TYPE_CHECKING:
    from weighbridge.config.sweep_settings import SweepSettings
    from weighbridge.records.sweep_plan import SessionKey, SweepPlan

log = logging.getLogger(__name__)


class SweepStep(StrEnum):
    """A part of a sweep that can be made by itself, in this order."""

    PLAN = "plan"
    SESSION = "session"
    MEASURE = "measure"
    COMPARE = "compare"


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(sweep)


def sweep(
    file: SweepFile = None,
    settings: SweepJson = None,
    out: SweepOut = None,
    model: Annotated[
        Path | None,
        typer.Option(help="Model of servers that are started: its folder, or its proof file, from 'fetch'."),
    ] = None,
    only: Annotated[
        SweepStep | None,
        typer.Option(
            help="One step: plan tries the systems and stores what is sent; session measures one; measure "
            "does all of these; compare writes table and page."
        ),
    ] = None,
    wave: Annotated[
        int | None, typer.Option(min=1, help="With --only plan: the wave that must be planned.")
    ] = None,
    session: Annotated[
        str | None, typer.Option(metavar="wN/bN/SYSTEM", help="With --only session: the session's folder.")
    ] = None,
    dataset: Questions = None,
    done: Annotated[
        Path | None,
        typer.Option(help="With --only: file to write at the end, which changes when the outcome does."),
    ] = None,
    history: HistoryFolder = None,
    as_json: AsJson = False,
) -> None:
    """Measure and compare what the file of a sweep describes.

    What is finished is not measured again: the same command goes on after Ctrl-C, and measures what was added
    to the file. Starts the servers that the file describes, unless it names endpoints.
    """
    from weighbridge.cli.measured_sweep import measure, record, refuse_if_nothing_compares, show
    from weighbridge.core.errors import InputError

    if (only is SweepStep.SESSION) != (session is not None):
        raise InputError("--session names the session of --only session; pass both.")
    if wave is not None and only is not SweepStep.PLAN:
        raise InputError("--wave names a wave of --only plan; pass both.")
    if done is not None and only is None:
        raise InputError("--done needs --only, which names the step whose end it tells.")
    if history is not None and only not in (None, SweepStep.COMPARE):
        raise InputError("--history records the comparison; pass it without --only, or with --only compare.")
    if as_json and only is not None:
        raise InputError("--json prints the comparison of a whole sweep; pass it without --only.")
    described = described_sweep(file, settings)
    folder = sweep_folder(described, out)
    served = model_folder(model)
    if served is None and not all(system.attached or system.command for system in described.systems.values()):
        raise InputError("the sweep starts servers; pass --model, the folder of the model that they serve.")
    if only is None:
        comparison = measure(described, folder, model=model, dataset=dataset)
        record(folder, history)
        show(comparison, folder, as_json=as_json)
        refuse_if_nothing_compares(comparison)
        return
    _make(only, described, folder, served, session)
    record(folder, history)
    if done is not None:
        _write_done(folder, done, wave, session)


def _make(
    step: SweepStep,
    settings: "SweepSettings",
    folder: Path,
    model: Path | None,
    session: str | None,
) -> None:
    """Make one step of a sweep."""
    from weighbridge.cli.measured_sweep import compare, show
    from weighbridge.monitor.sweep_reporter import reporting_sweep
    from weighbridge.sweep.conduct import conduct, hold_session, prepare
    from weighbridge.sweep.expected_sessions import expected_run_s

    if step is SweepStep.COMPARE:
        show(compare(settings, folder, model=model), folder, as_json=False)
        return
    with reporting_sweep(folder, f"sweep {settings.name}", expected_run_s(settings)) as observer:
        if session is not None:
            hold_session(settings, folder, _session(folder, session), model=model, observer=observer)
        elif step is SweepStep.PLAN:
            prepare(settings, folder, model=model, observer=observer)
        else:
            conduct(settings, folder, model=model, observer=observer)


def _plan(folder: Path) -> "SweepPlan":
    from weighbridge.records.sweep_plan import PLAN, SweepPlan

    return SweepPlan.read(folder / PLAN)


def _session(folder: Path, named: str) -> "SessionKey":
    """Return the session of a folder's name.

    Raises:
        InputError: the plan has none of this name.
    """
    from weighbridge.core.errors import InputError

    sessions = [session for wave in _plan(folder).waves for session in wave.sessions()]
    for each in sessions:
        if each.folder == named:
            return each
    known = sessions[0].folder if sessions else "none"
    raise InputError(f"--session: {folder} plans no {named}, but such as {known}; plan the sweep again.")


def _write_done(folder: Path, done: Path, number: int | None, session: str | None) -> None:
    """Write what was planned of a wave, or of all; of a session, the sha256 of its records.

    Raises:
        InputError: there is no such wave.
    """
    from weighbridge.config.fingerprint import canonical
    from weighbridge.core.errors import InputError
    from weighbridge.core.files import sha256_of, write_atomic
    from weighbridge.records.sweep_run import CELL_RECORD

    if session is not None:
        records = sorted((folder / session).rglob(CELL_RECORD))
        told: object = {str(path.relative_to(folder / session)): sha256_of(path) for path in records}
    else:
        told = [wave for wave in _plan(folder).waves if number in (None, wave.number)]
    if not told:
        raise InputError(
            f"{folder} has no {session or f'wave {number}'}: the sweep's file has changed; run the same "
            "command again."
        )
    write_atomic(done, canonical(told) + "\n")
