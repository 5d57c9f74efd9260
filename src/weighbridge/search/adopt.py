"""The run that confirmed a peak is the performance run: the same server, rules and length."""

import shutil
from pathlib import Path

from weighbridge.core.errors import InputError
from weighbridge.records.search_record import Peak
from weighbridge.search.journal import PROBE


def adopt(peak: Path, out: Path) -> None:
    """Copy the confirming run's files, and its server's log, to folder `out`.

    Raises:
        InputError: peak.json or the run that it names is gone, or `out` cannot be written.
    """
    run = Path(Peak.read(peak).confirmed_by)
    if not run.is_dir():
        raise InputError(f"{peak}: names {run}, which is gone; delete {peak} and search again.")
    try:
        out.mkdir(parents=True, exist_ok=True)
        for path in (*run.iterdir(), run.parent / "server.log"):
            if path.name != PROBE:
                shutil.copy2(path, out / path.name)
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be copied to {out} ({error.strerror}).") from None
