"""Commands of the pinned artifacts: fetch, verify, lock, extract-prompt."""

from pathlib import Path
from typing import Annotated

import typer

from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.cli.options import FurtherDataset, RoundFile, SettingsJson
from weighbridge.config.fingerprint import JobSettings


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(fetch)
    app.command()(fetch_data)
    app.command()(lock)
    app.command()(extract_prompt)


def fetch(
    kind: Annotated[ArtifactKind, typer.Option(help="Kind of artifact.")],
    into: Annotated[Path, typer.Option(help="Folder to fetch into, unless the settings set a path.")],
    proof: Annotated[Path, typer.Option(help="Proof file to write: folder, revision and verified files.")],
    settings: SettingsJson = "{}",
    artifact: Annotated[
        str | None,
        typer.Option(metavar="JSON", help="The artifact's settings as JSON: repo, revision, path, manifest."),
    ] = None,
    round_file: Annotated[
        str | None,
        typer.Option(
            "--round",
            metavar="ROUND",
            help="For a synthetic model or dataset: the round whose benchmark generates it.",
        ),
    ] = None,
    further_dataset: FurtherDataset = None,
    without_weights: Annotated[
        bool,
        typer.Option(
            "--without-weights",
            help="Of a model only tokenizer and configuration, for endpoints that serve its weights.",
        ),
    ] = False,
) -> None:
    """Fetch an artifact, verify every file and write its proof.

    Nothing is downloaded if the files are on disk.
    """
    from weighbridge.artifacts.resolve import resolve
    from weighbridge.benchmarks.registry import load_benchmark
    from weighbridge.benchmarks.rounds import load_round
    from weighbridge.config.round_of_scenario import round_of_dataset
    from weighbridge.core.errors import InputError
    from weighbridge.quality.made_up_questions import write_made_up_questions
    from weighbridge.quality.questions import read_questions

    job = JobSettings.of(settings, artifact=artifact).artifact
    if job is None:
        raise InputError(f"the settings of {kind.setting} are missing; pass --settings or --artifact.")

    def synthesise(kind: ArtifactKind, samples: int, folder: Path) -> None:
        if kind is ArtifactKind.MMLU:
            write_made_up_questions(samples, folder)
            return
        if round_file is None:
            raise InputError(f"{kind.setting} is synthetic; pass --round, which names the benchmark.")
        round_ = round_of_dataset(load_round(round_file), further_dataset)
        splits = {} if further_dataset is None else {"splits": round_.splits}
        load_benchmark(round_.benchmark).synthesise(kind, samples, folder, **splits)

    check = read_questions if kind is ArtifactKind.MMLU else None
    done = resolve(job, kind, into, proof, synthesise, check, without_weights=without_weights)
    typer.echo(f"{kind}: {len(done.files)} files proven in {done.folder} (sha256 {done.manifest_digest})")
    if done.without_weights:
        typer.echo(f"{kind}: without its weights, which endpoints serve and nothing here proves")


def fetch_data(
    name: Annotated[str, typer.Argument(help="Name of the data, such as internvl-sft.")],
    into: Annotated[
        Path | None, typer.Option(help="Folder of the data; default: resources/NAME, where presets look.")
    ] = None,
) -> None:
    """Fetch, unpack and verify data of workloads.

    The proofs beside them pin the files: later calls bring exactly these.
    """
    from weighbridge.artifacts.workload_data import fetch_data as fetch_all

    for proof in fetch_all(name, into or Path("resources") / name):
        typer.echo(
            f"{name}: {len(proof.files)} files of {proof.repo} at {proof.revision} proven in {proof.folder}"
        )


def lock(
    folder: Annotated[Path, typer.Argument(help="Folder to describe.")],
    out: Annotated[Path, typer.Option(help="Lock file to write.")],
) -> None:
    """Write a folder's lock: each file's path, size, sha256."""
    from weighbridge.artifacts.manifest import write_lock
    from weighbridge.artifacts.verify import describe
    from weighbridge.core.errors import InputError

    manifest = describe(folder, full=True)
    if not manifest.files:
        raise InputError(f"{folder}: there is no folder with files to lock; correct the path.")
    write_lock(out, manifest)
    typer.echo(f"{out}: {len(manifest.files)} files (sha256 {manifest.digest})")


def extract_prompt(
    round_file: RoundFile,
    out: Annotated[Path, typer.Option(help="Prompt file to write, as JSON.")],
    reference: Annotated[
        Path | None,
        typer.Option(
            help="Proof file of the official reference or, in rounds of the official endpoints client, of "
            "the client; from 'fetch'."
        ),
    ] = None,
    given: Annotated[
        Path | None, typer.Option(help="Instead of --reference: a file with the prompt.")
    ] = None,
) -> None:
    """Extract the official prompt and check its hashes.

    The round contains the sha256 of each text of the prompt.
    """
    from weighbridge.artifacts.proof import Proof
    from weighbridge.benchmarks.registry import load_benchmark
    from weighbridge.benchmarks.rounds import load_round
    from weighbridge.core.errors import InputError
    from weighbridge.core.files import write_atomic

    if (reference is None) == (given is None):
        raise InputError("pass one of --reference and --given.")
    round_ = load_round(round_file)
    benchmark = load_benchmark(round_.benchmark)
    if given is not None:
        benchmark.check_prompt(given, round_.prompt)
        write_atomic(out, given.read_bytes())
    elif reference is not None:
        benchmark.extract_prompt(Proof.read(reference), round_.prompt, out)
    typer.echo(f"{out}: the prompt of round {round_.name}")
