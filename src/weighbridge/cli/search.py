"""Commands of the peak search: search-qps, adopt-peak."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from weighbridge.cli.measurement_setup import measurement_setup
from weighbridge.cli.options import (
    ClientJson,
    DivisionChoice,
    GoldenStore,
    Lives,
    ModelProof,
    Program,
    Replaced,
    RoundFile,
    ServerJson,
    SettingsJson,
    Store,
    section_option,
)
from weighbridge.config.fingerprint import JobSettings


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(search_qps)
    app.command()(adopt_peak)


def search_qps(
    round_file: RoundFile,
    model: ModelProof,
    store: Store,
    offline: Annotated[Path, typer.Option(help="run.json of the Offline performance run.")],
    output: Annotated[
        Path, typer.Option(help="peak.json to write; the probes' folder is created beside it.")
    ],
    scenario: Annotated[
        str | None,
        typer.Option(help="Scenario whose rate is searched for; default: the only one with a rate."),
    ] = None,
    settings: SettingsJson = "{}",
    server: ServerJson = None,
    client: ClientJson = None,
    search: Annotated[str | None, section_option("search")] = None,
    golden_store: GoldenStore = None,
    program: Program = None,
    replaced: Replaced = None,
    lives: Lives = None,
    division: DivisionChoice = "closed",
    stop_when_lost: Annotated[
        bool,
        typer.Option(
            help="End a full-length run as soon as it cannot pass any more; it counts as failed either way."
        ),
    ] = True,
) -> None:
    """Find the highest target rate that passes.

    Runs short probes and then full-length runs that confirm the rate, on one started server. Every probe is
    recorded; after an interruption the same command continues without repeating any.
    """
    from weighbridge.config.round_of_scenario import round_of_scenario
    from weighbridge.core.files import beside
    from weighbridge.monitor.reporter import reporting
    from weighbridge.run.folder_lock import locked
    from weighbridge.run.replaced import replacing
    from weighbridge.search.find_peak import find_peak

    job = JobSettings.of(settings, server=server, client=client, search=search)
    setup = measurement_setup(round_file, job, model, store, program, division)
    name = setup.round_.scenario_with_rate(scenario).name
    setup = replace(setup, round_=round_of_scenario(job.user_conf.over(setup.round_, name), name))
    rules, switches = setup.round_.scenario(name), job.user_conf.switches
    setup = replace(setup, streamed=setup.round_.streams(rules), golden_store=golden_store)
    with (
        locked(beside(output, output.stem), "weighbridge search-qps"),
        replacing(replaced, f"{name}-peak", output),
    ):
        find_peak(
            setup,
            rules,
            job.search,
            offline,
            output,
            reporting,
            switches,
            lives,
            stop_when_lost=stop_when_lost,
        )


def adopt_peak(
    peak: Annotated[Path, typer.Option(help="peak.json, from 'search-qps'.")],
    out: Annotated[Path, typer.Option(help="Folder to copy the confirming run to.")],
    replaced: Replaced = None,
) -> None:
    """Use the run that confirmed the peak as performance run."""
    from weighbridge.run.folder_lock import locked
    from weighbridge.run.replaced import replacing
    from weighbridge.search.probe_folders import adopt

    with (
        locked(out, "weighbridge adopt-peak"),
        replacing(replaced, f"{out.parent.name}-{out.name}", out),
    ):
        adopt(peak, out)
