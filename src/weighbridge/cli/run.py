"""Commands of the measurement: preflight, serve, run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
from weighbridge.config.fingerprint import JobSettings
from weighbridge.config.round import Mode

if TYPE_CHECKING:
    from weighbridge.run.session import Setup


def register(app: typer.Typer) -> None:
    """Add this stage's commands."""
    app.command()(preflight)
    app.command()(find_server)
    app.command()(serve)
    app.command()(run)


def preflight(
    round_file: RoundFile,
    output: Annotated[Path, typer.Option(help="File to write what was found to.")],
    settings: SettingsJson = "{}",
    server: ServerJson = None,
    results: Annotated[Path, typer.Option(help="Folder that the runs will write to.")] = Path("results"),
) -> None:
    """Check in seconds what a run needs: LoadGen's seeds, GPUs, a fixed port, a writable folder."""
    from weighbridge.benchmarks.rounds import load_round
    from weighbridge.core.files import write_atomic
    from weighbridge.run.preflight import check

    told = JobSettings.of(settings, server=server)
    found = check(load_round(round_file), told.required_server(), results)
    write_atomic(output, found.model_dump_json(indent=2) + "\n")


def find_server(
    round_file: RoundFile,
    output: Annotated[Path, typer.Option(help="File to write what was found to.")],
    settings: SettingsJson = "{}",
    server: ServerJson = None,
) -> None:
    """Find the model server's program and its version."""
    from weighbridge.benchmarks.rounds import load_round
    from weighbridge.serving.program import find_server as find

    find(load_round(round_file), JobSettings.of(settings, server=server).required_server()).write(output)


def serve(
    model: Annotated[Path, typer.Option(help="Folder of the model.")],
    settings: SettingsJson = "{}",
    server: ServerJson = None,
    round_file: Annotated[
        str | None,
        typer.Option(
            "--round",
            metavar="ROUND",
            help="The round whose demands on the server hold; default: all caches are off.",
        ),
    ] = None,
    server_log: Annotated[Path, typer.Option(help="File for what the server prints.")] = Path("server.log"),
) -> None:
    """Start the server exactly as a run does, and keep it until Ctrl-C."""
    import signal

    from weighbridge.benchmarks.rounds import load_round
    from weighbridge.config.round import ServerFeature
    from weighbridge.serving.running_server import end_on_sigterm, running_server

    end_on_sigterm()
    told = JobSettings.of(settings, server=server).required_server()
    forbidden = load_round(round_file).server_must_not if round_file else tuple(ServerFeature)
    with running_server(told, model, server_log, forbidden=forbidden) as running:
        typer.echo("\n".join(running.endpoints))
        signal.pause()


def run(
    scenario: Annotated[str, typer.Option(help="Which scenario of the round, such as offline.")],
    mode: Annotated[Mode, typer.Option(help="Measure speed, or collect every answer.")],
    round_file: RoundFile,
    model: ModelProof,
    store: Store,
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    settings: SettingsJson = "{}",
    server: ServerJson = None,
    client: ClientJson = None,
    target_qps: Annotated[
        float | None,
        typer.Option(help="Server: queries/s to issue; elsewhere the expected samples/s."),
    ] = None,
    peak: Annotated[
        Path | None, typer.Option(help="Instead of --target-qps: peak.json, from 'search-qps'.")
    ] = None,
    program: Program = None,
    replaced: Replaced = None,
) -> None:
    """Serve the model, drive it with LoadGen once, and write logs and run.json."""
    from weighbridge.core.errors import InputError
    from weighbridge.loadgen.loadgen_issuer import LoadGenIssuer
    from weighbridge.monitor.reporter import reporting
    from weighbridge.records.score import ACCURACY_JSON, ACCURACY_TEXT
    from weighbridge.records.search_record import Peak
    from weighbridge.records.verdict import VERDICT
    from weighbridge.run.execute import execute
    from weighbridge.run.replaced import replacing

    told = JobSettings.of(settings, server=server, client=client)
    if peak is None:
        rate = target_qps if target_qps is not None else told.target_qps
    else:
        rate = Peak.read(peak).peak_qps if target_qps is None and told.target_qps is None else None
    if rate is None:
        raise InputError("give one of --target-qps (or 'target_qps' in --settings) and --peak.")
    setup = setup_of(round_file, told, model, store, program)
    issuer = LoadGenIssuer(setup.round_, setup.round_.scenario(scenario), mode, rate)
    # The scenario's score and verdict are of the run that goes, so they go with it.
    judged = [out.parent / name for name in (VERDICT, ACCURACY_TEXT, ACCURACY_JSON)]
    with replacing(replaced, f"{scenario}-{mode}", out, stale=judged):
        execute(setup, issuer, out, reporting)


def setup_of(round_file: str, told: JobSettings, model: Path, store: Path, program: Path | None) -> "Setup":
    """Put together what is measured, from the options that say it."""
    from weighbridge.artifacts.proof import Proof
    from weighbridge.benchmarks.rounds import load_round
    from weighbridge.run.session import Setup
    from weighbridge.serving.program import ServerProgram

    server = told.required_server()
    executable = ServerProgram.read(program).executable if program else None
    if executable is not None:
        server = server.model_copy(update={"executable": executable})
    return Setup(load_round(round_file), server, told.client, Proof.read(model), store)
