"""What a source of artifacts provides: files with hashes, their addresses, and its failures explained."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import httpx2
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.core.errors import SetupError

FAILURES = (httpx2.HTTPError, OSError)
"""What the client raises when the network, the source or the disk fails."""
AGAIN = "run the same command again later, what is already here is kept"

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class RemoteFile:
    """A file as its source lists it.

    Attributes:
        path: Relative to the artifact's folder.
        size: In bytes.
        sha256: None where the source has only the other hash.
        content_id: The other hash: git's blob id or the md5 of the content.
        id_kind: Which of the two it is.
    """

    path: str
    size: int
    sha256: str | None
    content_id: str
    id_kind: Literal["git blob", "md5"]

    def id_of(self, file: Path) -> str:
        """Compute the hash of `id_kind` of a file on disk."""
        known = {"git blob": "sha1", "md5": "md5"}
        digest = hashlib.new(known[self.id_kind], usedforsecurity=False)
        if self.id_kind == "git blob":
            digest.update(b"blob %d\0" % file.stat().st_size)
        with file.open("rb", buffering=0) as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                digest.update(chunk)
        return digest.hexdigest()


class Remote(Protocol):
    """A source of one artifact's files."""

    kind: ArtifactKind
    title: str
    """What it is called in messages, such as 'the hub'."""
    name: str
    """The artifact's name there."""
    pin: str
    """What of the settings says which version it is, such as 'the revision'."""
    other_source: str
    """What to try where its content is wrong, such as 'another HF_ENDPOINT'."""
    follow_redirects: bool
    """Whether a redirection leads to the file; where it leads to a login, it must not be followed."""

    @property
    def place(self) -> str:
        """Where the artifact is, with its revision if it has one."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of a download."""
        ...

    def url(self, path: str) -> str:
        """Return the address of a file."""
        ...

    def files(self) -> list[RemoteFile]:
        """Return the artifact's files.

        Raises:
            InputError, SetupError: it has no such artifact, or cannot be asked.
        """
        ...

    def explain(self, error: Exception) -> SetupError:
        """Return a failure as an error whose message says what failed, where, and what to do next."""
        ...


def explained(
    error: Exception, what: str, place: str, variable: str, refusal: Callable[[HfHubHTTPError], str]
) -> SetupError:
    """Return a failure as an error whose message says what failed, where, and what to do next.

    Args:
        error: What was raised, one of `FAILURES` or of what `files` and downloads raise.
        what: The artifact.
        place: The source's address.
        variable: The environment variable that names another one.
        refusal: Explains a status that is an error.
    """
    if isinstance(error, OfflineModeIsEnabled):
        return SetupError(
            f"{what}: HF_HUB_OFFLINE forbids to fetch it; unset it, or give the path of a copy."
        )
    if isinstance(error, HfHubHTTPError):
        return SetupError(f"{what}: {refusal(error)}")
    if isinstance(error, httpx2.HTTPError):
        return SetupError(
            f"{what}: no answer from {place} ({str(error) or type(error).__name__}); check the network, "
            f"proxy and {variable}, which may name a mirror, or give the path of a copy (docs/artifacts.md); "
            f"then {AGAIN}."
        )
    return SetupError(f"{what}: {error}; {AGAIN}.")
