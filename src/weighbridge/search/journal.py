"""The probes of a search on disk: each in a folder of its own, and never run twice."""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from weighbridge.core.files import write_atomic
from weighbridge.records.search_record import Probe

PROBE = "probe.json"


class Journal:
    """The probes of one system under one set of rules.

    What was seen of another model, server, round or probe length says nothing about this one, so each has a
    folder of its own, named by a hash of all that matters; nothing is ever deleted.
    """

    def __init__(self, folder: Path, identity: Iterable[str]) -> None:
        """Open the journal below `folder` of the system that `identity` describes."""
        self.folder = folder / sha256("\n".join(identity).encode()).hexdigest()[:12]

    def read(self) -> list[Probe]:
        """Read all probes, in their order.

        Raises:
            InputError: one is damaged.
        """
        return sorted(
            (Probe.read(path) for path in self.folder.glob(f"*/{PROBE}")), key=lambda probe: probe.number
        )

    def place(self, number: int, kind: str) -> Path:
        """Name the folder of a probe."""
        return self.folder / f"{number:02d}-{kind}"

    def write(self, probe: Probe) -> None:
        """Add a finished probe."""
        write_atomic(self.place(probe.number, probe.kind) / PROBE, probe.model_dump_json(indent=2) + "\n")
