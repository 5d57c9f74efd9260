"""Find why jobs of a workflow failed, in the words that their own logs end with."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from weighbridge.core.command_log import read_command_end
from weighbridge.records.workflow_event import WorkflowEvent

_UNSAID = (
    "its log does not say how it ended, so it was killed: for want of memory or of time, or by hand; look at "
    "the end of that log, and give the same command again."
)
_UNLOGGED = (
    "it wrote no log, so it could not start, or was killed at once; what it printed is among Snakemake's own "
    "words, logs/snakemake.log; mend that, and give the same command again."
)


@dataclass(frozen=True)
class JobFailure:
    """A job that failed.

    Attributes:
        stage: What it did, such as 'benchmark offline performance'.
        log: Its log; None: it has none.
        code: Its exit code; None: unknown, because it was killed.
        sentence: Why it failed, and what to do.
    """

    stage: str
    log: Path | None
    code: int | None
    sentence: str

    def __str__(self) -> str:
        known = [f"exit code {self.code}"] if self.code is not None else []
        where = ", ".join([*known, *([str(self.log)] if self.log else [])])
        return f"{self.stage}{f' ({where})' if where else ''}: {self.sentence}"


def job_failures(failed: Iterable[WorkflowEvent], folder: Path) -> tuple[JobFailure, ...]:
    """Return why jobs failed. Of a group, Snakemake calls all jobs failed; only those that did are returned.

    Args:
        failed: The events of the failed jobs.
        folder: The run directory, which their logs are relative to.
    """
    found = [_failure(event, folder) for event in failed]
    known = [failure for failure in found if failure.code is not None]
    return tuple(known or found)


def _failure(event: WorkflowEvent, folder: Path) -> JobFailure:
    logs = [folder / name for name in event.logs]
    for log in logs:
        end = read_command_end(log)
        if end is not None:
            return JobFailure(event.stage, log, end.code, end.sentence)
    there = next((log for log in logs if log.is_file() and log.stat().st_size), None)
    return JobFailure(event.stage, there, None, _UNSAID if there else _UNLOGGED)
