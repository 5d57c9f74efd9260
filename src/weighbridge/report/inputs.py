"""Read the inputs of a report from a results folder; a missing part becomes a sentence with its remedy."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode, ScenarioRules
from weighbridge.core.errors import InputError
from weighbridge.core.models import read_data
from weighbridge.records.earlier_releases import ONLY_BENCHMARK, round_reference
from weighbridge.records.run_record import REQUESTS_TABLE, RUN_RECORD, TELEMETRY_FILE, RunRecord
from weighbridge.records.score import ACCURACY_JSON, Evaluation
from weighbridge.records.search_record import PEAK, Peak
from weighbridge.records.telemetry_readings import Telemetry, read_telemetry
from weighbridge.records.verdict import VERDICT, Verdict
from weighbridge.report.quality_results import QualityResults, read_quality
from weighbridge.report.request_series import RequestSeries, read_request_series
from weighbridge.report.spent_time import SpentTime, spent_time

T = TypeVar("T")
R = TypeVar("R", RunRecord, Verdict, Evaluation, Peak)


@dataclass(frozen=True)
class Missing:
    """An input that does not exist or cannot be read."""

    sentence: str
    """What is missing, and how to make it."""


@dataclass(frozen=True)
class ReportRun:
    """A run with its record, requests and telemetry; `run` is the name of its folder."""

    scenario: ScenarioRules
    run: str
    record: RunRecord
    requests: RequestSeries | Missing
    telemetry: Telemetry | Missing

    @property
    def name(self) -> str:
        """Return the run's name for readers, such as 'Server performance'."""
        return f"{self.scenario.folder} {self.run}"

    @property
    def streamed(self) -> bool:
        """Return whether its answers were streamed, so that first tokens have times of their own."""
        return self.record.requests is not None and self.record.requests.stream


@dataclass(frozen=True)
class ReportInputs:
    """All inputs of a report.

    Attributes:
        round_: The rules.
        verdicts: By scenario.
        runs: By scenario and mode; of several performance runs, that which is the result.
        repeats: The other performance runs, by scenario.
        scores: By scenario.
        searches: The peak searches by scenario; where there is none, of the first that could have one.
        spent: Where the time of servers went.
        quality: Scores of model quality; None: it was not measured.
    """

    round_: Round
    verdicts: dict[str, Verdict | Missing]
    runs: dict[tuple[str, Mode], ReportRun | Missing]
    scores: dict[str, Evaluation | Missing]
    searches: dict[str, Peak | Missing]
    spent: SpentTime
    repeats: dict[str, list[ReportRun | Missing]] = field(default_factory=dict)
    quality: QualityResults | Missing | None = None


def read_inputs(results: Path, round_: Round | None = None) -> ReportInputs:
    """Read a results folder.

    Args:
        results: The folder.
        round_: The rules; None: load the round that the files name.

    Raises:
        InputError: the folder holds neither run nor verdict, or names a round that cannot be loaded.
    """
    rules = _with_results(round_ or _round_of(results), results)

    def of_round(read: Callable[[Path], R], path: Path, remedy: str) -> R | Missing:
        found = _read(read, path, remedy)
        if isinstance(found, Missing) or found.round == rules.name:
            return found
        return Missing(f"{path} belongs to round {found.round}, this report to {rules.name}: {remedy}")

    def not_made(scenario: str, name: str) -> Missing | None:
        verdict = verdicts[scenario]
        reason = None if isinstance(verdict, Missing) else verdict.not_made.get(name)
        return None if reason is None else Missing(f"{reason}.")

    def run(scenario: str, name: str) -> ReportRun | Missing:
        if (missing := not_made(scenario, name)) is not None:
            return missing
        folder = results / scenario / name
        record = of_round(
            RunRecord.read,
            folder / RUN_RECORD,
            f"`snakemake results/{scenario}/{name}/{RUN_RECORD}` makes it.",
        )
        if isinstance(record, Missing):
            return record
        table = folder / REQUESTS_TABLE
        requests = _read(read_request_series, table, "repeat the run; its client writes it.")
        if not isinstance(requests, Missing) and (rows := len(requests.failed)) != record.load.issued:
            # Latencies of a part would be shown as those of the run.
            requests = Missing(
                f"{table} holds {rows} of the {record.load.issued} requests that were issued; repeat the run."
            )
        telemetry = _telemetry(folder / TELEMETRY_FILE, requests)
        return ReportRun(rules.scenarios[scenario], name, record, requests, telemetry)

    verdicts = {
        scenario: of_round(
            Verdict.read, results / scenario / VERDICT, "`snakemake verdicts` judges the runs."
        )
        for scenario in rules.scenarios
    }
    performance = {scenario: _performance_runs(verdict) for scenario, verdict in verdicts.items()}
    return ReportInputs(
        round_=rules,
        verdicts=verdicts,
        runs={
            (scenario, mode): run(scenario, performance[scenario][0] if mode is Mode.PERFORMANCE else mode)
            for scenario in rules.scenarios
            for mode in Mode
        },
        repeats={
            scenario: [run(scenario, name) for name in performance[scenario][1:]]
            for scenario in rules.scenarios
        },
        scores={
            scenario: not_made(scenario, Mode.ACCURACY)
            or of_round(
                Evaluation.read,
                results / scenario / ACCURACY_JSON,
                f"`snakemake results/{scenario}/{ACCURACY_JSON}` scores the answers.",
            )
            for scenario in rules.scenarios
        },
        searches=_searches(results, rules, of_round),
        spent=spent_time(results),
        quality=_quality(results),
    )


def _performance_runs(verdict: Verdict | Missing) -> list[str]:
    """Return the names of a scenario's performance runs, that which is the result first."""
    if isinstance(verdict, Missing) or verdict.performance_runs is None:
        return [Mode.PERFORMANCE]
    names = [run.run for run in verdict.performance_runs.runs]
    return sorted(names, key=lambda name: name != verdict.chosen_run)


def holds_runs(results: Path) -> bool:
    """Return whether a results folder holds a run or a verdict."""
    return bool(_records(results))


def _records(results: Path) -> list[Path]:
    return [*sorted(results.glob(f"*/{VERDICT}")), *sorted(results.glob(f"*/*/{RUN_RECORD}"))]


def _quality(results: Path) -> QualityResults | Missing | None:
    try:
        return read_quality(results)
    except InputError as error:
        return Missing(str(error))


def _with_results(round_: Round, results: Path) -> Round:
    """Return the round without the scenarios that it does not require and that have no folder."""
    kept = {
        name: rules for name, rules in round_.scenarios.items() if rules.required or (results / name).is_dir()
    }
    return round_.model_copy(update={"scenarios": kept})


def _searches(
    results: Path, round_: Round, read: Callable[[Callable[[Path], Peak], Path, str], Peak | Missing]
) -> dict[str, Peak | Missing]:
    """Read all peak searches; if there is none, name the first scenario that could be searched."""
    searchable = [name for name, rules in round_.scenarios.items() if rules.searchable]
    if not searchable:
        return {"": Missing(f"Round {round_.name} has no scenario with a rate to search.")}
    made = [name for name in searchable if (results / name / PEAK).exists()]
    return {
        name: read(
            Peak.read,
            results / name / PEAK,
            f"`snakemake results/{name}/{PEAK}` searches for the highest rate that passes.",
        )
        for name in made or searchable[:1]
    }


def _round_of(results: Path) -> Round:
    for path in _records(results):
        found = _read(read_data, path, "")
        if isinstance(found, dict) and isinstance(name := found.get("round"), str):
            try:
                benchmark = str(found.get("benchmark", ONLY_BENCHMARK))
                return load_round(round_reference(name, benchmark, found.get("category")))
            except InputError:
                raise InputError(
                    f"{path}: belongs to round '{name}', a file outside the release; pass it as --round."
                ) from None
    raise InputError(f"{results}: holds no run and no verdict; run `snakemake verdicts` first.")


def _telemetry(path: Path, requests: RequestSeries | Missing) -> Telemetry | Missing:
    if isinstance(requests, Missing):
        return requests

    def read(existing: Path) -> Telemetry:
        return read_telemetry(existing, requests.start_ns, requests.duration_s)

    return _read(read, path, "repeat the run; its client samples servers and machines.")


def _read(read: Callable[[Path], T], path: Path, remedy: str) -> T | Missing:
    """Read an input; return `Missing` if it does not exist or is damaged."""
    if not path.exists():
        return Missing(f"There is no {path}: {remedy}")
    try:
        return read(path)
    except InputError as error:
        return Missing(str(error))
