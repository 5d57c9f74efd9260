"""One run of the four: a server that answers, LoadGen that asks, and run.json that tells what happened."""

from pathlib import Path

from weighbridge.config.round import Mode, ScenarioRules
from weighbridge.core.errors import InvalidRunError
from weighbridge.records.progress_record import PROGRESS_FILE
from weighbridge.records.run_record import RunRecord
from weighbridge.run.session import Setup, session

__all__ = ["Setup", "execute"]


def execute(setup: Setup, scenario: ScenarioRules, mode: Mode, target_qps: float, out: Path) -> RunRecord:
    """Serve, check, warm up, measure once, and stop.

    Args:
        setup: What is measured.
        scenario: Which scenario of the round.
        mode: Performance or accuracy.
        target_qps: Samples/s expected (Offline) or queries/s to issue (Server).
        out: Folder of the run; LoadGen's logs, run.json, errors.jsonl and server.log go here.

    Raises:
        InputError: the store, the key's variable or the folder cannot be used.
        SetupError: the server does not start, or does not answer as it must.
        InvalidRunError: the run ended early; what there is stands in `out`/aborted.
    """
    with session(setup, out / "server.log", f"{scenario.name} {mode}") as ready:
        record = ready.measure(scenario, mode, target_qps, out)
    if record.load.aborted:
        kept = _set_aside(out)
        raise InvalidRunError(f"the run ended early: {record.load.aborted}; its logs are in {kept}.")
    return record


def _set_aside(out: Path) -> Path:
    """Move the files of a run that does not count to where the workflow will not delete them.

    What the run said of itself last stays where those who watch it look.
    """
    aside = out / "aborted"
    aside.mkdir(exist_ok=True)
    for path in out.iterdir():
        if path.is_file() and path.name != PROGRESS_FILE:
            path.replace(aside / path.name)
    return aside
