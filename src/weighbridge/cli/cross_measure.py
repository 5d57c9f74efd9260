"""The command that measures with our own client what the official client measured: cross-measure."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weighbridge.cli.measurement_setup import measurement_setup
from weighbridge.cli.options import (
    AsJson,
    ClientJson,
    GoldenStore,
    ModelProof,
    Program,
    RoundFile,
    ServerJson,
    SettingsJson,
    Store,
)
from weighbridge.cli.printing import print_found
from weighbridge.config.fingerprint import JobSettings
from weighbridge.core.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from weighbridge.endpoints.replayed_phase import ReplayedPhase
    from weighbridge.gates.request_rows import RequestRows
    from weighbridge.records.cross_measurement import CrossMeasurement, MeasuredByClient, TimeSpread

log = logging.getLogger(__name__)

_BEFORE, _SERVER, _AFTER = "  before the server", "  in the server", "  after the server"


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(cross_measure)


def cross_measure(
    run: Annotated[Path, typer.Option(help="Folder of a finished performance run of the official client.")],
    round_file: RoundFile,
    model: ModelProof,
    store: Store,
    out: Annotated[Path, typer.Option(help="Folder of our own run; if it is finished, nothing is measured.")],
    settings: SettingsJson = "{}",
    server: ServerJson = None,
    client: ClientJson = None,
    golden_store: GoldenStore = None,
    program: Program = None,
    sent_log: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Log that 'simulate --sent-log' wrote of both runs, whole after the server's end; may be "
            "repeated.",
        ),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Measure anew, although the run in --out is finished.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Repeat a run of the official client with our own client.

    The same samples are due at the same times, at the server that the settings name. The table has both
    clients' latencies and, by the log of a simulated server, what each spent before and after it.
    """
    from weighbridge.config.round_of_scenario import round_of_scenario
    from weighbridge.core.files import write_atomic
    from weighbridge.endpoints.replayed_phase import ReplayedPhase
    from weighbridge.monitor.reporter import reporting
    from weighbridge.records.cross_measurement import CROSS_MEASUREMENT
    from weighbridge.records.run_record import RUN_RECORD
    from weighbridge.report.client_latencies import TimedQueries, cross_measurement
    from weighbridge.run.execute import execute
    from weighbridge.run.folder_lock import locked
    from weighbridge.simulate.sent_times import read_sent_logs

    replayed = ReplayedPhase.of(run)
    truth = read_sent_logs(sent_log) if sent_log else None
    with locked(out, "weighbridge cross-measure"):
        if again:
            (out / RUN_RECORD).unlink(missing_ok=True)
        if (out / RUN_RECORD).is_file():
            log.info("%s is finished, and nothing was measured; --again measures it anew", out)
        else:
            job = JobSettings.of(settings, server=server, client=client)
            setup = measurement_setup(round_file, job, model, store, program, "open")
            setup = replace(
                setup,
                round_=round_of_scenario(setup.round_, replayed.scenario),
                streamed=replayed.streamed,
                golden_store=golden_store,
            )
            execute(setup, replayed.issuer(), out, reporting)
        own = TimedQueries.of_own(_rows(out, replayed), streamed=replayed.streamed)
        compared = cross_measurement(replayed, own, truth)
        write_atomic(out / CROSS_MEASUREMENT, compared.model_dump_json(indent=2) + "\n")
    print_found(compared, lambda: _table(compared), as_json=as_json)


def _rows(out: Path, replayed: "ReplayedPhase") -> "RequestRows":
    """Read our run's requests.

    Raises:
        InputError: they are missing, or those of another run.
    """
    import numpy as np

    from weighbridge.gates.request_rows import RequestRows

    rows = RequestRows.read(out)
    if rows is None or not np.array_equal(np.sort(rows.sample), np.sort(replayed.phase.sample)):
        raise InputError(
            f"{out}: has not the requests of the official client's run; give another folder as --out, or "
            "--again."
        )
    return rows


def _table(compared: "CrossMeasurement") -> "Table":
    from rich.table import Table

    at = "all at once" if compared.target_qps is None else f"{compared.target_qps:g} queries/s"
    official, own = compared.official, compared.own
    title = f"{compared.scenario}, {official.queries} queries, {at}; ms"
    if failed := official.failed + own.failed:
        title += f"; without {failed} that failed"
    table = Table(title=title, title_justify="left")
    table.add_column(no_wrap=True)
    table.add_column()
    for name in ("p50", "p90", "p99", "mean"):
        table.add_column(name, justify="right")
    for (name, theirs), (_, ours) in zip(_parts(official), _parts(own), strict=True):
        lines = [(client.client, spread) for client, spread in ((official, theirs), (own, ours)) if spread]
        for place, (client, spread) in enumerate(lines):
            table.add_row("" if place else name, client, *_cells(spread), end_section=len(lines) == 1)
        if theirs is not None and ours is not None:
            table.add_row("", "difference", *_differences(theirs, ours), end_section=True)
    return table


def _parts(measured: "MeasuredByClient") -> "list[tuple[str, TimeSpread | None]]":
    """Return the rows of a client with their names; None: it has none of it."""
    times, streamed = measured.times, measured.ttft is not None
    return [
        ("latency", measured.latency),
        (_BEFORE, times.before if times else None),
        (_SERVER, times.server if times else None),
        (_AFTER, times.after if times else None),
        ("TTFT", measured.ttft),
        (_BEFORE, times.before if times and streamed else None),
        (_SERVER, times.server_first if times else None),
        (_AFTER, times.after_first if times else None),
        ("late to the schedule", measured.late),
    ]


def _cells(spread: "TimeSpread") -> list[str]:
    return [f"{1e3 * value:.2f}" for value in _values(spread)]


def _differences(theirs: "TimeSpread", ours: "TimeSpread") -> list[str]:
    pairs = zip(_values(theirs), _values(ours), strict=True)
    return [f"{1e3 * (their - our):+.2f}" for their, our in pairs]


def _values(spread: "TimeSpread") -> tuple[float, ...]:
    return spread.p50_s, spread.p90_s, spread.p99_s, spread.mean_s
