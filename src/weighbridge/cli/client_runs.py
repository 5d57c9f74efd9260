"""Commands that read runs of the official endpoints client: client-accuracy."""

import logging
from pathlib import Path
from typing import Annotated

import typer

log = logging.getLogger(__name__)


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(client_accuracy)


def client_accuracy(
    run: Annotated[Path, typer.Option(help="Folder of the performance run, with the client's report.")],
    out: Annotated[Path, typer.Option(help="Folder of the accuracy run to write.")],
) -> None:
    """Write the official client's accuracy phase as a run.

    Writes run.json, requests.parquet, errors.jsonl and answers.jsonl, which `evaluate` scores.
    """
    from weighbridge.endpoints.accuracy_run import write_accuracy_run
    from weighbridge.records.not_made import not_made, write_not_made
    from weighbridge.records.official_client import PHASE_ANSWERS
    from weighbridge.records.run_record import RUN_RECORD, RunRecord

    reason = not_made(run / RUN_RECORD)
    if reason is None and (record := RunRecord.read(run / RUN_RECORD)).ended_as_lost:
        reason = f"the performance run was ended before it: {record.load.aborted}"
    if reason is not None:
        log.warning("%s: no accuracy phase: %s.", run, reason)
        write_not_made(out, RUN_RECORD, (PHASE_ANSWERS,), reason)
        return
    written = write_accuracy_run(run, out).load
    log.info("%s: %d queries, %d failed", out, written.issued, written.failures)
