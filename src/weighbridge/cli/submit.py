"""The command that runs the workflow for a person: submit."""

import sys
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from weighbridge.config.workflow_command import WorkflowCommand
    from weighbridge.monitor.workflow_process import WorkflowProcess
    from weighbridge.monitor.workflow_view import WorkflowView


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(submit)


def submit(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TARGET]...",
            help="Rules or files, such as verdicts or results/report.html; default: submission.",
        ),
    ] = None,
    config: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Lay this over config.yaml and the profile's file; repeatable."),
    ] = None,
    profile: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Snakemake's profile, such as profiles/demo or slurm; repeatable."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="One setting, such as scenarios.server.target_qps=5; repeatable.",
        ),
    ] = None,
    directory: Annotated[
        str | None, typer.Option(metavar="DIR", help="Run directory; default: the profile's, or this folder.")
    ] = None,
    cores: Annotated[str | None, typer.Option(metavar="N", help="Cores to use, or 'all'.")] = None,
    snakemake: Annotated[
        str, typer.Option(metavar="ARGUMENTS", help="Further arguments of Snakemake, in one text.")
    ] = "",
) -> None:
    """Run the workflow: fetch, measure, judge and report.

    Runs Snakemake, with one line a stage and the progress of the runs; its own words are in
    logs/snakemake.log of the run directory. The end is the table of the results, and of a failure the reason
    with its remedy. Ctrl-C ends everything, and the same command goes on.
    """
    import shlex

    from weighbridge.config.workflow_command import WorkflowCommand
    from weighbridge.core.errors import InputError

    if not any(Path(name).is_file() for name in ("Snakefile", "workflow/Snakefile")):
        raise InputError("this folder has no Snakefile; change into the checkout of Weighbridge.")
    try:
        others = tuple(shlex.split(snakemake))
    except ValueError as error:
        raise InputError(f"--snakemake {snakemake}: cannot be split into words ({error}).") from None
    command = WorkflowCommand(
        targets=tuple(targets or ()),
        profiles=tuple(profile or ()),
        files=tuple(config or ()),
        settings=tuple(settings or ()),
        directory=directory,
        cores=cores,
        others=others,
    )
    _run(command)


def _run(command: "WorkflowCommand") -> None:
    from weighbridge.core.errors import InputError
    from weighbridge.core.interruption import Interruption
    from weighbridge.core.terminal import consents
    from weighbridge.monitor.workflow_process import running_workflow
    from weighbridge.monitor.workflow_view import WorkflowView
    from weighbridge.report.stage_outcome import stage_outcome

    here = Path.cwd()
    command.check_files(here)
    arguments = command.arguments(here)
    place = command.run_directory(here).resolve()
    if place.is_relative_to(here):
        place = place.relative_to(here)
    log = place / "logs" / "snakemake.log"
    _say(f"{' '.join(command.targets) or 'submission'}, in {place}; Snakemake's own words: {log}")
    view = WorkflowView(place, partial(stage_outcome, place / "results"))
    try:
        with running_workflow(arguments, log) as workflow:
            code = _follow(workflow, view, place)
    except Interruption:
        _say(
            f"Ended after {view.done.total()} stages; nothing is left running, and the same command goes on."
        )
        raise
    if code and view.asked:
        if not consents(f"{view.asked}. Go on?"):
            raise InputError(
                f"{view.asked}; confirm it with --set fetch=yes, or give the path of a copy "
                "(docs/artifacts.md)."
            )
        _run(replace(command, settings=(*command.settings, "fetch=yes")))
        return
    _end(command, view, place, log, code)


def _follow(workflow: "WorkflowProcess", view: "WorkflowView", place: Path) -> int:
    """Show a workflow until it ends; return Snakemake's exit code."""
    from weighbridge.core.terminal import panel_on_stdout, shows_panels
    from weighbridge.monitor.follow import follow

    with panel_on_stdout() if shows_panels(sys.stdout) else nullcontext(None) as draw:
        for runs in follow(place):
            code = workflow.code  # before the events, so that none is missed
            for event in workflow.new_events():
                for line in view.take(event):
                    _say(line)
            own = view.own(runs)
            if code is not None:
                return code
            if draw is not None:
                draw(view.panel(own))
                continue
            for line in view.due(own):
                _say(line)
    raise AssertionError("follow() has no end")


def _end(command: "WorkflowCommand", view: "WorkflowView", place: Path, log: Path, code: int) -> None:
    """Print the results and where they are; raise the reason of a failure, which is printed last."""
    from weighbridge.core.formatting import duration
    from weighbridge.monitor.workflow_failures import job_failures
    from weighbridge.report.workflow_end import (
        asks_for_results,
        invalid_scenarios,
        result_paths,
        sweep_of,
        workflow_failure,
    )

    results = place / "results"
    # Of a command that made nothing because it is wrong, what is there is no result.
    began = code == 0 or view.planned is not None
    has_results = began and asks_for_results(command.targets) and view.is_made("gate")
    if has_results:
        _print_summary(results)
    if code == 0:
        for name in filter(None, map(sweep_of, command.targets)):
            _print_sweep(results / "sweeps" / name)
    if began:
        _say(f"{view.done.total()} stages in {duration(view.elapsed_s)}")
    for name, path in result_paths(place, view.is_made) if has_results else ():
        _say(f"{name}: {path}")
    failures = job_failures(view.failed.values(), place)
    words = log.read_text(encoding="utf-8", errors="replace")
    failure = workflow_failure(code, failures, words, began=view.planned is not None)
    if failure is None and has_results:
        failure = invalid_scenarios(results, command.targets)
    if failure is not None:
        raise failure


def _print_summary(results: Path) -> None:
    from rich.console import Console

    from weighbridge.core.errors import InputError
    from weighbridge.report.summary import summarise
    from weighbridge.report.summary_tables import render_summary

    try:
        summary = summarise(results)
    except InputError:
        return  # nothing is judged yet
    Console().print(render_summary(summary), crop=False)


def _print_sweep(folder: Path) -> None:
    from weighbridge.cli.measured_sweep import show
    from weighbridge.records.comparison import COMPARISON, SweepComparison

    show(SweepComparison.read(folder / COMPARISON), folder, as_json=False)


def _say(line: str) -> None:
    """Print a line; a terminal that has been closed ends the program by its signal, not here."""
    with suppress(OSError):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
