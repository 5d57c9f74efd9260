"""A check of a machine: what was found, whether it suffices, what to do, and which uses need it."""

from collections.abc import Sequence
from enum import StrEnum

from pydantic import Field

from weighbridge.core.models import Model


class MachineState(StrEnum):
    """Whether what was found suffices."""

    OK = "ok"
    WARNING = "warning"
    MISSING = "missing"


class MachineUse(StrEnum):
    """What a machine can be used for."""

    BENCH = "bench"
    DEMO = "demo"
    BENCHMARK = "benchmark"
    SLURM = "slurm"
    MMLU = "mmlu"


MEASURING = (MachineUse.BENCH, MachineUse.DEMO, MachineUse.BENCHMARK, MachineUse.MMLU)
WORKFLOW = (MachineUse.DEMO, MachineUse.BENCHMARK, MachineUse.SLURM, MachineUse.MMLU)


class MachineCheck(Model):
    """One line of `weighbridge doctor`."""

    name: str
    state: MachineState
    found: str
    needed_by: tuple[MachineUse, ...] = Field(description="Uses that a missing thing makes impossible.")
    remedy: str | None = Field(default=None, description="What to do; null: nothing.")

    @classmethod
    def of(
        cls,
        name: str,
        found: str,
        needed_by: Sequence[MachineUse] = tuple(MachineUse),
        *,
        missing: str | None = None,
        warning: str | None = None,
    ) -> "MachineCheck":
        """Return a check; the first remedy that is given says what is wrong, and how bad that is."""
        state = MachineState.MISSING if missing else MachineState.WARNING if warning else MachineState.OK
        return cls(name=name, state=state, found=found, needed_by=tuple(needed_by), remedy=missing or warning)


class UseState(Model):
    """Whether the machine can be used for something."""

    use: MachineUse
    possible: bool
    missing: tuple[str, ...] = Field(description="Names of the checks that make it impossible.")


class Diagnosis(Model):
    """What `weighbridge doctor` found, and prints by `--json`."""

    uses: tuple[UseState, ...]
    checks: tuple[MachineCheck, ...]

    @classmethod
    def of(cls, checks: Sequence[MachineCheck]) -> "Diagnosis":
        """Return checks with what they mean for each use."""
        missing = {
            use: tuple(
                check.name
                for check in checks
                if check.state is MachineState.MISSING and use in check.needed_by
            )
            for use in MachineUse
        }
        return cls(
            uses=tuple(
                UseState(use=use, possible=not names, missing=names) for use, names in missing.items()
            ),
            checks=tuple(checks),
        )

    def missing_for(self, use: MachineUse) -> tuple[str, ...]:
        """Return the names of the checks that make a use impossible."""
        return next(each.missing for each in self.uses if each.use is use)
