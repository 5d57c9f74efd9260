"""fetch, verify, lock, extract-prompt: pinned artifacts on disk."""

from pathlib import Path
from typing import Annotated

import typer

from weighbridge.artifacts.kinds import Kind


def register(app: typer.Typer) -> None:
    """Add the commands of this stage."""
    app.command()(fetch)
    app.command()(verify)
    app.command()(lock)
    app.command()(extract_prompt)


def fetch(
    kind: Annotated[Kind, typer.Option(help="What the artifact is.")],
    artifact: Annotated[str, typer.Option(help="Its settings, as JSON: repo, revision, path, manifest.")],
    into: Annotated[Path, typer.Option(help="Folder to fetch into, unless the settings give a path.")],
    proof: Annotated[Path, typer.Option(help="Where to write what was proven.")],
) -> None:
    """Bring an artifact to disk if need be, verify every byte, and write its proof."""
    from weighbridge.artifacts.resolve import obtain
    from weighbridge.config.settings import Artifact

    done = obtain(Artifact.parse_json(artifact, f"artifacts.{kind}"), kind, into, proof)
    typer.echo(f"{kind}: {len(done.files)} files proven in {done.folder} (sha256 {done.manifest_digest})")


def verify(
    folder: Annotated[Path, typer.Argument(help="Folder to compare with the lock.")],
    lock: Annotated[Path, typer.Option(help="Lock to compare with.")],
    full: Annotated[
        bool, typer.Option("--full", help="Hash all files, also those whose size and mtime stand.")
    ] = False,
) -> None:
    """Compare a folder with its lock, byte by byte; nothing is changed."""
    from weighbridge.artifacts.manifest import read_lock
    from weighbridge.artifacts.verify import verify as verify_folder

    manifest = read_lock(lock)
    verify_folder(folder, manifest, full=full)
    typer.echo(f"{folder}: {len(manifest.files)} files as locked (sha256 {manifest.digest})")


def lock(
    folder: Annotated[Path, typer.Argument(help="Folder to describe.")],
    out: Annotated[Path, typer.Option(help="Lock file to write.")],
) -> None:
    """Write the lock of a folder: path, size and sha256 of each file."""
    from weighbridge.artifacts.manifest import write_lock
    from weighbridge.artifacts.verify import describe

    manifest = describe(folder, full=True)
    write_lock(out, manifest)
    typer.echo(f"{out}: {len(manifest.files)} files (sha256 {manifest.digest})")


def extract_prompt(
    reference: Annotated[Path, typer.Option(help="Proof of the official reference.")],
    round_: Annotated[Path, typer.Option("--round", help="File of the round, which pins the prompt.")],
    out: Annotated[Path, typer.Option(help="JSON file to write: system and user text.")],
) -> None:
    """Take the official prompt out of the proven reference, and check it against the round's hashes."""
    from weighbridge.artifacts.proof import Proof
    from weighbridge.benchmarks.qwen3_vl.official_prompt import extract_official
    from weighbridge.config.round import load_round

    prompt = extract_official(Proof.read(reference), load_round(str(round_)).prompt, out)
    typer.echo(f"{out}: system message of {len(prompt.system)}, user text of {len(prompt.user)} characters")
