"""How a run sends the bodies of a store: as stored, or with another envelope around the same prompts."""

from pathlib import Path
from typing import NamedTuple, Self

from weighbridge.core.errors import InputError
from weighbridge.records.store_manifest import StoreManifest


class SentForm(NamedTuple):
    """What is sent of a stored body, and what is sent around it.

    Attributes:
        stream: Whether answers are streamed.
        envelope: Text of every body that is sent, before and after its prompt.
        before, after: What is sent before and after the stored bytes, or the part of them.
        cut_start, cut_end: How many of the stored bytes are left out at the start and at the end.
    """

    stream: bool
    envelope: tuple[str, str]
    before: bytes = b""
    after: bytes = b""
    cut_start: int = 0
    cut_end: int = 0

    @classmethod
    def of(cls, manifest: StoreManifest, path: Path, *, streamed: bool) -> Self:
        """Return the form in which a run sends the bodies of a store.

        Args:
            manifest: The store's.
            path: Its folder, for errors.
            streamed: Whether the run needs streamed answers.

        Raises:
            InputError: it does, and the store's requests cannot be streamed.
        """
        stored = manifest.prefix, manifest.suffix
        if manifest.settings.stream or not streamed:
            return cls(manifest.settings.stream, stored)
        if manifest.streamed is None:
            raise InputError(
                f"{path}: says nothing of streamed requests, which a run that measures token latencies "
                "sends; build the requests again."
            )
        before, after = (part.encode() for part in manifest.streamed)
        prefix, suffix = (part.encode() for part in stored)
        return cls(True, manifest.streamed, before, after, len(prefix), len(suffix))

    @property
    def longer(self) -> int:
        """How many bytes longer a body is as it is sent than as it is stored; below 0: shorter."""
        return len(self.before) + len(self.after) - self.cut_start - self.cut_end

    def body(self, stored: memoryview) -> bytes:
        """Return a body as it is sent."""
        return b"".join((self.before, stored[self.cut_start : len(stored) - self.cut_end], self.after))
