"""Which runs the Snakemake above a command will still make: what a kept server can be wanted for.

The Snakemake process on whose machine the jobs run notes them in the environment of its jobs.
"""

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from weighbridge.records.quality_answers import MEASURED
from weighbridge.records.run_record import RUN_RECORD
from weighbridge.run.folder_lock import in_use
from weighbridge.run.replaced import finished, put_back_files

# A JSON object: the record that each run will write, and when the one that is there was written, in ns; then
# the same of the finished one that has a second name below replaced/.
_VARIABLE = "WEIGHBRIDGE_RUNS"


def note_runs(records: Iterable[str | Path], replaced: Path) -> None:
    """Note in the environment which runs this Snakemake will make, by the record that each writes.

    Args:
        records: The records.
        replaced: The folder of replaced results, where the files of finished ones have a second name.
    """
    noted = {
        str(record): (_written_ns(record), _written_ns(_second_name(record, replaced)))
        for record in map(Path, records)
    }
    os.environ[_VARIABLE] = json.dumps(noted)


def forget_runs() -> None:
    """Remove the note of another Snakemake, such as the one on the host that submitted this job."""
    os.environ.pop(_VARIABLE, None)


def wanted_later(own: Path) -> bool:
    """Return whether a later run can want the server of the run whose record is `own`.

    Neither a run that this Snakemake has made, nor one that is under way and has its own server, can. Where
    it is not known what Snakemake will make, any may follow.
    """
    noted = _noted()
    if noted is None:
        return True
    others = [(record, before) for record, (before, _) in noted.items() if not _same(record, own)]
    return any(not _made(record, before) and not in_use(folder_of(record)) for record, before in others)


def put_back_runs(replaced: Path) -> list[Path]:
    """Put back the runs that this Snakemake has made and deleted again, and return their records.

    When one job of a group fails, Snakemake deletes the outputs of all of them, finished or not.

    Args:
        replaced: The folder of replaced results, where the files of finished ones have a second name.

    Raises:
        OSError: a file cannot be linked or copied.
    """
    put_back = []
    for record, (_, before) in (_noted() or {}).items():
        second = _second_name(record, replaced)
        if not record.exists() and _made(second, before):
            put_back_files(second.parent, record.parent)
            put_back.append(record)
    return put_back


def folder_of(record: Path) -> Path:
    """Return the folder that the command which writes a record locks: the record's, or a search's probes."""
    return record.parent if record.name in (RUN_RECORD, MEASURED) else record.with_suffix("")


def _noted() -> dict[Path, tuple[int | None, int | None]] | None:
    """Return the noted records, and when they and their second names were written; None: nothing is noted."""
    with suppress(ValueError, TypeError):
        noted = json.loads(os.environ.get(_VARIABLE, ""))
        if isinstance(noted, dict):
            return {Path(record): (first, second) for record, (first, second) in noted.items()}
    return None


def _second_name(record: Path, replaced: Path) -> Path:
    folder = folder_of(record)
    return finished(replaced, f"{folder.parent.name}-{folder.name}") / record.name


def _made(record: Path, before: int | None) -> bool:
    return _written_ns(record) not in (None, before)


def _written_ns(record: Path) -> int | None:
    """Return when a record was written; None where there is none.

    Compared with itself and with no clock: a shared disk has a clock of its own.
    """
    try:
        return record.stat().st_mtime_ns
    except OSError:
        return None


def _same(first: Path, second: Path) -> bool:
    return os.path.realpath(first) == os.path.realpath(second)
