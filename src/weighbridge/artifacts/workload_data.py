"""Data of workloads: some files of a repository on the hub, proven, and unpacked where they are archives."""

from pathlib import Path
from typing import Annotated

from filelock import FileLock
from pydantic import Field, TypeAdapter, ValidationError

from weighbridge.artifacts.fetch import fetch
from weighbridge.artifacts.folder import ArtifactKind, make_folder
from weighbridge.artifacts.hub import Repository
from weighbridge.artifacts.manifest import Manifest
from weighbridge.artifacts.proof import Proof
from weighbridge.artifacts.unpacking import unpack_zip
from weighbridge.artifacts.verify import describe, differences, first_of
from weighbridge.config.artifact_settings import Artifact
from weighbridge.core.errors import InputError, SetupError
from weighbridge.core.files import beside
from weighbridge.core.models import FolderName, InsidePath, Model, read_data

DATA = Path(__file__).parents[1] / "workloads" / "data"
_BRANCH = "main"  # whose commit is the pin from the first fetch on, where none is given


class DataSource(Model):
    """Some files of a dataset's repository, in a folder of their own.

    Where it is unpacked, the folder holds what its one archive holds.
    """

    repo: str
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None = None
    files: tuple[InsidePath, ...] = Field(min_length=1, description="Paths, or patterns of them.")
    unpack: bool = False


def data_names() -> tuple[str, ...]:
    """Return the names of the data that the package knows."""
    return tuple(sorted(path.stem for path in DATA.glob("*.yaml")))


def data_sources(name: str) -> dict[str, DataSource]:
    """Return the sources of some data, by the name of their folder.

    Raises:
        InputError: there are no data of this name.
    """
    if name not in data_names():
        raise InputError(f"'{name}' is none of the data {', '.join(data_names())}; correct the name.")
    try:
        return TypeAdapter(dict[FolderName, DataSource]).validate_python(read_data(DATA / f"{name}.yaml"))
    except ValidationError as error:
        raise InputError(
            f"{DATA / name}.yaml: {error.errors()[0]['msg']}; install Weighbridge again."
        ) from None


def fetch_data(name: str, into: Path, sources: dict[str, DataSource] | None = None) -> list[Proof]:
    """Fetch data into folders below `into`, prove every file, and write the proofs beside the folders.

    A proof pins what it proves: while it is there, its folder is brought back to exactly these files.

    Args:
        name: Of the data, such as internvl-sft.
        into: Folder of the data.
        sources: By folder; default: those of the package.

    Returns:
        One proof a source, of the files as they are used.

    Raises:
        InputError: there are no data of this name, or a proof cannot be read.
        SetupError: the hub or the disk fails, or a file is not what its proof says.
    """
    sources = data_sources(name) if sources is None else sources
    make_folder(into)
    with FileLock(into / ".lock"):
        return [_fetched(source, into / folder) for folder, source in sources.items()]


def _fetched(source: DataSource, folder: Path) -> Proof:
    if not source.unpack:
        return _downloaded(source, folder)
    archives = folder.with_name(f"{folder.name}-archive")
    kept = _proof_of(folder)
    if kept is not None and not _different(folder, kept):
        return kept
    downloaded = _downloaded(source, archives)
    if len(downloaded.files) != 1:
        raise InputError(f"{downloaded.repo}: {len(downloaded.files)} files are to be unpacked; name one.")
    unpack_zip(archives / downloaded.files[0].path, folder)
    if kept is not None and (found := _different(folder, kept)):
        raise SetupError(f"{folder} is not as {_written(folder)} says: {found}; remove one of the two.")
    return _proven(source, downloaded.revision, folder, describe(folder))


def _downloaded(source: DataSource, folder: Path) -> Proof:
    kept = _proof_of(folder)
    lock = None if kept is None else Manifest(files=kept.files)
    revision = source.revision or (kept.revision if kept is not None else None)
    if revision is None:
        # Any commit makes a Repository, which is asked for the one that counts.
        unpinned = Artifact(repo=source.repo, revision="0" * 40)
        revision = Repository(unpinned, ArtifactKind.DATASET).commit_of(_BRANCH)
    pinned = Artifact(repo=source.repo, revision=revision)
    manifest = fetch(pinned, ArtifactKind.DATASET, folder, lock, only=source.files)
    return _proven(source, revision, folder, manifest)


def _proven(source: DataSource, revision: str | None, folder: Path, manifest: Manifest) -> Proof:
    proof = Proof(
        kind=ArtifactKind.DATASET,
        folder=folder.resolve(),
        repo=source.repo,
        revision=revision,
        manifest_digest=manifest.digest,
        files=manifest.files,
    )
    proof.write(_written(folder))
    return proof


def _written(folder: Path) -> Path:
    return beside(folder, f"{folder.name}.json")


def _proof_of(folder: Path) -> Proof | None:
    path = _written(folder)
    return Proof.read(path) if path.exists() else None


def _different(folder: Path, proof: Proof) -> str | None:
    if not folder.is_dir():
        return "it is missing"
    found = differences(folder, Manifest(files=proof.files))
    return first_of(found) if found else None
