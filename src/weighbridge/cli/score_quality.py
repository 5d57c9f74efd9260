"""Commands that read answers to multiple-choice questions: score-mmlu, check-mmlu."""

from pathlib import Path
from typing import Annotated

import typer

from weighbridge.cli.options import AsJson, HistoryFolder
from weighbridge.cli.printing import print_found


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command("score-mmlu")(score_mmlu)
    app.command("check-mmlu")(check_mmlu)


def score_mmlu(
    out: Annotated[Path, typer.Option(help="Folder of measured.json and answers; the scores go there too.")],
    settings: Annotated[
        str, typer.Option(metavar="JSON", help="Settings, such as {'mmlu': {'floor': 0.65}} in JSON.")
    ] = "{}",
    history: HistoryFolder = None,
    as_json: AsJson = False,
) -> None:
    """Score the answers to MMLU.

    Writes overall.json, by_domain.json, by_subject.json, samples.csv and the plots, whatever the scores are.
    """
    from weighbridge.config.fingerprint import JobSettings
    from weighbridge.quality.write_scores import write_scores
    from weighbridge.records.quality_scores import OVERALL
    from weighbridge.report.accuracy_table import render_accuracies
    from weighbridge.report.quality_charts import write_plots
    from weighbridge.report.quality_results import read_scores

    overall = write_scores(out, JobSettings.of(settings).mmlu.floor)
    found = read_scores(out)
    write_plots(found)
    if history is not None:
        from weighbridge.history.record import record_quality

        record_quality(out / OVERALL, history)
    print_found(overall, lambda: render_accuracies(overall, found.domains), as_json=as_json)


def check_mmlu(
    quality: Annotated[Path, typer.Option(help="Folder of the scores, such as results/quality/mmlu.")],
    output: Annotated[Path, typer.Option(help="File to write if all checks passed: the result in a line.")],
) -> None:
    """Check the scores of MMLU.

    All questions were answered, scored as by the harness, and the floor is reached where one is set. Exit
    code 4 if a check failed; nothing is written then.
    """
    from weighbridge.core.files import write_atomic
    from weighbridge.report.accuracy_texts import verdict_line
    from weighbridge.report.quality_results import passed_scores

    line = verdict_line(passed_scores(quality))
    write_atomic(output, f"{line}\n")
    typer.echo(line)
