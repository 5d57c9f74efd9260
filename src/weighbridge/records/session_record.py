"""session.json of a sweep: what a system was at the beginning and at the end of a session."""

from weighbridge.core.models import Model
from weighbridge.records.run_record import Host, ServerRecord

SESSION_RECORD = "session.json"


class SessionRecord(Model):
    """Contents of session.json; written once all runs of the session are finished."""

    sweep: str
    wave: int
    block: int
    slot: int
    system: str
    started: str
    ended: str
    host: Host
    server: ServerRecord
    version_at_end: str | None
    runs: tuple[str, ...]
