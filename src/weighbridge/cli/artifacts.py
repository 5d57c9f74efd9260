"""fetch, verify, lock: pinned artifacts on disk."""

from pathlib import Path
from typing import Annotated

import typer

from weighbridge.artifacts.kinds import Kind


def register(app: typer.Typer) -> None:
    """Add the commands of this stage."""
    app.command()(fetch)
    app.command()(verify)
    app.command()(lock)


def fetch(
    kind: Annotated[Kind, typer.Option(help="What the artifact is.")],
    artifact: Annotated[str, typer.Option(help="Its settings, as JSON: repo, revision, path, manifest.")],
    into: Annotated[Path, typer.Option(help="Folder to fetch into, unless the settings give a path.")],
    proof: Annotated[Path, typer.Option(help="Where to write what was proven.")],
) -> None:
    """Bring an artifact to disk if need be, verify every byte, and write its proof."""
    from weighbridge.artifacts.proof import obtain
    from weighbridge.config import Artifact

    done = obtain(Artifact.parse_json(artifact, f"artifacts.{kind}"), kind, into, proof)
    typer.echo(f"{kind}: {len(done.files)} files proven in {done.folder} (sha256 {done.digest})")


def verify(
    folder: Annotated[Path, typer.Argument(help="Folder to compare with the lock.")],
    lock: Annotated[Path, typer.Option(help="Lock to compare with.")],
) -> None:
    """Compare a folder with its lock, byte by byte; nothing is changed."""
    from weighbridge.artifacts.manifest import read_lock
    from weighbridge.artifacts.verify import verify as verify_folder

    manifest = verify_folder(folder, read_lock(lock))
    typer.echo(f"{folder}: {len(manifest.files)} files as locked (sha256 {manifest.digest})")


def lock(
    folder: Annotated[Path, typer.Argument(help="Folder to describe.")],
    out: Annotated[Path, typer.Option(help="Lock file to write.")],
) -> None:
    """Write the lock of a folder: path, size and sha256 of each file."""
    from weighbridge.artifacts.manifest import write_lock
    from weighbridge.artifacts.verify import describe

    manifest = describe(folder)
    write_lock(out, manifest)
    typer.echo(f"{out}: {len(manifest.files)} files (sha256 {manifest.digest})")
