"""Commands of the measurement: preflight, find-server, serve, run."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weighbridge.cli.asked_rate import given_rate, share_of_offline
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
    server_of,
)
from weighbridge.config.fingerprint import JobSettings, shared_sha256
from weighbridge.config.scenario_rules import Mode, number_of_repeat

if TYPE_CHECKING:
    from weighbridge.run.session import Session

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.5


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(preflight)
    app.command()(find_server)
    app.command()(serve)
    app.command()(run)


def preflight(
    round_file: RoundFile,
    output: Annotated[Path, typer.Option(help="JSON file to write: what was found.")],
    settings: SettingsJson = "{}",
    server: ServerJson = None,
    client: ClientJson = None,
    results: Annotated[Path, typer.Option(help="Folder of the runs, which must be writable.")] = Path(
        "results"
    ),
    division: DivisionChoice = "closed",
) -> None:
    """Check in seconds that a run can start on this machine.

    Checks the server's arguments and variables, LoadGen's seeds, the GPUs, a fixed port, the results folder,
    and that the endpoints in the settings answer, with the model's name and the key.
    """
    from weighbridge.benchmarks.rounds import load_round
    from weighbridge.core.files import write_atomic
    from weighbridge.run.preflight import check

    job = JobSettings.of(settings, server=server, client=client)
    found = check(load_round(round_file), server_of(job), results, division, job.client)
    write_atomic(output, found.model_dump_json(indent=2) + "\n")


def find_server(
    round_file: RoundFile,
    output: Annotated[Path, typer.Option(help="JSON file to write: what was found.")],
    settings: SettingsJson = "{}",
    server: ServerJson = None,
    client: ClientJson = None,
    preflight: Annotated[
        Path | None, typer.Option(help="From 'preflight': if it exists, the endpoints are checked here.")
    ] = None,
) -> None:
    """Find the model server's program, or check its endpoints."""
    from weighbridge.benchmarks.rounds import load_round
    from weighbridge.serving.program import find_server as find

    job, round_ = JobSettings.of(settings, server=server, client=client), load_round(round_file)
    asked = server_of(job)
    if asked.endpoints and preflight is not None and preflight.exists():
        # Here, because the environment of a server that is started has nothing of the client.
        from weighbridge.run.preflight import check_endpoints

        if answers := check_endpoints(asked, job.client, round_):
            log.info("%s", answers)
    find(round_, asked).write(output)


def serve(
    model: Annotated[Path, typer.Option(help="Folder of the model.")],
    settings: SettingsJson = "{}",
    server: ServerJson = None,
    round_file: Annotated[
        str | None,
        typer.Option(
            "--round",
            metavar="ROUND",
            help="Round whose demands on the server apply; default: all caches are off.",
        ),
    ] = None,
    server_log: Annotated[Path, typer.Option(help="File for the server's output.")] = Path("server.log"),
    division: DivisionChoice = "closed",
) -> None:
    """Start the server as a run does, and keep it until Ctrl-C."""
    import time

    from weighbridge.benchmarks.rounds import load_round
    from weighbridge.config.closed_rules import ServerFeature
    from weighbridge.core.errors import SetupError
    from weighbridge.run.closed_division import fixed_parts
    from weighbridge.serving.running_server import running_server

    job = server_of(JobSettings.of(settings, server=server))
    round_ = load_round(round_file) if round_file else None
    forbidden = round_.server_must_not if round_ else tuple(ServerFeature)
    fixed = fixed_parts(round_, division) if round_ else ()
    with running_server(job, model, server_log, forbidden=forbidden, must_not_change=fixed) as running:
        typer.echo("\n".join(running.endpoints))
        while (trouble := running.trouble()) is None:
            time.sleep(_LOOK_EVERY_S)
        raise SetupError(f"{trouble}.")


def run(
    scenario: Annotated[str, typer.Option(help="Scenario of the round, such as offline.")],
    mode: Annotated[Mode, typer.Option(help="Measure performance, or log every answer for scoring.")],
    round_file: RoundFile,
    model: ModelProof,
    store: Store,
    out: Annotated[Path, typer.Option(help="Folder of the run to write.")],
    settings: SettingsJson = "{}",
    server: ServerJson = None,
    client: ClientJson = None,
    target_qps: Annotated[
        float | None,
        typer.Option(help="Offline: expected samples/s; Server and Interactive: queries/s to issue."),
    ] = None,
    peak: Annotated[
        Path | None, typer.Option(help="Instead of --target-qps: peak.json, from 'search-qps'.")
    ] = None,
    offline: Annotated[
        Path | None,
        typer.Option(
            help="Instead of --target-qps, with 'offline_share' in --settings: run.json of the Offline "
            "performance run, of whose rate in samples/s that share is issued."
        ),
    ] = None,
    golden_store: GoldenStore = None,
    program: Program = None,
    replaced: Replaced = None,
    lives: Lives = None,
    division: DivisionChoice = "closed",
    probe_s: Annotated[
        float,
        typer.Option(
            min=0,
            help="Server performance by LoadGen: length in s of a probe at the rate, before a run 20 times "
            "as long or longer; 0: none.",
        ),
    ] = 0,
    after: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder of the scenario's performance run: no run is made if that one, with the same "
            "settings, missed its checks, and run.json says so; may be repeated."
        ),
    ] = None,
    of_runs: Annotated[
        int,
        typer.Option(
            min=1,
            help="With --after: the number of performance runs in all; no run is made once so many missed "
            "their checks that the median one does.",
        ),
    ] = 1,
    compliance_test: Annotated[
        str | None,
        typer.Option(help="With --mode performance: the compliance test that is run, such as TEST06."),
    ] = None,
    stop_when_lost: Annotated[
        bool,
        typer.Option(
            "--stop-when-lost",
            help="End a performance run as soon as it cannot pass any more, whatever its other requests come "
            "to; without this it is only said.",
        ),
    ] = False,
    official_client: Annotated[
        Path | None,
        typer.Option(
            help="Rounds of the official endpoints client: proof file of the client, from 'fetch'. It runs "
            "in this program's own environment."
        ),
    ] = None,
    client_data: Annotated[
        Path | None,
        typer.Option(
            help="With --official-client: proof file of the rows that it reads, from 'client-data'."
        ),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            help="Proof file of the official reference, whose audit.config a compliance test takes; default: "
            "one with the round's settings."
        ),
    ] = None,
) -> None:
    """Run LoadGen or the official client against the server.

    Starts the server unless the settings name endpoints; writes LoadGen's logs and run.json. The official
    client makes the performance and the accuracy run in one go; 'client-accuracy' reads the latter from its
    files.
    """
    from weighbridge.artifacts.proof import Proof
    from weighbridge.cli.run_issuer import issuer_of_run
    from weighbridge.config.round_of_scenario import round_of_scenario
    from weighbridge.core.errors import InputError
    from weighbridge.gates.performance_first import not_worth_making
    from weighbridge.loadgen.compliance_run import ComplianceRun
    from weighbridge.monitor.reporter import reporting
    from weighbridge.records.not_made import write_not_made
    from weighbridge.records.official_client import CLIENT_FOLDER
    from weighbridge.records.run_record import ANSWERS, DETAIL, RUN_RECORD, SUMMARY, USER_CONF
    from weighbridge.records.score import ACCURACY_JSON, ACCURACY_TEXT
    from weighbridge.records.verdict import VERDICT
    from weighbridge.run.execute import execute
    from weighbridge.run.folder_lock import locked
    from weighbridge.run.replaced import replacing, set_aside
    from weighbridge.search.lost_run import LostRunWatch
    from weighbridge.search.rate_probe import rate_probe

    job = JobSettings.of(settings, server=server, client=client)
    rate = given_rate(target_qps, peak, offline, job)
    if compliance_test is not None and mode is not Mode.PERFORMANCE:
        raise InputError("a run of a compliance test is one of performance: pass --mode performance.")
    setup = measurement_setup(round_file, job, model, store, program, division)
    setup = replace(
        setup,
        round_=round_of_scenario(job.user_conf.over(setup.round_, scenario), scenario),
        settings_sha256=shared_sha256(settings),
    )
    if rate is None:
        rate, setup = share_of_offline(offline, job, setup)
    rules = setup.round_.scenario(scenario)
    setup = replace(setup, streamed=setup.round_.streams(rules), golden_store=golden_store)
    switches = job.user_conf.switches
    compliance = compliance_test and ComplianceRun.of(
        setup.round_, scenario, compliance_test, reference and Proof.read(reference).folder
    )
    named = out.name if number_of_repeat(out.name) else compliance_test or str(mode)
    label = f"{scenario} {named}"
    issuer = issuer_of_run(
        setup, rules, mode, rate, label, switches, compliance or None, official_client, client_data
    )
    # The search has probed the rate of a peak, a compliance test measures no rate, and a probe is LoadGen's.
    probe_s = 0 if peak is not None or compliance or setup.round_.loadgen is None else probe_s
    probe = rate_probe(setup.round_, rules, mode, rate, probe_s, out, switches)
    stop = stop_when_lost and mode is Mode.PERFORMANCE and not compliance

    def watching(session: "Session") -> LostRunWatch:
        return LostRunWatch(issuer.judged_plan, setup.round_, rules, out, session.observer.lost, stop=stop)

    # What was made from the run that goes, goes with it: the verdict is of both runs, the score of one.
    judged = (VERDICT, ACCURACY_TEXT, ACCURACY_JSON) if mode is Mode.ACCURACY else (VERDICT,)
    stale = [out.parent / name for name in judged]
    name = f"{scenario}-{out.name}"
    with locked(out, "weighbridge run"):
        if after and (
            reason := not_worth_making(
                after, setup.round_, rules, setup.settings_sha256, named, of_runs=of_runs
            )
        ):
            log.warning("%s.", reason)
            # Snakemake has deleted the earlier run, and what was made of it must go too.
            if replaced is not None:
                set_aside(replaced, name, out, *stale, folders=(CLIENT_FOLDER.name,))
            write_not_made(out, RUN_RECORD, (SUMMARY, DETAIL, ANSWERS, USER_CONF), reason)
            return
        with replacing(replaced, name, out, stale=stale, folders=(CLIENT_FOLDER.name,)):
            execute(setup, issuer, out, reporting, probe, lives, watching)
