"""The command line: one small file a stage, each of which parses, calls and prints.

A command imports its stage when it is called and not before, because each stage's environment
holds only the packages of that stage.
"""

import logging
import os
import sys
import traceback

import typer

from weighbridge import __version__
from weighbridge.cli import artifacts
from weighbridge.errors import WeighbridgeError

app = typer.Typer(
    name="weighbridge",
    help="From pinned artifacts to a checked MLPerf Inference submission.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for stage in (artifacts,):
    stage.register(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Show debug messages and tracebacks."),
    _version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        datefmt="%H:%M:%S",
        stream=sys.stderr,
        force=True,
    )
    # These narrate every request of theirs; what matters of it is in our own lines.
    for chatty in ("httpx", "httpx2", "httpcore", "httpcore2", "openai", "filelock", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def main() -> None:
    """Run the program; an expected error becomes one sentence and its exit code."""
    try:
        app()
    except WeighbridgeError as error:
        if logging.getLogger().isEnabledFor(logging.DEBUG):
            traceback.print_exc()
        sys.stderr.write(f"weighbridge: {error}\n")
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of our output (head, less) has left; that is no error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
