"""The verdict on a scenario with several performance runs: each is judged, the median one is the result."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import stdev

from weighbridge.config.scenario_rules import Mode, number_of_repeat
from weighbridge.core.errors import InputError
from weighbridge.records.not_made import not_made
from weighbridge.records.performance_runs import CHOICE_RULE, Outcome, PerformanceRun, PerformanceRuns, Spread
from weighbridge.records.run_record import RUN_RECORD, RunRecord
from weighbridge.records.verdict import Check, Verdict, outcome_of

_FIGURES = tuple(name for name in PerformanceRun.model_fields if name not in ("run", "outcome", "not_passed"))
_RANKS: dict[Outcome, int] = {"INVALID": 0, "UNPROVEN": 1, "VALID": 2}


def failures_allowed(runs: int) -> int:
    """Return how many of so many performance runs may fail before the median one does."""
    return (runs - 1) // 2


def verdict_of_runs(verdicts: Mapping[str, Verdict]) -> Verdict:
    """Return the verdict of the median run, with the figures of all and the checks of the others.

    Args:
        verdicts: That on each performance run with the scenario's other runs, by the run's name; in order.
    """
    if len(verdicts) == 1:
        return next(iter(verdicts.values()))
    chosen = _median_run(verdicts)
    result = verdicts[chosen]
    runs = tuple(_run(name, verdict) for name, verdict in verdicts.items())
    rates = [run.rate for run in runs if run.rate is not None]
    return result.model_copy(
        update={
            "rate_error": stdev(rates) if len(rates) > 1 else result.rate_error,
            "performance_runs": PerformanceRuns(
                chosen=chosen, rule=CHOICE_RULE, runs=runs, spread=_spread_of(runs)
            ),
            "checks": tuple(
                _of_run(check, chosen) if check.run == Mode.PERFORMANCE else check for check in result.checks
            ),
            "repeat_checks": tuple(
                _of_run(check, name)
                for name, verdict in verdicts.items()
                if name != chosen
                for check in _own_checks(verdict)
                # What is said of the inputs of all runs is said once.
                if check.run is not None or check not in result.checks
            ),
        }
    )


def repeats_of(performance: Path, named: Sequence[Path]) -> dict[str, Path]:
    """Return the repeats of a performance run, those beside it among them, by their names, in order.

    Args:
        performance: Folder of the first performance run.
        named: Folders of repeats, wherever they are.

    Raises:
        InputError: a folder is not named as a repeat is, or has a run at another rate; or a record is
            damaged.
    """
    found = {folder.name: folder for folder in named} | repeats_beside(performance)
    for name, folder in found.items():
        if number_of_repeat(name) is None:
            raise InputError(
                f"{folder}: is no repeated performance run; name a folder such as performance-2."
            )
        rates = [
            RunRecord.read(each / RUN_RECORD).load.requested_qps
            for each in (performance, folder)
            if (each / RUN_RECORD).is_file()
        ]
        if len(set(rates)) > 1:
            raise InputError(
                f"{folder}: was run at {rates[1]:g} queries/s and {performance} at {rates[0]:g}; name runs "
                "at one rate."
            )
    return dict(sorted(found.items(), key=lambda item: number_of_repeat(item[0]) or 0))


def repeats_beside(performance: Path) -> dict[str, Path]:
    """Return the finished repeats beside a performance run that measured the same, by name, in order.

    Whoever asks for fewer runs once the results are known does not choose among them: those that were made
    still count. One that was made with other settings, or at another rate, is none.

    Raises:
        InputError: the run is itself a repeat of one beside it, or a record is damaged.
    """
    if not (performance / RUN_RECORD).is_file():
        return {}
    first = performance.parent / Mode.PERFORMANCE
    if number_of_repeat(performance.name) is not None and (first / RUN_RECORD).is_file():
        raise InputError(f"{performance}: is a repeat of {first}, and judged with it; pass that one.")
    record = RunRecord.read(performance / RUN_RECORD)
    # The run that confirmed a searched rate has the settings of the search, and the others those of the rate.
    accuracy = performance.parent / Mode.ACCURACY / RUN_RECORD
    known = accuracy.is_file() and not_made(accuracy) is None
    settings = {record.settings_sha256, RunRecord.read(accuracy).settings_sha256 if known else None} - {None}
    beside = {
        path.parent.name: path for path in performance.parent.glob(f"{Mode.PERFORMANCE}-*/{RUN_RECORD}")
    }
    numbered = sorted((number, name) for name in beside if (number := number_of_repeat(name)) is not None)
    return {
        name: beside[name].parent
        for _, name in numbered
        if not_made(beside[name]) is None and _measured_alike(RunRecord.read(beside[name]), record, settings)
    }


def _measured_alike(repeat: RunRecord, first: RunRecord, settings: set[str | None]) -> bool:
    return repeat.settings_sha256 in settings and repeat.load.requested_qps == first.load.requested_qps


def _own_checks(verdict: Verdict) -> list[Check]:
    """Return the checks that concern the performance run, alone or beside the others."""
    return [check for check in verdict.checks if check.run in (Mode.PERFORMANCE, None)]


def _of_run(check: Check, run: str) -> Check:
    return check.model_copy(update={"run": run})


def _median_run(verdicts: Mapping[str, Verdict]) -> str:
    """Return the name of the run that CHOICE_RULE chooses; of equal ones, the one that was made first."""

    def place(name: str) -> tuple[int, float]:
        verdict = verdicts[name]
        rank = _RANKS[outcome_of(_own_checks(verdict))]
        if verdict.rate is None:
            return rank, float("-inf")
        return rank, verdict.rate if verdict.rate_unit.endswith("/s") else -verdict.rate

    return sorted(verdicts, key=place)[failures_allowed(len(verdicts))]


def _run(name: str, verdict: Verdict) -> PerformanceRun:
    checks = _own_checks(verdict)
    return PerformanceRun(
        run=name,
        outcome=outcome_of(checks),
        not_passed=tuple(dict.fromkeys(each.name for each in checks if each.asked and not each.passed)),
        rate=verdict.rate,
        tokens_per_s=verdict.tokens_per_s,
        duration_s=verdict.duration_s,
        p50_latency_s=verdict.p50_latency_s,
        p90_latency_s=verdict.p90_latency_s,
        p99_latency_s=verdict.p99_latency_s,
        p99_ttft_s=verdict.ttft.p99_s if verdict.ttft else None,
        p99_tpot_s=verdict.tpot.p99_s if verdict.tpot else None,
    )


def _spread_of(runs: tuple[PerformanceRun, ...]) -> dict[str, Spread]:
    known = {name: [value for run in runs if (value := getattr(run, name)) is not None] for name in _FIGURES}
    return {name: Spread.of(values) for name, values in known.items() if values}
