"""Commands of the peak search: search-qps, adopt-peak."""

from pathlib import Path
from typing import Annotated

import typer

from weighbridge.cli.options import ClientJson, ModelProof, Program, RoundFile, ServerJson, Store
from weighbridge.cli.run import setup_of


def register(app: typer.Typer) -> None:
    """Add this stage's commands."""
    app.command()(search_qps)
    app.command()(adopt_peak)


def search_qps(
    round_file: RoundFile,
    server: ServerJson,
    client: ClientJson,
    model: ModelProof,
    store: Store,
    offline: Annotated[Path, typer.Option(help="run.json of the Offline performance run.")],
    output: Annotated[Path, typer.Option(help="peak.json to write; probes are kept in a folder beside it.")],
    scenario: Annotated[str, typer.Option(help="Whose rate is searched for.")] = "server",
    search: Annotated[str, typer.Option(metavar="JSON", help="The configuration's section 'search'.")] = "{}",
    program: Program = None,
) -> None:
    """Find the highest rate that still passes: short probes, then full-length runs to confirm.

    Starts the server once. Every probe is kept with its verdict and never repeated: after an interruption the
    same command goes on.
    """
    from weighbridge.config.settings import SearchSettings
    from weighbridge.search.find_peak import find_peak

    setup = setup_of(round_file, server, client, model, store, program)
    find_peak(
        setup,
        setup.round_.scenario(scenario),
        SearchSettings.parse_json(search, "--search"),
        offline,
        output,
    )


def adopt_peak(
    peak: Annotated[Path, typer.Option(help="peak.json, from 'search-qps'.")],
    out: Annotated[Path, typer.Option(help="Folder for the run that confirmed it.")],
) -> None:
    """Take the full-length run that confirmed the peak as the performance run of its scenario."""
    from weighbridge.search.adopt import adopt

    adopt(peak, out)
