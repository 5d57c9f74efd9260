"""The command line: one small file per stage that parses options, calls the stage and prints the result.

A command imports its stage when it is called, because each stage's environment contains only the packages of
that stage.
"""

import logging
import os
import select
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from weighbridge import __version__
from weighbridge.cli import (
    artifacts,
    asked_sweep,
    attestation,
    bench,
    client_data,
    client_runs,
    completion,
    cross_measure,
    doctor,
    export,
    golden,
    gpu_time,
    history,
    init,
    judge_runs,
    quality,
    report,
    requests,
    results,
    run,
    score_quality,
    score_runs,
    search,
    simulate,
    submission,
    submit,
    sweep,
    watch,
)
from weighbridge.cli.command_groups import GroupedCommands, print_all_commands
from weighbridge.core.command_log import CommandLogFormatter, ending_with
from weighbridge.core.errors import SetupError, WeighbridgeError, machine_trouble
from weighbridge.core.interruption import Interruption, end_on_signals, exit_code
from weighbridge.core.owner import end_with, owners
from weighbridge.core.secrets import MaskingFormatter

log = logging.getLogger(__name__)

app = typer.Typer(
    name="weighbridge",
    help="Measure model-serving systems: compare endpoints, or run MLPerf Inference benchmarks from pinned "
    "artifacts to a checked submission.",
    no_args_is_help=True,
    add_completion=False,
    cls=GroupedCommands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="'weighbridge COMMAND -h' explains a command; docs/commands.md has an example of each.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
# Which command stands where in the help is said by `command_groups`.
_STAGES = (
    artifacts,
    asked_sweep,
    attestation,
    bench,
    client_data,
    client_runs,
    completion,
    cross_measure,
    doctor,
    export,
    golden,
    gpu_time,
    history,
    init,
    judge_runs,
    quality,
    report,
    requests,
    results,
    run,
    score_quality,
    score_runs,
    search,
    simulate,
    submission,
    submit,
    sweep,
    watch,
)
for stage in _STAGES:
    stage.register(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show debug messages.")] = False,
    log_file: Annotated[
        Path | None, typer.Option("--log", help="Also write all messages to this file.")
    ] = None,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
    _help_all: Annotated[
        bool,
        typer.Option(
            "--help-all",
            callback=print_all_commands,
            is_eager=True,
            help="List also the commands that the workflow calls, and exit.",
        ),
    ] = False,
) -> None:
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if log_file is not None:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(log_file, mode="w"))
    # A log that cannot be written, for a full disk or a closed terminal, is not worth a traceback a message.
    logging.raiseExceptions = False
    for handler, formatter in zip(handlers, (MaskingFormatter, CommandLogFormatter), strict=False):
        handler.setFormatter(formatter("%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S"))
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=handlers, force=True)
    # These libraries log every request; our own messages contain what matters.
    for verbose_library in ("httpx", "httpx2", "httpcore", "httpcore2", "openai", "filelock", "urllib3"):
        logging.getLogger(verbose_library).setLevel(logging.WARNING)


def main() -> None:
    """Run the program; log what ends it early as one sentence, and exit with its code."""
    end_on_signals()
    try:
        end_with(owners())
        app()
    except WeighbridgeError as error:
        # An interrupted run ends with an error that says what is kept of it.
        _exit(str(error), exit_code() or error.exit_code)
    except Interruption as end:
        _exit(f"{end}.", end.code)
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _reader_has_left():
            # Such as head or less; this is not an error.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return
        if (sentence := machine_trouble(error)) is not None:
            _exit(sentence, exit_code() or SetupError.exit_code)
        code = exit_code() or 1
        log.exception("unexpected error; please report it with this traceback", extra=ending_with(code))
        sys.exit(code)


def _reader_has_left() -> bool:
    """Return whether nobody reads the standard output any more, rather than another pipe or socket."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _exit(sentence: str, code: int) -> NoReturn:
    log.debug("traceback of the error", exc_info=True)
    log.error("%s", sentence, extra=ending_with(code))
    sys.exit(code)
