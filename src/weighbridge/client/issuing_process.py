"""The process that issues conversations: it alone decides when each request leaves.

It has a process of its own so that nothing else competes for its interpreter.
"""

import gc
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from weighbridge.client.conversation_driver import ConversationDriver, WorkerLostError
from weighbridge.client.conversation_schedule import ConversationSchedule, PlannedConversation
from weighbridge.client.driver_control import (
    inherited_socket,
    read_into_page_cache,
    sleep_precisely,
    tell,
    tell_failure,
)
from weighbridge.client.failure_limit import FailureLimit
from weighbridge.client.issuing_job import IssuingJob, read_schedule
from weighbridge.client.outcome_files import OutcomeFiles
from weighbridge.client.worker_link import WorkerLink
from weighbridge.client.written_file import WrittenFile
from weighbridge.core.parent_death import die_with_parent
from weighbridge.requests.bodies import BODIES_FILE, Bodies

PROCESS = "the process that issues requests"


def run(job: IssuingJob, control: socket.socket) -> None:
    """Issue all conversations once."""
    os.umask(0o077)
    conversations = read_schedule(Path(job.schedule))
    schedule = ConversationSchedule(conversations, job.closed)
    links = [WorkerLink(number, inherited_socket(fd)) for number, fd in enumerate(job.worker_fds)]
    written = {path: WrittenFile(path) for path in (job.records, job.errors)}
    key = os.environ.get(job.api_key_env or "")
    files = OutcomeFiles(written[job.records], written[job.errors], job.endpoints, key)
    driver = ConversationDriver(schedule, links, control, files, FailureLimit(job.error_abort))
    driver.await_workers()
    _read_bodies(Path(job.store), conversations)
    if job.in_flight:
        driver.open_connections()
    tell(control, event="started")
    driver.run(job.seconds)
    tell(
        control,
        event="done",
        issued=driver.completed,
        completed=driver.completed,
        failed={outcome.label: count for outcome, count in driver.failed.items() if count},
        aborted=driver.aborted,
        backlogs=[link.backlog.decode() for link in links],
        files={Path(path).name: msgspec.structs.asdict(file.close()) for path, file in written.items()},
        cut_off=driver.open(),
        not_issued=schedule.not_issued,
    )


def _read_bodies(store: Path, conversations: Sequence[PlannedConversation]) -> None:
    """Read the run's bodies into the page cache: those of all blocks may be more than the memory holds."""
    offsets = Bodies(store).offsets
    requests = [request for each in conversations for request in each.requests]
    read_into_page_cache(store / BODIES_FILE, offsets[min(requests)], offsets[max(requests) + 1])


def main() -> None:
    """Issue conversations; the job is the only argument, as JSON."""
    job = msgspec.json.decode(sys.argv[1], type=IssuingJob)
    control = inherited_socket(job.control_fd)
    try:
        die_with_parent(job.parent)
        gc.disable()  # nothing here makes cycles
        sleep_precisely()
        run(job, control)
    except WorkerLostError as error:
        tell(control, event="refused", reason=str(error))
    except Exception as error:
        tell_failure(control, PROCESS, "issuing requests", error, job.out)
        return
    # The parent now reads what this process cost, and closes the socket.
    control.recv(1)


if __name__ == "__main__":
    main()
