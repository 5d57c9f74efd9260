"""Settings of the load client: workers, connections, waits, the key's variable."""

from pydantic import Field

from weighbridge.config.scenario_rules import LONGEST_S
from weighbridge.config.server_settings import EnvironmentName
from weighbridge.core.models import Model

_OTHER_DESCRIPTORS = 64
"""Files of a worker beside its connections: modules, the store, epoll, its socket, the standard streams."""


class ClientSettings(Model):
    """The load client."""

    workers: int = Field(
        default=1,
        ge=1,
        le=256,
        description="Worker processes. One handles about 10,000 requests/s: raise it if a verdict or warning "
        "says that the client was the limit, and the machine has free cores.",
    )
    connections: int = Field(
        default=4096,
        ge=1,
        le=10_000_000,
        description="Largest number of open connections, over all workers. Raise it if all were in use: more "
        "requests than this are never at the server at once.",
    )
    connect_timeout_s: float = Field(
        default=10,
        gt=0,
        le=LONGEST_S,
        description="Timeout of opening a connection, in s. Raise it for a server behind a slow gateway.",
    )
    request_timeout_s: float = Field(
        default=7200,
        gt=0,
        le=LONGEST_S,
        description="Timeout from sending to the last byte, in s; the request then counts as failed. Raise it"
        " only if right answers take longer, as in long Offline runs.",
    )
    stall_limit_s: float = Field(
        default=300,
        gt=0,
        le=LONGEST_S,
        description="Longest time without any answer while requests are open, in s; then the run ends. Lower "
        "it to lose less time to a server that hangs, raise it if one answer takes longer.",
    )
    api_key_env: EnvironmentName | None = Field(
        default=None,
        description="Name of the environment variable that contains the API key, never the key itself. Set it"
        " if your endpoint asks for a key.",
    )

    @property
    def connections_of_worker(self) -> int:
        """The largest number of connections of one worker: all, shared equally and rounded up."""
        return -(-self.connections // self.workers)

    @property
    def descriptors_of_worker(self) -> int:
        """The largest number of files that one worker has open."""
        return self.connections_of_worker + _OTHER_DESCRIPTORS
