"""The command line: one small file per stage that parses options, calls the stage and prints the result.

A command imports its stage when it is called, because each stage's environment contains only the packages of
that stage.
"""

import logging
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from weighbridge import __version__
from weighbridge.cli import artifacts, report, requests, results, run, search, simulate, submission, watch
from weighbridge.core.errors import WeighbridgeError

log = logging.getLogger(__name__)

app = typer.Typer(
    name="weighbridge",
    help="Run MLPerf Inference benchmarks, from pinned artifacts to a checked submission.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for stage in (artifacts, requests, run, watch, search, results, report, submission, simulate):
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
) -> None:
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if log_file is not None:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(log_file, mode="w"))
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        datefmt="%H:%M:%S",
        handlers=handlers,
        force=True,
    )
    # These libraries log every request; our own messages contain what matters.
    for verbose_library in ("httpx", "httpx2", "httpcore", "httpcore2", "openai", "filelock", "urllib3"):
        logging.getLogger(verbose_library).setLevel(logging.WARNING)


def main() -> None:
    """Run the program; log an expected error as one sentence and exit with its code."""
    # A shell starts background jobs with SIGINT ignored; restore it, so that they stop their child processes.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        app()
    except WeighbridgeError as error:
        log.debug("traceback of the error", exc_info=True)
        log.error("%s", error)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of the output, such as head or less, has exited; this is not an error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception:
        log.exception("unexpected error; please report it with this traceback")
        sys.exit(1)
