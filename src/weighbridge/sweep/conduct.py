"""Measure a sweep: all that is missing, session by session, one at a time."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path

from weighbridge.config.sweep_settings import SweepSettings
from weighbridge.core.errors import InputError
from weighbridge.records.sweep_plan import PLAN, SessionKey, SweepPlan
from weighbridge.run.folder_lock import locked
from weighbridge.sweep.sweep_folder import SweepFolder, read_cells
from weighbridge.sweep.sweep_observer import SweepObserver
from weighbridge.sweep.sweep_preparation import prepared
from weighbridge.sweep.sweep_session import Sweep, hold, missing_runs, wanted_runs
from weighbridge.sweep.systems import OpenSystem

__all__ = ["conduct", "hold_session", "prepare", "read_cells"]

_COMMAND = "weighbridge sweep"


def conduct(
    settings: SweepSettings,
    folder: Path,
    *,
    model: Path | None,
    observer: SweepObserver,
    like: Path | None = None,
) -> None:
    """Measure all that a sweep lacks; what is finished stays.

    Args:
        settings: The sweep's.
        folder: Its folder; it is made.
        model: Folder of the model that started servers serve; None: none is started.
        observer: Receives what is done.
        like: Folder of another sweep, whose loads and counts are taken, so that the two can be compared.

    Raises:
        Interruption: a signal ended a run; the same call goes on later.
        InputError: the settings or a source cannot be used.
        SetupError: a system cannot be opened or was lost, or another command uses the folder.
        InvalidRunError: a system fails the first requests.
    """
    with locked(folder, _COMMAND):
        folder.mkdir(parents=True, exist_ok=True)
        sweep = Sweep(settings, SweepFolder(folder), model, observer)
        with ExitStack() as lasting:
            systems = _Systems(sweep, lasting)
            plan = prepared(sweep, systems.for_a_look, _plan_of(like))
            for key, number, of in _numbered(sweep, plan):
                if missing_runs(sweep, plan, key):
                    with systems.for_session(key) as system:
                        hold(sweep, plan, key, system, number, of)


def prepare(
    settings: SweepSettings,
    folder: Path,
    *,
    model: Path | None,
    observer: SweepObserver,
    like: Path | None = None,
) -> SweepPlan:
    """Do the first part of `conduct`: plan what is missing, and build what will be sent.

    Raises:
        InputError, SetupError, InvalidRunError: as `conduct`.
    """
    with locked(folder, _COMMAND), ExitStack() as lasting:
        folder.mkdir(parents=True, exist_ok=True)
        sweep = Sweep(settings, SweepFolder(folder), model, observer)
        return prepared(sweep, _Systems(sweep, lasting).for_a_look, _plan_of(like))


def hold_session(
    settings: SweepSettings, folder: Path, key: SessionKey, *, model: Path | None, observer: SweepObserver
) -> None:
    """Do one session of `conduct`, which has been prepared.

    Raises:
        InputError, SetupError, InvalidRunError, Interruption: as `conduct`.
    """
    with locked(folder, _COMMAND), ExitStack() as lasting:
        sweep = Sweep(settings, SweepFolder(folder), model, observer)
        plan = sweep.folder.read_plan(settings.name)
        for known, number, of in _numbered(sweep, plan):
            if known != key:
                continue
            if missing_runs(sweep, plan, key):
                with _Systems(sweep, lasting).for_session(key) as system:
                    hold(sweep, plan, key, system, number, of)
            return
    raise InputError(f"{folder / PLAN}: has no session {key.folder}; plan the sweep again.")


class _Systems:
    """Opens systems. Those that nobody has to start again stay open until the sweep ends."""

    def __init__(self, sweep: Sweep, lasting: ExitStack) -> None:
        self._sweep, self._lasting = sweep, lasting
        self._open: dict[str, OpenSystem] = {}

    def for_a_look(self, name: str) -> AbstractContextManager[OpenSystem]:
        return self._provided(name, self._sweep.folder.server(name))

    def for_session(self, key: SessionKey) -> AbstractContextManager[OpenSystem]:
        return self._provided(key.system, self._sweep.folder.session(key))

    def _provided(self, name: str, folder: Path) -> AbstractContextManager[OpenSystem]:
        settings = self._sweep.settings
        if not (settings.coexist or settings.system(name).attached):
            return self._sweep.open(name, folder)
        if name not in self._open:
            opened = self._sweep.open(name, self._sweep.folder.server(name))
            self._open[name] = self._lasting.enter_context(opened)
        return nullcontext(self._open[name])


def _plan_of(like: Path | None) -> SweepPlan | None:
    if like is None:
        return None
    if not (like / PLAN).exists():
        raise InputError(f"{like}: is no folder of a sweep; it has no {PLAN}.")
    return SweepPlan.read(like / PLAN)


def _numbered(sweep: Sweep, plan: SweepPlan) -> Iterator[tuple[SessionKey, int, int]]:
    """Yield each session with the number of its first run, from 1, and the number of all runs."""
    keys = [key for wave in plan.waves for key in wave.sessions()]
    sessions = [(key, len(wanted_runs(sweep, plan, key))) for key in keys]
    of, number = sum(runs for _, runs in sessions), 1
    for key, runs in sessions:
        yield key, number, of
        number += runs
