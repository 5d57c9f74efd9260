"""fetch, verify, lock, extract-prompt: pinned artifacts on disk."""

from pathlib import Path
from typing import Annotated

import typer

from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.cli.options import RoundFile, SettingsJson
from weighbridge.config.fingerprint import JobSettings


def register(app: typer.Typer) -> None:
    """Add the commands of this stage."""
    app.command()(fetch)
    app.command()(verify)
    app.command()(lock)
    app.command()(extract_prompt)


def fetch(
    kind: Annotated[ArtifactKind, typer.Option(help="What the artifact is.")],
    into: Annotated[Path, typer.Option(help="Folder to fetch into, unless the settings give a path.")],
    proof: Annotated[Path, typer.Option(help="Where to write what was proven.")],
    settings: SettingsJson = "{}",
    artifact: Annotated[
        str | None,
        typer.Option(metavar="JSON", help="The artifact's settings: repo, revision, path, manifest."),
    ] = None,
    round_file: Annotated[
        str | None,
        typer.Option("--round", metavar="ROUND", help="Of a synthetic artifact: whose samples to make up."),
    ] = None,
) -> None:
    """Bring an artifact to disk if need be, verify every byte, and write its proof."""
    from weighbridge.artifacts.resolve import resolve
    from weighbridge.benchmarks.registry import load_benchmark
    from weighbridge.benchmarks.rounds import load_round
    from weighbridge.core.errors import InputError

    told = JobSettings.of(settings, artifact=artifact).artifact
    if told is None:
        raise InputError(f"give the settings of artifacts.{kind}, with --settings or --artifact.")

    def synthesise(kind: ArtifactKind, samples: int, folder: Path) -> None:
        if round_file is None:
            raise InputError(f"artifacts.{kind} is synthetic; give --round, which names the benchmark.")
        load_benchmark(load_round(round_file).benchmark).synthesise(kind, samples, folder)

    done = resolve(told, kind, into, proof, synthesise)
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
    round_file: RoundFile,
    out: Annotated[Path, typer.Option(help="JSON file to write: system and user text.")],
    reference: Annotated[Path | None, typer.Option(help="Proof of the official reference.")] = None,
    given: Annotated[Path | None, typer.Option(help="Instead: a file that holds the prompt.")] = None,
) -> None:
    """Take the prompt out of the proven reference or a file, and check it against the round's hashes."""
    from weighbridge.artifacts.proof import Proof
    from weighbridge.benchmarks.registry import load_benchmark
    from weighbridge.benchmarks.rounds import load_round
    from weighbridge.core.errors import InputError
    from weighbridge.core.files import write_atomic

    if (reference is None) == (given is None):
        raise InputError("give one of --reference and --given.")
    round_ = load_round(round_file)
    benchmark = load_benchmark(round_.benchmark)
    if given is not None:
        benchmark.check_prompt(given, round_.prompt)
        write_atomic(out, given.read_bytes())
    elif reference is not None:
        benchmark.extract_prompt(Proof.read(reference), round_.prompt, out)
    typer.echo(f"{out}: the prompt of round {round_.name}")
