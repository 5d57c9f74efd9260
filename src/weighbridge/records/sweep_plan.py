"""plan.json of a sweep: what is measured together, how much of it, and in which order."""

from collections.abc import Iterator
from typing import NamedTuple

from pydantic import Field

from weighbridge.config.load_level import LoadLevel
from weighbridge.core.errors import InputError
from weighbridge.core.models import Model

PLAN = "plan.json"


class PhaseCounts(Model):
    """Conversations of one run, in the order in which they are issued."""

    warmup: int = Field(ge=0, description="Before the measured ones.")
    measured: int = Field(ge=1)
    cooldown: int = Field(
        ge=0, description="After them, so that the load lasts until the last measured one ends; repeated."
    )

    @property
    def total(self) -> int:
        """All conversations."""
        return self.warmup + self.measured + self.cooldown


class Used(Model):
    """What stores have taken so far of what is drawn without replacement; the next store begins after it."""

    conversations: int = Field(default=0, ge=0)
    images: int = Field(default=0, ge=0, description="Images of a folder.")
    texts: int = Field(default=0, ge=0, description="Lines of a text file, or pairs if they are unrelated.")


class CellPlan(Model):
    """One workload at one load, which every system of a wave gets in every block."""

    workload: str
    level: LoadLevel
    counts: PhaseCounts
    sized_by: dict[str, float] = Field(
        default={}, description="Requests/s of each system when the counts were fixed."
    )
    shortened: str | None = Field(
        default=None, description="Why the runs are shorter than asked for; null: they are not."
    )

    @property
    def name(self) -> str:
        """Folder of the cell below its session's."""
        return f"{self.workload}/{self.level.name}"


class SessionKey(NamedTuple):
    """One life of one system in one block, or one visit to it.

    Attributes:
        wave: Number of the wave, from 1.
        block: Number of the block, from 1.
        slot: Its place among all sessions of the wave, from 1.
        system: Name of the system.
    """

    wave: int
    block: int
    slot: int
    system: str

    @property
    def folder(self) -> str:
        """Folder below the sweep's."""
        return f"w{self.wave}/b{self.block}/{self.system}"


class Wave(Model):
    """What is measured together, and so may be compared: never a result of one wave with one of another."""

    number: int = Field(ge=1)
    systems: tuple[str, ...]
    cells: tuple[CellPlan, ...]
    blocks: int = Field(ge=1)
    orders: tuple[tuple[str, ...], ...] = Field(description="Of the systems, by block.")
    repeats: int = Field(default=1, ge=1, description="Runs of each cell in a session.")
    skip: dict[str, Used] = Field(
        default={}, description="What of each workload sizing and earlier waves had used"
    )
    identities: dict[str, str] = Field(
        default={}, description="sha256 of what each system was when the wave was planned."
    )
    workloads: dict[str, str] = Field(default={}, description="Likewise of each workload.")
    sequential: bool = Field(
        default=False, description="All blocks of the first system, then all of the next, and so on."
    )

    def sessions(self) -> Iterator[SessionKey]:
        """Yield the sessions in the order in which they are held."""
        visits = [(block, name) for block, order in enumerate(self.orders, start=1) for name in order]
        if self.sequential:
            visits.sort(key=lambda visit: self.systems.index(visit[1]))
        for slot, (block, system) in enumerate(visits, start=1):
            yield SessionKey(self.number, block, slot, system)


def repeat_folder(cell: str, repeat: int) -> str:
    """Return the folder, below its session's, of one of a cell's runs; the first has the cell's own."""
    return cell if repeat == 1 else f"{cell}.{repeat}"


class SweepPlan(Model):
    """Contents of plan.json. Waves are added; one whose systems or workloads have changed since goes."""

    sweep: str
    waves: tuple[Wave, ...] = ()
    last_wave: int = Field(default=0, ge=0, description="Number of the last wave that was ever planned.")
    used: dict[str, Used] = Field(
        default={}, description="What of each workload sizing and all stores have used."
    )
    auto: dict[str, tuple[LoadLevel, ...]] = Field(
        default={}, description="The loads that 'auto' was found to stand for, by workload."
    )
    probed: dict[str, str] = Field(
        default={}, description="Whether each system honours forced lengths: honoured, ignored, rejected."
    )
    common_tokens: dict[str, int] = Field(
        default={}, description="Prompt tokens of a one-word request to each system: its chat template."
    )
    skipped: dict[str, str] = Field(
        default={}, description="Cells that are not measured, and why, such as a saturated load."
    )

    def wave(self, number: int) -> Wave:
        """Return a wave by its number.

        Raises:
            InputError: the plan has none of that number.
        """
        for wave in self.waves:
            if wave.number == number:
                return wave
        raise InputError(f"the plan has no wave {number}; plan the sweep again.")
