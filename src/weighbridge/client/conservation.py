"""Conservation: a run's files must hold every request that its driver counted, and nothing else."""

from pathlib import Path

from weighbridge.client import request_log
from weighbridge.client.process_group import ProcessGroup
from weighbridge.client.request_log import Records
from weighbridge.records.run_record import ERRORS_FILE


def contradiction(group: ProcessGroup, records: Records, out: Path) -> str | None:
    """Return how the files of a run contradict its driver, as a reason why the run does not count.

    Nothing is compared where the run ended early: it does not count anyway, and its driver may have been
    killed before it told what it wrote.

    Args:
        group: The finished processes.
        records: The request log, as it was read.
        out: The run's folder.
    """
    if group.aborted is not None:
        return None
    found = _of_files(group, out) or _of_counts(group, records, out)
    return found and f"the evidence of the run was altered while it was written: {found}"


def _of_files(group: ProcessGroup, out: Path) -> str | None:
    if not group.files:
        return "the driver did not tell what it wrote"
    found = (proof.contradiction(out / name) for name, proof in group.files.items())
    return next(filter(None, found), None)


def _of_counts(group: ProcessGroup, records: Records, out: Path) -> str | None:
    failed = request_log.failures(records)
    if not group.issued == group.completed == len(records):
        return f"{group.issued} requests were issued, {group.completed} ended, {len(records)} are recorded"
    if failed != group.failed:
        return f"the driver counted the failures {group.failed}, and {failed} are recorded"
    with (out / ERRORS_FILE).open("rb") as stream:
        lines = sum(1 for _ in stream)
    if lines != sum(failed.values()):
        return f"{sum(failed.values())} requests failed, and {ERRORS_FILE} has {lines} lines"
    return None
