"""Commands of the measurement: preflight, serve, run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weighbridge.cli.options import ClientJson, ModelProof, Program, RoundFile, ServerJson, Store
from weighbridge.config.round import Mode

if TYPE_CHECKING:
    from weighbridge.run import Setup


def register(app: typer.Typer) -> None:
    """Add this stage's commands."""
    app.command()(preflight)
    app.command()(find_server)
    app.command()(serve)
    app.command()(run)


def preflight(
    round_file: RoundFile,
    server: ServerJson,
    output: Annotated[Path, typer.Option(help="File to write what was found to.")],
    results: Annotated[Path, typer.Option(help="Folder that the runs will write to.")] = Path("results"),
) -> None:
    """Check in seconds what a run needs: LoadGen's seeds, GPUs, a fixed port, a writable folder."""
    from weighbridge.benchmarks.rounds import load_round
    from weighbridge.config.settings import ServerSettings
    from weighbridge.core.files import write_atomic
    from weighbridge.run.preflight import check

    found = check(load_round(round_file), ServerSettings.parse_json(server, "--server"), results)
    write_atomic(output, found.model_dump_json(indent=2) + "\n")


def find_server(
    round_file: RoundFile,
    server: ServerJson,
    output: Annotated[Path, typer.Option(help="File to write what was found to.")],
) -> None:
    """Find the model server's program and its version."""
    from weighbridge.benchmarks.rounds import load_round
    from weighbridge.config.settings import ServerSettings
    from weighbridge.core.files import write_atomic
    from weighbridge.serving.program import find_server as find

    found = find(load_round(round_file), ServerSettings.parse_json(server, "--server"))
    write_atomic(output, found.model_dump_json(indent=2) + "\n")


def serve(
    server: ServerJson,
    model: Annotated[Path, typer.Option(help="Folder of the model.")],
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
    from weighbridge.config.settings import ServerSettings
    from weighbridge.serving.running_server import end_on_sigterm, running_server

    end_on_sigterm()
    settings = ServerSettings.parse_json(server, "--server")
    forbidden = load_round(round_file).server_must_not if round_file else tuple(ServerFeature)
    with running_server(settings, model, server_log, forbidden=forbidden) as running:
        typer.echo("\n".join(running.endpoints))
        signal.pause()


def run(
    scenario: Annotated[str, typer.Option(help="Which scenario of the round, such as offline.")],
    mode: Annotated[Mode, typer.Option(help="Measure speed, or collect every answer.")],
    round_file: RoundFile,
    server: ServerJson,
    client: ClientJson,
    model: ModelProof,
    store: Store,
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    target_qps: Annotated[
        float | None, typer.Option(help="Offline: expected samples/s; Server: queries/s.")
    ] = None,
    peak: Annotated[
        Path | None, typer.Option(help="Instead of --target-qps: peak.json, from 'search-qps'.")
    ] = None,
    program: Program = None,
) -> None:
    """Serve the model, drive it with LoadGen once, and write logs and run.json."""
    from weighbridge.core.errors import InputError
    from weighbridge.records.search_record import Peak
    from weighbridge.run import execute

    if peak is not None and target_qps is None:
        target_qps = Peak.read(peak).peak_qps
    elif target_qps is None or peak is not None:
        raise InputError("give one of --target-qps and --peak.")
    setup = setup_of(round_file, server, client, model, store, program)
    execute(setup, setup.round_.scenario(scenario), mode, target_qps, out)


def setup_of(
    round_file: str, server: str, client: str, model: Path, store: Path, program: Path | None
) -> "Setup":
    """Put together what is measured, from the options that say it."""
    from weighbridge.artifacts.proof import Proof
    from weighbridge.benchmarks.rounds import load_round
    from weighbridge.config.settings import ClientSettings, ServerSettings
    from weighbridge.run import Setup
    from weighbridge.serving.program import ServerProgram

    settings = ServerSettings.parse_json(server, "--server")
    executable = ServerProgram.read(program).executable if program else None
    if executable is not None:
        settings = settings.model_copy(update={"executable": executable})
    return Setup(
        load_round(round_file),
        settings,
        ClientSettings.parse_json(client, "--client"),
        Proof.read(model),
        store,
    )
