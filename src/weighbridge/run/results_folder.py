"""Check that a results folder is of one benchmark in one category: its runs would be replaced by others."""

from pathlib import Path

import msgspec

from weighbridge.config.derived_round import RoundChanges
from weighbridge.config.round import Round
from weighbridge.core.errors import InputError
from weighbridge.records.earlier_releases import ONLY_BENCHMARK
from weighbridge.records.run_record import RUN_RECORD


class _Measured(msgspec.Struct):
    """What of a run's record says what it measured; records of earlier releases name nothing."""

    benchmark: str = ONLY_BENCHMARK
    category: str | None = None
    round: str = ""

    @property
    def limit(self) -> int | None:
        """The number of first samples that were measured; None: all."""
        return RoundChanges.split(self.round)[1].limit

    @property
    def kind(self) -> tuple[str, str | None, int | None]:
        """What runs in one folder have in common."""
        return self.benchmark, self.category, self.limit

    def __str__(self) -> str:
        limit = f"limit {self.limit}" if self.limit else None
        return ", ".join(filter(None, (self.benchmark, self.category, limit)))


def check_results_folder(results: Path, round_: Round) -> str | None:
    """Check that the runs in a results folder are of the round's benchmark, category and samples.

    Other rounds of the same may follow each other, and all samples the first ones; a record that cannot be
    read is for its readers to refuse.

    Returns:
        That runs of the first samples are going to be replaced, as a sentence; None: there are none.

    Raises:
        InputError: a run is of another benchmark or category, or of more samples; the message names it.
    """
    asked = _Measured(round_.benchmark, round_.category, round_.name)
    replaced: str | None = None
    for path in sorted(results.glob(f"*/*/{RUN_RECORD}")):
        try:
            found = msgspec.json.decode(path.read_bytes(), type=_Measured)
            kind = found.kind
        except (OSError, msgspec.DecodeError, InputError):
            continue
        if kind == asked.kind:
            continue
        stated = f"{path}: a run of {found}, but the settings ask for {asked}"
        if found.limit is None:
            raise InputError(
                f"{stated}, which needs a run directory of its own; choose one with --directory, such as "
                f"--directory runs/{_folder(asked)}."
            )
        replaced = replaced or f"{stated}; it is made again."
    return replaced


def _folder(asked: _Measured) -> str:
    name = asked.category or asked.benchmark
    return f"{name}-{asked.limit}" if asked.limit else name
