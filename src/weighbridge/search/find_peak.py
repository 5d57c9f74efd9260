"""The search from end to end: one server start, probes, confirmations, and peak.json."""

import logging
from collections.abc import Mapping
from pathlib import Path

from weighbridge.config.closed_rules import ClosedRules
from weighbridge.config.fingerprint import fingerprint, project_root
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import ScenarioRules
from weighbridge.config.settings import SearchSettings
from weighbridge.core.errors import InputError, InvalidRunError
from weighbridge.core.files import write_atomic
from weighbridge.loadgen.loadgen_settings import check_loadgen
from weighbridge.records.search_record import Peak, Probe
from weighbridge.requests.store import RequestStore
from weighbridge.run.observer import Observing, unobserved
from weighbridge.run.server_use import SessionUse
from weighbridge.run.session import Setup, session
from weighbridge.search.next_step import Found, GivenUp, Step, bracket, next_step
from weighbridge.search.offline_rate import OfflineRate, searched_from
from weighbridge.search.probe_folders import ProbeFolders
from weighbridge.search.prober import Prober

log = logging.getLogger(__name__)


def find_peak(
    setup: Setup,
    scenario: ScenarioRules,
    settings: SearchSettings,
    offline: Path,
    output: Path,
    observing: Observing = unobserved,
    switches: Mapping[str, int] | None = None,
    lives: Path | None = None,
    *,
    stop_when_lost: bool = True,
) -> Peak:
    """Find the highest rate that a full-length run confirms, and write it to `output`.

    Probes are kept beside `output`, in a folder of its name without its ending, and none is ever repeated: an
    interrupted search continues where it was.

    Args:
        setup: What is measured.
        scenario: Whose rate; it has a schedule and limits.
        settings: Budgets and tolerance.
        offline: run.json of the Offline performance run, whose rate is where the search starts.
        output: peak.json.
        observing: Makes the observer of the session.
        switches: Further keys of LoadGen's user.conf, with their values.
        lives: Folder for the life of the server, which a later run may use too; None: it ends with this one.
        stop_when_lost: Whether a full-length run ends as soon as it cannot pass any more.

    Raises:
        InputError: the scenario has no rate to search for, or the Offline run completed nothing.
        SetupError: LoadGen is not the round's, or the server does not start, or answers wrongly.
        InvalidRunError: the search was interrupted, or its budget ended before a rate was confirmed.
    """
    if not scenario.searchable:
        raise InputError(
            f"scenario {scenario.name} of round {setup.round_.name} has no rate with a limit, and so no peak "
            "to search for."
        )
    started = searched_from(offline)
    offline_qps = started.qps
    kept = ProbeFolders(output.with_suffix(""), _identity(setup, settings, switches))
    seen = kept.read()
    step = next_step(seen, offline_qps, settings)
    if seen:
        log.info("%d probes of an earlier search are in %s", len(seen), kept.folder)
    if not seen:
        log.info("the search starts at %g x %s", settings.start, started.said)
    if isinstance(step, Step):
        check_loadgen(setup.round_)
        label = f"{scenario.name} peak search"
        use = SessionUse(lives, label, output) if lives is not None else None
        with session(setup, kept.folder, "peak search", observing, use) as ready:
            prober = Prober(ready, scenario, settings.probe_s, switches, stop_when_lost=stop_when_lost)
            while isinstance(step, Step):
                number = len(seen) + 1
                label = _label(step, number, settings)
                probe = prober.run(step, number, kept.of(number, step.kind), label)
                kept.write(probe)
                seen.append(probe)
                log.info("%s: %s (%s)", label, "passed" if probe.passed else "failed", probe.reason)
                step = next_step(seen, offline_qps, settings)
    if isinstance(step, GivenUp):
        raise InvalidRunError(f"no peak was found: {step.reason}. The probes are kept in {kept.folder}.")
    peak = _peak(setup.round_, scenario, settings, started, seen, step)
    write_atomic(output, peak.model_dump_json(indent=2) + "\n")
    log.info("the highest rate that a full-length run confirmed: %g queries/s", peak.peak_qps)
    return peak


def _identity(setup: Setup, settings: SearchSettings, switches: Mapping[str, int] | None) -> list[str]:
    """Return all that a probe's result depends on, besides its rate; defaults are left out."""
    measured = fingerprint(
        "measurement",
        compared={
            "round": rules_of_probes(setup.round_),
            "probe_s": settings.probe_s,
            "switches": switches or None,
        },
        server=setup.server,
        client=setup.client,
    )
    # Paths of the settings are absolute by now; a moved checkout must find its probes again.
    return [
        measured.replace(f"{project_root().resolve()}/", ""),
        RequestStore.open(setup.store).manifest.bodies_sha256,
        setup.model.manifest_digest,
    ]


def rules_of_probes(round_: Round) -> Round:
    """Return a round without the rules of submissions that came after the first searches.

    No probe depends on them, and an interrupted search of an earlier release must find its probes again.
    """
    metrics = {name: rules.model_copy(update={"largest": None}) for name, rules in round_.metrics.items()}
    scenarios = {
        name: rules.model_copy(update={"required": True}) for name, rules in round_.scenarios.items()
    }
    reason = None if round_.withdrawn is not None else round_.not_submittable_because
    return round_.model_copy(
        update={
            "submittable": round_.held_to_rules,
            "not_submittable_because": reason,
            "withdrawn": None,
            "also_proven_by": (),
            "closed": ClosedRules(),
            "one_of": (),
            "metrics": metrics,
            "scenarios": scenarios,
        }
    )


def _label(step: Step, number: int, settings: SearchSettings) -> str:
    if step.kind == "confirmation":
        return f"full-length run at {step.target_qps:g} queries/s"
    return f"probe {number} of at most {settings.max_probes} at {step.target_qps:g} queries/s"


def _peak(
    round_: Round,
    scenario: ScenarioRules,
    settings: SearchSettings,
    started: OfflineRate,
    seen: list[Probe],
    found: Found,
) -> Peak:
    limits = {name: limit.limit_s for name, limit in scenario.limits.by_name.items()}
    return Peak(
        round=round_.name,
        submittable=round_.submittable,
        not_submittable_because=round_.not_submittable_because,
        peak_qps=found.run.target_qps,
        confirmed_by=found.run.folder,
        lowest_failed_qps=bracket(seen)[1],
        offline_qps=started.qps,
        started_from=f"{settings.start:g} x {started.said}",
        tolerance=settings.tolerance,
        target_latency_s=next(iter(limits.values())),
        limits_s=limits,
        probes=tuple(seen),
    )
