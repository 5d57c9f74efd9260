"""What the processes of a run are started with, as JSON in their only argument."""

import msgspec


class LoadGenJob(msgspec.Struct, frozen=True):
    """LoadGen's process."""

    model: str
    scenario: str
    accuracy: bool
    seeds: dict[str, int]
    samples: int
    store: str
    out: str
    endpoints: list[str]
    control_fd: int = -1
    worker_fds: list[int] = []


class WorkerJob(msgspec.Struct, frozen=True):
    """A worker process."""

    number: int
    store: str
    endpoints: list[str]
    api_key_env: str | None
    connections: int
    connect_timeout_s: float
    request_timeout_s: float
    stream: bool
    control_fd: int = -1
