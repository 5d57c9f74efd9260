"""The job of the process that issues conversations, and the file with their schedule.

That process imports this module, and so neither pydantic nor numpy.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from weighbridge.client.conversation_schedule import PlannedConversation
from weighbridge.client.frames import DriverJob
from weighbridge.core.files import write_atomic

SCHEDULE_FILE = "schedule.msgpack"  # during the run


class IssuingJob(DriverJob, frozen=True, kw_only=True):
    """The process that issues conversations.

    Attributes:
        store: Folder of the requests.
        schedule: File with the conversations.
        closed: How many are in progress at once; 0: they begin when they are due.
        seconds: After how long the run is over in any case; 0: after the last measured conversation.
        error_abort: Share of the first 100 requests whose failure ends the run.
        api_key_env: Name of the variable with the key that the workers send, which no file may hold.
    """

    store: str
    schedule: str
    closed: int = 0
    seconds: float = 0
    error_abort: float = 0.05
    api_key_env: str | None = None


def write_schedule(path: Path, conversations: Sequence[PlannedConversation]) -> None:
    """Write the conversations of a run.

    Raises:
        OSError: the folder is gone, or its disk is full.
    """
    write_atomic(path, msgspec.msgpack.encode(conversations), durable=False)


def read_schedule(path: Path) -> list[PlannedConversation]:
    """Read them.

    Raises:
        OSError: the file is gone.
    """
    return msgspec.msgpack.decode(path.read_bytes(), type=list[PlannedConversation])
