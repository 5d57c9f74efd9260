"""How much a workflow is going to download, before it starts: what is large needs the user's consent."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from weighbridge.artifacts.fetch import is_here, listed_files
from weighbridge.artifacts.folder import WITHOUT_WEIGHTS, ArtifactKind
from weighbridge.artifacts.manifest import matches, read_lock
from weighbridge.config.artifact_settings import Artifact
from weighbridge.core.errors import WeighbridgeError
from weighbridge.core.formatting import disk_size

LARGE_BYTES = 20_000_000_000


def missing_bytes(artifact: Artifact, kind: ArtifactKind, folder: Path, part: Sequence[str] = ("*",)) -> int:
    """Return how much of an artifact is still to be downloaded, without what earlier attempts left of a file.

    Args:
        artifact: Its pin; one with a path or a synthetic one needs no download.
        kind: What it is for.
        folder: The folder that it is fetched into.
        part: Patterns of the files that are wanted.

    Raises:
        InputError: its lock cannot be read.
        SetupError: its source cannot be asked.
    """
    if artifact.path is not None or artifact.synthetic is not None or kind.from_git:
        return 0  # a shallow checkout of some MB
    if artifact.manifest is not None:
        entries = read_lock(artifact.manifest).only(part).files
        return sum(file.size for file in entries if not is_here(folder, file.path, file.size))
    listed = [file for file in listed_files(artifact, kind, kind.files) if matches(file.path, part)]
    return sum(file.size for file in listed if not is_here(folder, file.path, file.size))


def announced_downloads(
    artifacts: Mapping[str, Artifact],
    resources: Path,
    *,
    here: bool,
    without_weights: bool = False,
) -> str | None:
    """Return the sentence that announces a large download; None where there is none.

    Args:
        artifacts: What is going to be fetched, by the name of its folder, such as model or dataset-8k.
        resources: The folder that each has its folder in.
        here: Whether it is fetched on this machine. On another one, a source may answer that does not answer
            here, and the size is then announced as unknown.
        without_weights: Whether the model's weights are left to the endpoints that serve them.

    Raises:
        InputError: a lock cannot be read.
        SetupError: a source cannot be asked, so that nothing could be fetched.
    """
    parts = {ArtifactKind.MODEL: WITHOUT_WEIGHTS} if without_weights else {}
    found = list(_sizes(artifacts, resources, parts, here=here))
    known = [(name, size) for name, size in found if size is not None]
    total = sum(size for _, size in known)
    if len(known) == len(found) and total <= LARGE_BYTES:
        return None
    told = [f"{disk_size(size)} of {_title(artifacts[name], name)}" for name, size in known if size]
    told += [
        f"{_title(artifacts[name], name)} (of a size not known here)" for name, size in found if size is None
    ]
    free = disk_size(shutil.disk_usage(resources.parent).free)
    return f"{' and '.join(told)} would be downloaded into {resources}, where {free} are free"


def _sizes(
    artifacts: Mapping[str, Artifact],
    resources: Path,
    parts: Mapping[ArtifactKind, Sequence[str]],
    *,
    here: bool,
) -> Iterator[tuple[str, int | None]]:
    for name, artifact in artifacts.items():
        kind = _kind(name)
        try:
            yield name, missing_bytes(artifact, kind, resources / name, parts.get(kind, ("*",)))
        except WeighbridgeError:
            if here:
                raise
            yield name, None


def _kind(name: str) -> ArtifactKind:
    """Return the kind of the artifact in a folder; those of further datasets have the dataset's name too."""
    return ArtifactKind.DATASET if name.startswith(f"{ArtifactKind.DATASET}-") else ArtifactKind(name)


def _title(artifact: Artifact, name: str) -> str:
    return f"the {_kind(name)} {artifact.repo or artifact.uri}"
