"""The comparison of two recorded sweeps, an old one and a new one, as `compare` prints and writes it."""

from pydantic import Field

from weighbridge.core.models import Model
from weighbridge.records.comparison import ComparisonResult, Ratio


class ChangedRow(Model):
    """One system in the new sweep beside itself in the old one, at one workload and load."""

    workload: str
    level: str
    system: str
    before: str = Field(description="Its name in the old sweep.")
    metric: str = Field(description="What the verdict is by: qps; goodput or a latency of open loops.")
    speed_up: Ratio | None = Field(
        description="New by old, above 1 is better; of an anchored row, by the anchor's. Null: not compared."
    )
    machine: float | None = Field(
        default=None, description="The anchor's own change, which is the machine's; null: no anchor."
    )
    result: ComparisonResult
    reasons: tuple[str, ...] = Field(default=(), description="Why it is not comparable.")


class SweepChange(Model):
    """What has changed from an old sweep to a new one."""

    schema_version: int = 1
    old: str
    new: str
    anchor: str | None = Field(
        description="System that is the same in both, whose change the others' are divided by; null: none."
    )
    margin: float = Field(description="A difference within this share counts as none.")
    rows: tuple[ChangedRow, ...]
    warnings: tuple[str, ...] = Field(
        default=(), description="What weakens it, such as that the sweeps are not of the same requests."
    )
