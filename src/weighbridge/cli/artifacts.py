"""fetch, verify, lock, extract-prompt: pinned artifacts on disk."""

from pathlib import Path
from typing import Annotated

import typer

from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.cli.options import RoundFile


def register(app: typer.Typer) -> None:
    """Add the commands of this stage."""
    app.command()(fetch)
    app.command()(verify)
    app.command()(lock)
    app.command()(extract_prompt)


def fetch(
    kind: Annotated[ArtifactKind, typer.Option(help="What the artifact is.")],
    artifact: Annotated[str, typer.Option(help="Its settings, as JSON: repo, revision, path, manifest.")],
    into: Annotated[Path, typer.Option(help="Folder to fetch into, unless the settings give a path.")],
    proof: Annotated[Path, typer.Option(help="Where to write what was proven.")],
    round_file: Annotated[
        str | None,
        typer.Option("--round", metavar="ROUND", help="Of a synthetic artifact: whose samples to make up."),
    ] = None,
) -> None:
    """Bring an artifact to disk if need be, verify every byte, and write its proof."""
    from weighbridge.artifacts.resolve import resolve
    from weighbridge.benchmarks.registry import load_benchmark
    from weighbridge.benchmarks.rounds import load_round
    from weighbridge.config.settings import Artifact
    from weighbridge.core.errors import InputError

    def synthesise(kind: ArtifactKind, samples: int, folder: Path) -> None:
        if round_file is None:
            raise InputError(f"artifacts.{kind} is synthetic; give --round, which names the benchmark.")
        load_benchmark(load_round(round_file).benchmark).synthesise(kind, samples, folder)

    done = resolve(Artifact.parse_json(artifact, f"artifacts.{kind}"), kind, into, proof, synthesise)
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
    round_file: RoundFile,
    out: Annotated[Path, typer.Option(help="JSON file to write: system and user text.")],
) -> None:
    """Take the official prompt out of the proven reference, and check it against the round's hashes."""
    from weighbridge.artifacts.proof import Proof
    from weighbridge.benchmarks.registry import load_benchmark
    from weighbridge.benchmarks.rounds import load_round

    round_ = load_round(round_file)
    load_benchmark(round_.benchmark).extract_prompt(Proof.read(reference), round_.prompt, out)
    typer.echo(f"{out}: the official prompt of round {round_.name}")
