"""Commands of the peak search: search-qps, adopt-peak."""

from pathlib import Path
from typing import Annotated

import typer

from weighbridge.cli.options import (
    ClientJson,
    ModelProof,
    Program,
    Replaced,
    RoundFile,
    ServerJson,
    SettingsJson,
    Store,
)
from weighbridge.cli.run import setup_of
from weighbridge.config.fingerprint import JobSettings


def register(app: typer.Typer) -> None:
    """Add this stage's commands."""
    app.command()(search_qps)
    app.command()(adopt_peak)


def search_qps(
    round_file: RoundFile,
    model: ModelProof,
    store: Store,
    offline: Annotated[Path, typer.Option(help="run.json of the Offline performance run.")],
    output: Annotated[Path, typer.Option(help="peak.json to write; probes are kept in a folder beside it.")],
    scenario: Annotated[str, typer.Option(help="Whose rate is searched for.")] = "server",
    settings: SettingsJson = "{}",
    server: ServerJson = None,
    client: ClientJson = None,
    search: Annotated[
        str | None,
        typer.Option(metavar="JSON", help="The section 'search', over what --settings gives of it."),
    ] = None,
    program: Program = None,
    replaced: Replaced = None,
) -> None:
    """Find the highest rate that still passes: short probes, then full-length runs to confirm.

    Starts the server once. Every probe is kept with its verdict and never repeated: after an interruption the
    same command goes on.
    """
    from weighbridge.monitor.reporter import reporting
    from weighbridge.run.replaced import replacing
    from weighbridge.search.find_peak import find_peak

    told = JobSettings.of(settings, server=server, client=client, search=search)
    setup = setup_of(round_file, told, model, store, program)
    with replacing(replaced, f"{scenario}-peak", output):
        find_peak(setup, setup.round_.scenario(scenario), told.search, offline, output, reporting)


def adopt_peak(
    peak: Annotated[Path, typer.Option(help="peak.json, from 'search-qps'.")],
    out: Annotated[Path, typer.Option(help="Folder for the run that confirmed it.")],
    replaced: Replaced = None,
) -> None:
    """Take the full-length run that confirmed the peak as the performance run of its scenario."""
    from weighbridge.run.replaced import replacing
    from weighbridge.search.probe_folders import adopt

    with replacing(replaced, f"{out.parent.name}-{out.name}", out):
        adopt(peak, out)
