"""Commands that read finished runs: summary, compare."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weighbridge.cli.command_groups import examples
from weighbridge.cli.options import AsJson
from weighbridge.cli.printing import print_found
from weighbridge.records.quality_comparison import QUALITY_MARGIN

if TYPE_CHECKING:
    from weighbridge.core.change_limits import ChangeLimits


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command(
        epilog=examples("weighbridge summary --results runs/demo/results", "weighbridge summary --json")
    )(summary)
    app.command(
        epilog=examples(
            "weighbridge compare runs/a runs/b", "weighbridge compare OLD NEW --fail-if slower:5% --json"
        )
    )(compare)


def summary(
    results: Annotated[Path, typer.Option(help="Folder of the runs, scores and verdicts.")] = Path("results"),
    output: Annotated[
        Path | None, typer.Option(help="Also write the summary, with more details, as JSON.")
    ] = None,
    markdown: Annotated[Path | None, typer.Option(help="Also write the tables as Markdown.")] = None,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Exit code 4 if a run was disturbed, or could not be examined for it."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print one table of all scenarios.

    Columns: scenario, rate, latencies that the round limits, gated metrics, verdict and folders.
    """
    from weighbridge.core.errors import InvalidRunError
    from weighbridge.core.files import write_atomic
    from weighbridge.report.summary import summarise, write_summary
    from weighbridge.report.summary_tables import render_summary, summary_markdown

    found = summarise(results)
    if output is not None:
        write_summary(found, output)
    if markdown is not None:
        write_atomic(markdown, summary_markdown(found))
    print_found(found, lambda: render_summary(found), as_json=as_json)
    if strict and (said := found.disturbed):
        raise InvalidRunError(f"{results}: {'; '.join(said)}.")


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(
            help="Run directories, of which the first is the measure; or two sweeps, the old one first."
        ),
    ],
    output: Annotated[Path | None, typer.Option(help="Also write the comparison as JSON.")] = None,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            help="Exit code 4. Of sweeps, slower:5%: if a larger slowdown is shown. Of run directories, "
            "worse:1%: unless the answers are shown to be at most so many percentage points worse."
        ),
    ] = None,
    quality_margin: Annotated[
        float,
        typer.Option(
            min=0.01, max=50, help="Difference of accuracies that counts as none, in percentage points."
        ),
    ] = 100 * QUALITY_MARGIN,
    force: Annotated[
        bool, typer.Option("--force", help="Of sweeps: compare other requests, or phases, too; it is said.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print runs side by side, or what changed between sweeps.

    Run directories are shown with published results, and their answers paired by question where their
    quality was measured. Of two sweeps (folders with comparison.json, or results of `vllm bench serve`) each
    system is compared with itself; both must be of the same requests and phases.
    """
    from weighbridge.core.change_limits import ChangeLimits
    from weighbridge.core.errors import InputError, InvalidRunError
    from weighbridge.core.files import write_atomic
    from weighbridge.quality.worsening_rule import WorseningRule
    from weighbridge.report.compare_runs import compare as compare_runs
    from weighbridge.report.compare_runs import render_comparison
    from weighbridge.sweep.recorded_sweeps import are_sweeps

    limits = ChangeLimits.parse(fail_if or ())
    for run in runs:
        if as_json and run.suffix == ".json" and not run.exists():
            raise InputError(f"{run}: no such file to compare; --json prints, and --output {run} writes.")
    if are_sweeps(runs):
        _compare_sweeps(runs, output, limits, force=force, as_json=as_json)
        return
    if limits.slower is not None or force:
        raise InputError(
            "--fail-if slower: and --force: are for two sweeps, folders with comparison.json; "
            "`weighbridge history --fail-if` judges the speeds of run directories."
        )
    margin = min(quality_margin / 100, limits.worse or 1)
    comparison = compare_runs(runs, margin=margin)
    if output is not None:
        write_atomic(output, comparison.model_dump_json(indent=2) + "\n")
    print_found(comparison, lambda: render_comparison(comparison), as_json=as_json)
    if limits.worse is None:
        return
    broken = WorseningRule(limits.worse).broken(comparison.quality, tuple(map(str, runs)))
    if broken is not None:
        raise InvalidRunError(f"{broken}.")


def _compare_sweeps(
    runs: list[Path], output: Path | None, limits: "ChangeLimits", *, force: bool, as_json: bool
) -> None:
    from weighbridge.core.errors import InputError, InvalidRunError
    from weighbridge.core.files import write_atomic
    from weighbridge.report.sweep_change_table import render_change
    from weighbridge.sweep.compare_sweeps import compare_sweeps
    from weighbridge.sweep.recorded_sweeps import read_two
    from weighbridge.sweep.slowdown_rule import SlowdownRule, summary_of

    if limits.worse is not None:
        raise InputError(
            "--fail-if worse: is for run directories and folders with answers, such as those below a sweep's "
            "quality/; of two sweeps it judges nothing."
        )
    rule = SlowdownRule(limits.slower) if limits.slower is not None else None
    old, new = read_two(runs)
    margin = min(old.comparison.equivalence, new.comparison.equivalence, rule.share if rule else 1)
    change = compare_sweeps(old, new, margin=margin, force=force)
    if output is not None:
        write_atomic(output, change.model_dump_json(indent=2) + "\n")
    print_found(change, lambda: render_change(change), as_json=as_json)
    broken = rule.broken(change) if rule else None
    if broken is not None:
        raise InvalidRunError(f"{new.origin}: {broken}.")
    typer.echo(f"{new.origin}: {summary_of(change)}.", err=as_json)
