"""Whether one run may be compared: did the system do the work that was meant, and did the client deliver it?

Each check says what to do if it fails. One that failed, or whose evidence is missing, blanks the speed-ups of
its cell. Those that are not asked are notes: they are printed, and blank nothing.
"""

from dataclasses import dataclass

from weighbridge.config.load_level import LoadLevel
from weighbridge.config.sweep_settings import SweepSettings
from weighbridge.config.workload import ForceLength, Workload
from weighbridge.records.run_record import LoadReport
from weighbridge.records.sweep_run import CellFigures
from weighbridge.records.verdict import Check, Gate
from weighbridge.sweep.delivery_checks import delivery_checks

OTHER_LENGTHS = 0.01
REUSE_MARGIN = 0.02


@dataclass(frozen=True)
class RunFacts:
    """What the session knows of a run beside its requests and its client.

    Attributes:
        alive: Whether every server answered after the run.
        same_process: Whether the servers are the processes that were there before; None: the user's, whose
            processes are not known.
        version_before, version_after: Of the servers; None: they report none.
        store_sha256: Of the workload's store, as its manifest has it.
        sent_sha256: Of the file that the bodies were sent from, read again after the run; or why it is not
            known.
        probed: How the system took a forced length before the run: honoured, ignored or rejected; None: it
            was not asked.
    """

    alive: bool
    same_process: bool | None
    version_before: str | None
    version_after: str | None
    store_sha256: str
    sent_sha256: str | None
    probed: str | None = None


def cell_checks(
    figures: CellFigures | None,
    load: LoadReport,
    workload: Workload,
    level: LoadLevel,
    settings: SweepSettings,
    facts: RunFacts,
) -> tuple[Check, ...]:
    """Check one run.

    Reuse that is not known is a note: many servers tell nothing of their caches, every run begins with a
    reset where there is one, and no run sends bytes that another one sent. The table says 'unknown'.

    Args:
        figures: What it measured; None: it ended early.
        load: What its client did.
        workload: What was sent.
        level: How much of it at once.
        settings: The sweep.
        facts: What its session knows.
    """
    gate = Gate(None)
    gate.holds(
        "run ended early",
        load.aborted or "no",
        "no",
        load.aborted is None,
        "Correct what the reason names, then measure again.",
    )
    _failures(gate, figures, load, settings)
    if figures is None:
        if load.aborted is None:
            gate.unknown(
                "measured requests",
                ">= 1",
                "The run has no measured part: plan more conversations than the load keeps going at once.",
            )
        return tuple(gate.checks)
    _lengths(gate, figures, workload, settings, facts)
    _reuse(gate, figures)
    gate.checks += delivery_checks(figures, load, workload, level)
    _server(gate, facts)
    _bodies(gate, facts)
    gate.at_most(
        "requests with times out of order",
        figures.out_of_order,
        0,
        "",
        "The machine's clock went backwards; measure again on another machine, or restart this one.",
    )
    _notes(gate, figures, level)
    return tuple(gate.checks)


def _failures(gate: Gate, figures: CellFigures | None, load: LoadReport, settings: SweepSettings) -> None:
    """Check failures by their share of all requests and of the measured ones: the larger share counts."""
    most = settings.stop.max_error_share
    share = load.failures / max(load.completed + load.failures, 1)
    if figures is not None:
        share = max(share, figures.failed / max(figures.requests, 1))
    kinds = ", ".join(f"{count} {kind}" for kind, count in load.failed.items() if count) or "none"
    gate.holds(
        "failed requests",
        f"{share:.3%} ({kinds})",
        f"<= {most:.3g} of all requests" if most else "none",
        share <= most,
        "errors.jsonl in the run's folder has what the server answered: correct the server, or lower the "
        "load; stop.max_error_share allows a share of failures.",
    )


def _lengths(
    gate: Gate, figures: CellFigures, workload: Workload, settings: SweepSettings, facts: RunFacts
) -> None:
    name = "answers of another length"
    share = figures.other_length_share
    if workload.force_length is ForceLength.NONE:
        gate.not_asked(name, share, "the workload forces no length")
    elif settings.allow_unequal_work:
        gate.not_asked(name, share, "the sweep allows unequal work")
    else:
        taken = f" The system {facts.probed} a forced length when it was asked." if facts.probed else ""
        gate.holds(
            name,
            None if share is None else round(share, 6),
            f"<= {OTHER_LENGTHS:.0%} of answers",
            None if share is None else share <= OTHER_LENGTHS,
            f"Unequal work: lengths are not honoured.{taken} Set the workload's force_length to what this "
            "server accepts (ignore_eos, min_tokens, both), or compare output_tps with allow_unequal_work: "
            "true.",
        )


def _reuse(gate: Gate, figures: CellFigures) -> None:
    name, reuse = "prompt tokens from caches", figures.reuse
    if reuse.share is None:
        gate.not_asked(name, "unknown", f"{reuse.source}; the table says 'unknown'")
        return
    most = reuse.expected + REUSE_MARGIN
    gate.holds(
        name,
        round(reuse.share, 4),
        f"<= {most:.4f}, what the workload repeats itself and {REUSE_MARGIN:g}",
        reuse.share <= most,
        "Contaminated: the cache held prompts from before this run. Let it be emptied before each run "
        "(started servers: leave their reset on; others: set reset_cmd), and let nobody else use the server.",
    )


def _server(gate: Gate, facts: RunFacts) -> None:
    same = facts.same_process is not False and facts.version_before == facts.version_after
    found = "alive, the same" if facts.alive and same else "gone" if not facts.alive else "another one"
    if facts.version_before != facts.version_after:
        found = f"{facts.version_after}, before the run {facts.version_before}"
    gate.holds(
        "server after the run",
        found,
        "alive, the same",
        facts.alive and same,
        "The server ended or was replaced during the run; its log says why. Measure again.",
    )


def _bodies(gate: Gate, facts: RunFacts) -> None:
    gate.holds(
        "bytes that were sent",
        facts.sent_sha256,
        facts.store_sha256,
        None if facts.sent_sha256 is None else facts.sent_sha256 == facts.store_sha256,
        "The workload's store changed during the run: remove the sweep's folder of requests, then measure "
        "again.",
    )


def _notes(gate: Gate, figures: CellFigures, level: LoadLevel) -> None:
    """Add what is no reason to blank throughput: a run that was not steady, or overloaded."""
    if figures.steady:
        gate.holds("steady", True, "True", True, "")
    else:
        change = f"throughput changed by {figures.trend:+.1%} over the window, lag-1 {figures.lag1:.2f}"
        gate.not_asked("steady", False, f"{change}; a longer warm-up or run may help")
    if not level.open:
        return
    if figures.overloaded:
        why = "requests piled up, so that throughput may be compared and latencies may not; lower the rate"
        gate.not_asked("overloaded", True, why)
    else:
        gate.holds("overloaded", False, "False", True, "")
