"""One run: a server that answers, an issuer that measures it once, and run.json that records both."""

from pathlib import Path

from weighbridge.client.issuer import Issuer
from weighbridge.core.errors import InvalidRunError
from weighbridge.records.progress_record import PROGRESS_FILE
from weighbridge.records.run_record import SERVER_LOG, RunRecord
from weighbridge.run.observer import Observing, unobserved
from weighbridge.run.session import Setup, session


def execute(setup: Setup, issuer: Issuer, out: Path, observing: Observing = unobserved) -> RunRecord:
    """Serve, check, warm up, measure once, and stop.

    Args:
        setup: What is measured.
        issuer: What issues the requests.
        out: Folder of the run: the issuer's logs, run.json, errors.jsonl and server.log.
        observing: Makes the observer of the run.

    Raises:
        InputError: the store, the key's variable or the folder cannot be used.
        SetupError: the issuer's library is missing, or the server does not start or answers wrongly.
        InvalidRunError: the run ended early; its files are in `out`/aborted.
    """
    issuer.check()
    with session(setup, out / SERVER_LOG, issuer.plan.label, observing) as ready:
        record = ready.measure(issuer, out)
    if record.load.aborted:
        kept = _set_aside(out)
        raise InvalidRunError(f"the run ended early: {record.load.aborted}; its logs are in {kept}.")
    return record


def _set_aside(out: Path) -> Path:
    """Move the files of a run that does not count to a folder that the workflow does not delete.

    progress.json stays, because those who watch the run look for it here.
    """
    aside = out / "aborted"
    aside.mkdir(exist_ok=True)
    for path in out.iterdir():
        if path.is_file() and path.name != PROGRESS_FILE:
            path.replace(aside / path.name)
    return aside
