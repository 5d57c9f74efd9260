"""The commands of golden answers: golden record."""

from pathlib import Path
from typing import Annotated

import typer

from weighbridge.cli.command_groups import examples


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    group = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
    group.callback()(golden)
    call = "weighbridge golden record http://127.0.0.1:8000 --store resources/requests"
    group.command(epilog=examples(call))(record)
    app.add_typer(group, name="golden")


def golden() -> None:
    """Record a known answer, which later runs compare.

    A server can be healthy and answer wrongly, after an update or with another option. Runs with
    `server.golden` ask it the recorded request before they measure, and end if the answer is another one.
    """


def record(
    endpoint: Annotated[str, typer.Argument(metavar="URL", help="Base URL of the server that is asked.")],
    store: Annotated[
        Path,
        typer.Option(
            help="Folder of the requests that runs send; `snakemake resources/requests/manifest.json`."
        ),
    ] = Path("resources/requests"),
    sample: Annotated[int, typer.Option(min=0, help="Number of the request in the store.")] = 0,
    output: Annotated[Path, typer.Option(help="File to write, for server.golden.")] = Path("golden.json"),
    api_key_env: Annotated[
        str | None, typer.Option(metavar="VARIABLE", help="Environment variable with the API key.")
    ] = None,
    timeout_s: Annotated[float, typer.Option(min=1, help="Longest wait for an answer, in s.")] = 600,
) -> None:
    """Record what a server that you trust answers to one request.

    It is asked three times at temperature 0 and must answer alike. An existing file is not overwritten.
    """
    from weighbridge.config.client_settings import ClientSettings
    from weighbridge.core.errors import InputError
    from weighbridge.requests.store import RequestStore
    from weighbridge.run.golden_recorder import ask_golden, write_golden
    from weighbridge.run.recorded_server import api_key_of

    if output.exists():
        raise InputError(
            f"{output}: exists, and a golden answer must not change unseen; remove the file first, or name "
            "another by --output."
        )
    requests = RequestStore.open(store)
    key = api_key_of(ClientSettings(api_key_env=api_key_env))
    found = ask_golden(endpoint, requests, sample, key, timeout_s)
    write_golden(found, output)
    typer.echo(f"{output}: sample {sample} is answered by {found.answer!r}")
    typer.echo(
        f"Name the file in config.yaml, as `golden: {output}` below `server:`. Paths there start at the "
        "project's folder, and runs that were made without it are made again."
    )
