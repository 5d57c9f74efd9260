"""One run: a server that answers, an issuer that measures it once, and run.json that records both."""

import logging
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from weighbridge.client.issuer import Issuer
from weighbridge.core.errors import InvalidRunError, SetupError
from weighbridge.records.run_record import CLIENT_FILES, RUN_RECORD, SERVER_LOG, USER_CONF, RunRecord
from weighbridge.run.observer import LossWatch, Observing, unobserved
from weighbridge.run.server_use import SessionUse
from weighbridge.run.session import Session, Setup, session

log = logging.getLogger(__name__)

_OWN_FILES = {RUN_RECORD, USER_CONF, SERVER_LOG, *CLIENT_FILES}
# Logs of several servers are numbered.
_OTHER_FILES = re.compile(r"mlperf_log_\w+\.\w+|server-\d+\.log")


def execute(
    setup: Setup,
    issuer: Issuer,
    out: Path,
    observing: Observing = unobserved,
    before: Callable[[Session], str | None] | None = None,
    lives: Path | None = None,
    watching: Callable[[Session], LossWatch] | None = None,
) -> RunRecord:
    """Serve, check, warm up, and measure once.

    Args:
        setup: What is measured.
        issuer: What issues the requests.
        out: Folder of the run: the issuer's logs, run.json, errors.jsonl and server.log.
        observing: Makes the observer of the run.
        before: Looks at the session before the run; returns why there shall be no run, None: it is made.
        lives: Folder for the life of the server, which a later run may use too; None: it ends with this one.
        watching: Makes what finds out that the run cannot pass any more. A run that it ends is a result: it
            counts as little as one that came to its end and failed, and run.json says why it was ended.

    Raises:
        InputError: the store, the key's variable or the folder cannot be used.
        SetupError: the issuer's library is missing, the server does not start or answers wrongly, or the disk
            takes no more of the run's files; those that there are are in `out`/aborted.
        InvalidRunError: `before` found that there shall be no run, or the run ended early; its files are in
            `out`/aborted.
    """
    issuer.check()
    plan = issuer.plan
    use = SessionUse(lives, plan.label, out / RUN_RECORD) if lives is not None else None
    measuring = False
    try:
        with session(setup, out, plan.label, observing, use) as ready:
            refusal = before(ready) if before is not None else None
            if refusal is None:
                measuring = True
                loss = watching(ready) if watching is not None else None
                record = ready.measure(issuer, out, loss=loss)
                if record.ended_as_lost:
                    if use is not None and use.worth_settling:
                        _settle(ready)
                elif record.load.aborted:  # here, because the server's state is unknown
                    raise InvalidRunError(f"the run ended early: {record.load.aborted}; its logs are in")
    except (SetupError, InvalidRunError) as error:
        if not measuring:
            raise
        kept = _set_aside(out, issuer)
        if isinstance(error, InvalidRunError):
            raise InvalidRunError(f"{error} {kept}.") from None
        raise SetupError(f"{str(error).rstrip('.')}; what there is of the run is in {kept}.") from None
    if refusal is not None:  # told after the session's end, which is an ordinary one for the server
        raise InvalidRunError(refusal)
    return record


def _settle(ready: Session) -> None:
    """Wait for the servers to finish what the ended run left them; ones that do not are not used again."""
    try:
        ready.settle()
    except SetupError as error:
        log.warning("after the run was ended: %s", error)


def _set_aside(out: Path, issuer: Issuer) -> Path:
    """Move the files of a run that does not count to a folder that the workflow does not delete.

    Only the run's own: what else lies in the folder is somebody's. progress.json stays too, because those who
    watch the run look for it here.

    Returns:
        The folder that holds them now: `out` itself, where its disk does not even take another folder.
    """
    folders = {Path(name).parts[0] for name in issuer.evidence if "/" in name}
    aside, own = out / "aborted", _OWN_FILES | set(issuer.evidence)
    with suppress(OSError):
        aside.mkdir(exist_ok=True)
        for path in out.iterdir():
            if path.is_dir() and path.name in folders:
                shutil.rmtree(aside / path.name, ignore_errors=True)
                path.replace(aside / path.name)
            elif path.is_file() and (path.name in own or _OTHER_FILES.fullmatch(path.name)):
                path.replace(aside / path.name)
        return aside
    return out
