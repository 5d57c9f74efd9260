"""Commands of the submission: system, assemble, check, crate."""

from pathlib import Path
from typing import Annotated

import typer

from weighbridge.cli.command_groups import examples
from weighbridge.cli.options import (
    Artifacts,
    AsJson,
    ClientRowsFile,
    FurtherClientRows,
    FurtherProofs,
    FurtherStores,
    Replaced,
    RoundFile,
    SettingsJson,
    StoreManifestFile,
    files_by_name,
    section_option,
)
from weighbridge.cli.printing import print_found
from weighbridge.config.fingerprint import JobSettings


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(system)
    app.command()(assemble)
    app.command(epilog=examples("weighbridge check --round demo --tree results/submission.tar.gz --strict"))(
        check
    )
    app.command()(crate)


def system() -> None:
    """Print the detected system description as YAML.

    Fields that a system.yaml must add are marked.
    """
    from weighbridge.submission.system_description import starting_description

    typer.echo(starting_description(), nl=False)


def assemble(
    round_file: RoundFile,
    results: Annotated[Path, typer.Option(help="Folder of the runs, scores and verdicts.")],
    originals: Annotated[
        Path,
        typer.Option(
            help="Folder to keep the full accuracy logs in, or the official client's log of events."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the tree to write.")],
    source: Annotated[
        Path | None,
        typer.Option(help="Root of the checkout to copy into src/; default: this package."),
    ] = None,
    scenario: Annotated[
        list[str] | None,
        typer.Option(
            help="Scenario to add; may be repeated. Default: the required ones, and others with a verdict."
        ),
    ] = None,
    artifact: Artifacts = None,
    store: StoreManifestFile = None,
    further_dataset: FurtherProofs = None,
    further_store: FurtherStores = None,
    client_data: ClientRowsFile = None,
    further_client_data: FurtherClientRows = None,
    settings: SettingsJson = "{}",
    submission: Annotated[str | None, section_option("submission")] = None,
    replaced: Replaced = None,
    submitted_with: Annotated[
        list[str] | None,
        typer.Option(help="An argument of 'submit' that makes the same again; repeatable. READMEs say it."),
    ] = None,
) -> None:
    """Build the submission tree from valid runs.

    In the closed division every gate must have passed; in the open division failed gates are reported.
    The tree carries its records, the proofs of model and datasets, the manifests of the requests and, where
    the official client issued these, the proofs of its rows.
    """
    from weighbridge.benchmarks.rounds import load_round
    from weighbridge.core.errors import InputError
    from weighbridge.core.files import beside
    from weighbridge.gates import Inputs
    from weighbridge.run.folder_lock import locked
    from weighbridge.run.replaced import replacing
    from weighbridge.submission import assemble as build

    job = JobSettings.of(settings, submission=submission).submission
    if job is None:
        raise InputError("the section 'submission' is missing; pass it with --settings or --submission.")
    packed = [beside(out, f"{out.name}{ending}") for ending in (".tar.gz", ".sha256")]
    with locked(out, "weighbridge assemble"), replacing(replaced, out.name, *packed):
        build(
            results=results,
            destination=out,
            originals=originals,
            round_=load_round(round_file),
            settings=job,
            source=source,
            scenarios=scenario,
            inputs=Inputs.read(
                artifact or (),
                store,
                further_datasets=files_by_name("--further-dataset", further_dataset),
                further_stores=files_by_name("--further-store", further_store),
                rows=client_data,
                further_rows=files_by_name("--further-client-data", further_client_data),
            ),
            submitted_with=submitted_with or (),
        )


def check(
    round_file: RoundFile,
    tree: Annotated[Path, typer.Option(help="Folder that contains closed/ or open/, or its archive.")],
    reference: Annotated[
        Path | None,
        typer.Option(help="Proof file of the official reference, from 'fetch'; adds its checkers."),
    ] = None,
    originals: Annotated[
        Path | None,
        typer.Option(help="Folder of the full accuracy logs, or the official client's log of events."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse the tree for warnings too, as for our own trees.")
    ] = False,
    output: Annotated[Path | None, typer.Option(help="Also write the report as JSON.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check a submission tree; exit code 4 if it is refused.

    Every complaint is an error or a warning, and names the file and a remedy.
    """
    from weighbridge.artifacts.proof import Proof
    from weighbridge.benchmarks.rounds import load_round
    from weighbridge.core.errors import InvalidRunError
    from weighbridge.core.files import write_atomic
    from weighbridge.submission.checker import check_submission, render_report

    report = check_submission(
        tree,
        load_round(round_file),
        reference=Proof.read(reference) if reference else None,
        originals=originals,
        strict=strict,
    )
    if output is not None:
        write_atomic(output, report.model_dump_json(indent=2) + "\n")
    print_found(report, lambda: render_report(report), as_json=as_json, soft_wrap=True)
    if not report.accepted:
        raise InvalidRunError(f"{tree}: refused with {report.counts}, listed above.")


def crate(
    artifact: Annotated[
        list[Path], typer.Option(help="Proof file of an input, from 'fetch'; may be repeated.")
    ],
    submitter: Annotated[str, typer.Option(help="Name of the submitter.")],
    results: Annotated[Path, typer.Option(help="Folder of the runs, scores and verdicts.")],
    further_dataset: FurtherProofs = None,
    further_store: FurtherStores = None,
) -> None:
    """Write ro-crate-metadata.json into the results.

    It records the provenance of every file in machine-readable form.
    """
    from weighbridge.artifacts.proof import Proof
    from weighbridge.gates import Inputs
    from weighbridge.provenance import write_crate

    further = Inputs.read(
        (),
        None,
        further_datasets=files_by_name("--further-dataset", further_dataset),
        further_stores=files_by_name("--further-store", further_store),
    ).further
    write_crate(results, [Proof.read(path) for path in artifact], submitter, further)
