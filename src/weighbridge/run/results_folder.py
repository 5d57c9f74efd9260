"""Check that a results folder is of one benchmark in one category: its runs would be replaced by others."""

from pathlib import Path

import msgspec

from weighbridge.config.round import Round
from weighbridge.core.errors import InputError
from weighbridge.records.earlier_releases import ONLY_BENCHMARK
from weighbridge.records.run_record import RUN_RECORD


class _Measured(msgspec.Struct):
    """What of a run's record says what it measured; records of earlier releases name nothing."""

    benchmark: str = ONLY_BENCHMARK
    category: str | None = None

    def __str__(self) -> str:
        return f"{self.benchmark}, {self.category}" if self.category else self.benchmark


def check_results_folder(results: Path, round_: Round) -> None:
    """Check that the runs in a results folder are of the round's benchmark and category.

    Other rounds of both may follow each other; a record that cannot be read is for its readers to refuse.

    Raises:
        InputError: a run is of another benchmark or category; the message names it.
    """
    asked = _Measured(round_.benchmark, round_.category)
    for path in sorted(results.glob(f"*/*/{RUN_RECORD}")):
        try:
            found = msgspec.json.decode(path.read_bytes(), type=_Measured)
        except (OSError, msgspec.DecodeError):
            continue
        if found != asked:
            raise InputError(
                f"{path}: a run of {found}, but the settings ask for {asked}, which needs a run directory of "
                "its own; choose one with --directory, such as --directory runs/"
                f"{round_.category or round_.benchmark}."
            )
