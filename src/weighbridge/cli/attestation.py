"""Commands that prove: attest and verify."""

from pathlib import Path
from typing import Annotated

import typer

from weighbridge.cli.options import AsJson, PromptFile, RoundFile
from weighbridge.cli.printing import print_found


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(attest)
    app.command()(verify)


def attest(
    round_file: RoundFile,
    tree: Annotated[Path, typer.Option(help="Archive of the tree, from 'assemble'.")],
    output: Annotated[Path, typer.Option(help="attestation.json to write.")],
    reference: Annotated[
        Path | None, typer.Option(help="Proof file of the official reference, from 'fetch'.")
    ] = None,
    key_env: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Environment variable with the ed25519 key (PEM) that signs."),
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File with that key, instead of a variable.")
    ] = None,
) -> None:
    """Attest a tree: its hashes, and what it was made from.

    Writes an in-toto statement in a DSSE envelope, signed if a key is named.
    """
    import os

    from weighbridge.artifacts.proof import Proof
    from weighbridge.benchmarks.rounds import load_round
    from weighbridge.config.fingerprint import ROOT_VARIABLE, project_root
    from weighbridge.config.signing_key import key_text
    from weighbridge.provenance.attest import attest as write
    from weighbridge.provenance.signing import signer_of

    published = {"the results": Path("results")}
    if ROOT_VARIABLE in os.environ:  # set by the workflow
        published["the project"] = project_root()
    text = key_text(key_env, key_file, os.environ, published)
    signer = None if text is None else signer_of(text)
    statement = write(
        tree,
        load_round(round_file),
        reference=Proof.read(reference) if reference else None,
        signer=signer,
        output=output,
    )
    signed = "not signed" if signer is None else f"signed with the key {signer.public_key.keyid}"
    typer.echo(f"{output}: {len(statement.subject) - 1} files of {tree.name} attested, {signed}")


def verify(
    tree: Annotated[
        Path, typer.Argument(help="Submission tree or its archive; with --lock, the folder of an artifact.")
    ],
    attestation: Annotated[
        Path | None, typer.Option(help="attestation.json; default: the one beside the tree.")
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The submitter's public key (PEM), to check whose signature it is."
        ),
    ] = None,
    round_file: Annotated[
        str | None,
        typer.Option(
            "--round",
            metavar="ROUND",
            help="Round, if it is not one of this release; default: as attested.",
        ),
    ] = None,
    originals: Annotated[
        Path | None, typer.Option(help="Folder of the full accuracy logs, to score the answers again.")
    ] = None,
    dataset: Annotated[
        list[Path] | None,
        typer.Option(
            help="Proof file of the dataset, from 'fetch', which scoring needs; may be repeated, where "
            "scenarios have their own."
        ),
    ] = None,
    prompt: PromptFile = None,
    lock: Annotated[
        Path | None, typer.Option(help="Instead: compare the folder of an artifact with this lock file.")
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="With --lock: also hash files whose size and time are unchanged.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Verify a tree by its attestation, a folder by its lock.

    Checks the signature, every hash and the round, and judges the runs again from the tree's own evidence;
    exit code 4 if something is wrong or not proven. With --lock, compares files and changes nothing.
    """
    from weighbridge.core.errors import InputError, InvalidRunError

    if lock is not None:
        if as_json or any((attestation, key, round_file, originals, dataset, prompt)):
            raise InputError("--lock compares a folder with a lock; pass it with --full alone.")
        _verify_lock(tree, lock, full)
        return
    if full:
        raise InputError("--full belongs to --lock; a tree is always read whole.")
    if (originals is None) != (not dataset):
        raise InputError("scoring the answers again needs both --originals and --dataset.")
    from weighbridge.artifacts.proof import Proof
    from weighbridge.benchmarks.rounds import load_round
    from weighbridge.provenance.judged_again import Originals
    from weighbridge.provenance.verification import Asked, VerificationListing, verify_tree
    from weighbridge.provenance.verification_table import outcome_of_verification, render_verification

    scoring = None
    if originals is not None:
        scoring = Originals(originals, tuple(map(Proof.read, dataset or ())), prompt)
    rules = None if round_file is None else load_round(round_file)
    done = verify_tree(Asked(tree, attestation, key, rules, scoring))
    listing = VerificationListing.of(done)
    print_found(listing, lambda: render_verification(done), as_json=as_json, soft_wrap=True)
    if done.failed or done.unknown:
        raise InvalidRunError(f"{tree}: {outcome_of_verification(done).plain}")


def _verify_lock(folder: Path, lock: Path, full: bool) -> None:
    from weighbridge.artifacts.manifest import read_lock
    from weighbridge.artifacts.verify import verify as verify_folder

    manifest = read_lock(lock)
    verify_folder(folder, manifest, full=full)
    typer.echo(f"{folder}: {len(manifest.files)} files match the lock (sha256 {manifest.digest})")
