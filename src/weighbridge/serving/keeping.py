"""How a use of started servers is recorded, and whether they are kept for the next one."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Keeping:
    """One use of servers that are started, or taken over from the use before.

    Attributes:
        lives: Folder of the lives of servers; see records.server_life.
        label: What this use is called, such as 'offline performance'.
        folder: Folder of the run or the search, as its command was given it.
        model_digest: Digest of the model's manifest; servers of another model are never shared.
        keep_s: How long a released server waits for its next use, in s; 0: it ends with this one.
        wanted_later: Asked at the end: can any later use want the server?
    """

    lives: Path
    label: str
    folder: str
    model_digest: str
    keep_s: float
    wanted_later: Callable[[], bool]

    @property
    def use(self) -> dict[str, str]:
        """Return what the guard notes of the use."""
        return {"label": self.label, "folder": self.folder}
