"""The probes of a search on disk, each in a folder of its own and never run twice."""

import shutil
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from weighbridge.core.errors import InputError
from weighbridge.core.files import write_atomic
from weighbridge.records.run_record import SERVER_LOG
from weighbridge.records.search_record import PROBE, Peak, Probe


class ProbeFolders:
    """The probes of one system under one set of rules.

    Probes of another model, server, round or probe length do not apply to this one, so each combination has a
    folder of its own, named by a hash of all that matters; nothing is ever deleted.
    """

    def __init__(self, folder: Path, identity: Iterable[str]) -> None:
        """Use the folder, below `folder`, of the system that `identity` describes."""
        self.folder = folder / sha256("\n".join(identity).encode()).hexdigest()[:12]

    def read(self) -> list[Probe]:
        """Return all finished probes, in their order.

        Raises:
            InputError: one is damaged.
        """
        return sorted(
            (Probe.read(path) for path in self.folder.glob(f"*/{PROBE}")), key=lambda probe: probe.number
        )

    def of(self, number: int, kind: str) -> Path:
        """Return the folder of a probe."""
        return self.folder / f"{number:02d}-{kind}"

    def write(self, probe: Probe) -> None:
        """Add a finished probe."""
        write_atomic(self.of(probe.number, probe.kind) / PROBE, probe.model_dump_json(indent=2) + "\n")


def adopt(peak: Path, out: Path) -> None:
    """Copy the run that confirmed a peak to folder `out`.

    It is the scenario's performance run: the same server, rules and length. Where the run has no log of the
    server, as in earlier releases, that of the search goes with it.

    Raises:
        InputError: peak.json or the run that it names is gone, or `out` cannot be written.
    """
    run = Path(Peak.read(peak).confirmed_by)
    if not run.is_dir():
        raise InputError(f"{peak}: names {run}, which is gone; delete {peak} and search again.")
    try:
        out.mkdir(parents=True, exist_ok=True)
        for path in (run.parent / SERVER_LOG, *run.iterdir()):
            if path.is_file() and path.name != PROBE:
                shutil.copy2(path, out / path.name)
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be copied to {out} ({error.strerror}).") from None
