"""cross-measurement.json: the same queries at the same times, measured by the official client and by ours."""

from pydantic import Field

from weighbridge.core.models import Model

CROSS_MEASUREMENT = "cross-measurement.json"


class TimeSpread(Model):
    """A distribution of times, in seconds."""

    p50_s: float
    p90_s: float
    p99_s: float
    mean_s: float


class PairedTimes(Model):
    """Where the latencies of a client come from, by the server's own log of when it sent its answers.

    The means of `before`, `server` and `after` add up to that of the latency over these queries.
    """

    paired: int = Field(description="Answered queries that are in the server's log.")
    before: TimeSpread = Field(
        description="From where the latency counts to the request's arrival in the server."
    )
    server: TimeSpread = Field(description="From the arrival to the sending of the last byte.")
    after: TimeSpread = Field(description="From the sending of the last byte to the end by the client.")
    server_first: TimeSpread | None = Field(
        default=None, description="From the arrival to the sending of the first token; null: not streamed."
    )
    after_first: TimeSpread | None = Field(
        default=None,
        description="From the sending of the first token to its receipt by the client; null: not streamed.",
    )


class MeasuredByClient(Model):
    """What one client measured."""

    client: str
    queries: int
    failed: int = Field(description="Not part of the figures.")
    latency: TimeSpread
    ttft: TimeSpread | None = Field(description="Time to the first token; null: not streamed.")
    late: TimeSpread | None = Field(
        default=None,
        description="From when a query was due to its issue, where the latency counts from the issue and so "
        "does not have it; null: the latency has it, or there is no schedule.",
    )
    times: PairedTimes | None = Field(default=None, description="Null: there is no log of the server.")


class CrossMeasurement(Model):
    """Contents of cross-measurement.json."""

    scenario: str
    target_qps: float | None = Field(description="Queries/s that were issued; null: all at once.")
    official: MeasuredByClient = Field(
        description="The official client, whose latencies count from the issue."
    )
    own: MeasuredByClient = Field(description="Weighbridge, whose latencies count from when a query is due.")
