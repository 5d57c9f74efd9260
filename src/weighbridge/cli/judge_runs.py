"""The command that judges runs: gate."""

import logging
from pathlib import Path
from typing import Annotated

import typer

from weighbridge.cli.options import (
    Artifacts,
    ClientRowsFile,
    FurtherClientRows,
    FurtherProofs,
    FurtherStores,
    HistoryFolder,
    PromptFile,
    RoundFile,
    StoreManifestFile,
    Strict,
    files_by_name,
)
from weighbridge.config.scenario_rules import Mode

log = logging.getLogger(__name__)


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(gate)


def gate(
    round_file: RoundFile,
    scenario: Annotated[str | None, typer.Option(help="Scenario of both runs, such as offline.")] = None,
    performance: Annotated[Path | None, typer.Option(help="Folder of the performance run.")] = None,
    accuracy: Annotated[Path | None, typer.Option(help="Folder of the accuracy run.")] = None,
    compliance: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of a compliance run, named as the run, such as TEST06; may be repeated."),
    ] = None,
    repeat: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder of a further performance run, such as performance-2; may be repeated. Finished ones "
            "beside --performance that measured the same count too."
        ),
    ] = None,
    logs: Annotated[
        Path | None,
        typer.Option(
            help="Instead of these: a folder with results of any origin below it: LoadGen's logs or, as "
            "the round says, the official client's files."
        ),
    ] = None,
    details: Annotated[
        bool, typer.Option("--details", help="With --logs: the checks of all systems, not only INVALID ones.")
    ] = False,
    score: Annotated[
        Path | None, typer.Option(help="accuracy.json of the accuracy run, from 'evaluate'.")
    ] = None,
    artifact: Artifacts = None,
    store: StoreManifestFile = None,
    further_dataset: FurtherProofs = None,
    further_store: FurtherStores = None,
    client_data: ClientRowsFile = None,
    further_client_data: FurtherClientRows = None,
    prompt: PromptFile = None,
    output: Annotated[Path | None, typer.Option(help="verdict.json to write.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --logs: print JSON in place of the tables.")
    ] = False,
    history: HistoryFolder = None,
    strict: Strict = False,
) -> None:
    """Judge a scenario's runs by the round's rules.

    With --scenario, --performance, --accuracy and --output, writes the verdict; failed checks name a remedy.
    Without --artifact and --store, what the closed division fixes of these inputs is not known.
    Where the dataset's folder can be read, and the model's if answers are token ids, the answers are scored
    again (with --prompt, if there is one).
    With --scenario, the dataset and the store are those of that scenario. With --logs, they are the round's
    own, and --further-dataset and --further-store name those of scenarios that use others.
    With --logs, judges every scenario of every system found; exit code 4 if one is INVALID. It prints the
    checks of a single system, or one table of all systems after the checks of those that are INVALID.
    """
    from weighbridge.benchmarks.rounds import load_round
    from weighbridge.core.errors import InputError
    from weighbridge.gates import Inputs, judge
    from weighbridge.gates.repeated_runs import repeats_of
    from weighbridge.gates.verdict_line import verdict_line
    from weighbridge.records.not_made import reasons_not_made
    from weighbridge.records.score import Evaluation
    from weighbridge.records.verdict import write_verdict

    round_ = load_round(round_file)
    inputs = Inputs.read(
        artifact or (),
        store,
        prompt,
        further_datasets=files_by_name("--further-dataset", further_dataset),
        further_stores=files_by_name("--further-store", further_store),
        rows=client_data,
        further_rows=files_by_name("--further-client-data", further_client_data),
    )
    if logs is not None:
        if any((scenario, performance, accuracy, compliance, repeat, score, output, history)):
            raise InputError(
                "--logs finds scenarios, runs and scores by itself and writes no file; pass it without "
                "--scenario, --performance, --repeat, --accuracy, --compliance, --score, --output and "
                "--history."
            )
        from weighbridge.cli.judged_logs import judge_all

        judge_all(logs, round_, inputs, details=details, strict=strict, as_json=as_json)
        return
    if as_json:
        raise InputError("--json prints what --logs finds; the verdict on one scenario is in --output.")
    if inputs.further:
        raise InputError(
            "--further-dataset, --further-store and --further-client-data are for --logs; with --scenario, "
            "pass what that scenario uses as --artifact, --store and --client-data."
        )
    if scenario is None or output is None:
        raise InputError("pass --logs, or --scenario, --output and the folders of the runs.")
    if repeat and performance is None:
        raise InputError("--repeat names further runs; pass the first performance run by --performance.")
    named = {folder.name: folder for folder in repeat or ()}
    folders = {folder.name: folder for folder in compliance or ()}
    asked = folders | named | ({str(Mode.ACCURACY): accuracy} if accuracy else {})
    reasons = reasons_not_made(asked)
    folders, named = (
        {name: folder for name, folder in each.items() if name not in reasons} for each in (folders, named)
    )
    if Mode.ACCURACY in reasons:
        accuracy = score = None
    repeats = repeats_of(performance, list(named.values())) if performance else {}
    verdict = judge(
        performance=performance,
        accuracy=accuracy,
        evaluation=Evaluation.read(score) if score else None,
        round_=round_,
        scenario=round_.scenario(scenario),
        inputs=inputs,
        compliance=folders,
        not_made=reasons,
        strict=strict,
        repeats=repeats,
    )
    write_verdict(verdict, output)
    if history is not None:
        from weighbridge.history.record import record_verdict

        chosen = repeats.get(verdict.chosen_run, performance)
        record_verdict(output, history, performance=chosen, accuracy=accuracy)
    log.log(logging.INFO if verdict.outcome == "VALID" else logging.WARNING, "%s", verdict_line(verdict))
