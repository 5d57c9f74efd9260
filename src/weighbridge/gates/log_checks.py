"""Checks of LoadGen's logs in either mode: LoadGen's release, seeds, dataset size, and no errors."""

from pathlib import Path

from weighbridge.config.loadgen_rules import Seeds
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode, ScenarioRules
from weighbridge.core.errors import InputError
from weighbridge.loadgen.logs import DetailLog, read_validity
from weighbridge.records.run_record import SUMMARY
from weighbridge.records.verdict import Check, Gate

_TEST_MODE = {Mode.PERFORMANCE: "PerformanceOnly", Mode.ACCURACY: "AccuracyOnly"}


def common_checks(
    folder: Path, log: DetailLog, mode: Mode, round_: Round, scenario: ScenarioRules
) -> list[Check]:
    """Check what both modes require of a run's detail log and summary."""
    gate = Gate(mode)
    gate.equals(
        "scenario",
        log.text("effective_scenario"),
        scenario.loadgen_scenario,
        f"This log is of another scenario; use the logs of {scenario.loadgen_scenario}.",
    )
    gate.equals(
        "mode",
        log.text("effective_test_mode"),
        _TEST_MODE[mode],
        f"This log is of another mode; use the logs of the {mode} run.",
    )
    _loadgen(gate, log, round_)
    _seeds(gate, log, round_)
    gate.equals(
        "dataset size",
        log.integer("qsl_reported_total_count"),
        round_.samples,
        "Run with the whole dataset of the round.",
    )
    if round_.loadgen_rules.whole_passes:
        gate.equals(
            "equal issue",
            log.flag("effective_sample_concatenate_permutation"),
            True,
            f"LoadGen lost the benchmark's settings; its model name must be '{scenario.loadgen_model}'.",
        )
    if round_.loadgen_rules.token_latencies:
        gate.equals(
            "token latencies measured",
            log.flag("requested_use_token_latencies"),
            True,
            f"LoadGen lost the benchmark's settings; its model name must be '{scenario.loadgen_model}'.",
        )
    _errors(gate, log)
    _summary(gate, log, folder)
    return gate.checks


def loadgen_version(log: DetailLog) -> str | None:
    """Return the release from the log, such as 6.0.15 for the logged '6.0.15 @ 3546c66b9e'."""
    text = log.text("loadgen_version")
    return text.partition(" @ ")[0].strip() if text else None


def _loadgen(gate: Gate, log: DetailLog, round_: Round) -> None:
    known = round_.loadgen_rules.versions
    version = loadgen_version(log)
    gate.holds(
        "LoadGen version",
        version,
        f"one of {', '.join(known)}",
        version in known,
        f"Repeat with mlcommons-loadgen {known[-1]}: the seeds of round {round_.name} are compiled into it.",
    )
    changes = log.text("loadgen_git_status_message")
    gate.holds(
        "LoadGen unmodified",
        changes,
        "no local changes",
        changes in {"", "NA"},
        "Install LoadGen from its released wheel and repeat the run; the rules forbid a changed one.",
    )


def _seeds(gate: Gate, log: DetailLog, round_: Round) -> None:
    logged = [log.integer(f"effective_{name}_rng_seed") for name in Seeds.model_fields]
    wanted = [getattr(round_.loadgen_rules.seeds, name) for name in Seeds.model_fields]
    gate.holds(
        "seeds",
        " ".join(map(str, logged)),
        " ".join(map(str, wanted)),
        logged == wanted,
        f"Repeat with mlcommons-loadgen {round_.loadgen_rules.versions[-1]} and one LoadGen run per process: "
        f"a second run in the same process loses its seeds.",
    )


def _errors(gate: Gate, log: DetailLog) -> None:
    counted = max(log.count("num_errors") or 0, len(log.errors))
    first = f" (the first: {log.errors[0]})" if log.errors else ""
    gate.equals(
        "LoadGen errors",
        counted,
        0,
        f"Read the errors in {log.path.name}{first}, fix their cause and repeat the run.",
    )


def _summary(gate: Gate, log: DetailLog, folder: Path) -> None:
    """Check that the summary file exists and agrees with the detail log."""
    wanted = log.text("result_validity")
    try:
        reported = read_validity(folder / SUMMARY)
    except InputError:
        reported = "missing"
    gate.holds(
        "summary file",
        reported,
        wanted or "present, without a result",
        reported == wanted,
        f"{SUMMARY} must be the file that this run wrote; restore it or repeat the run.",
    )
