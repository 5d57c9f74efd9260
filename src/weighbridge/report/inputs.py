"""What a run directory's results hold: every part read, or a sentence that says what would fill it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.round import Mode, Round, ScenarioRules
from weighbridge.core.errors import InputError
from weighbridge.core.models import read_data
from weighbridge.records.run_record import REQUESTS_TABLE, RUN_RECORD, TELEMETRY_FILE, RunRecord
from weighbridge.records.score import ACCURACY_JSON, Evaluation
from weighbridge.records.search_record import PEAK, Peak
from weighbridge.records.verdict import VERDICT, Verdict
from weighbridge.report.request_series import Traffic, read_traffic
from weighbridge.report.telemetry_series import Telemetry, read_telemetry

T = TypeVar("T")


R = TypeVar("R", RunRecord, Verdict, Evaluation, Peak)


@dataclass(frozen=True)
class Missing:
    """A part that is not there."""

    sentence: str
    """What is not there, and what would fill it."""


@dataclass(frozen=True)
class Run:
    """One of the runs."""

    scenario: ScenarioRules
    mode: Mode
    record: RunRecord
    traffic: Traffic | Missing
    telemetry: Telemetry | Missing

    @property
    def name(self) -> str:
        """How the report calls it."""
        return f"{self.scenario.folder} {self.mode}"


@dataclass(frozen=True)
class Material:
    """All that a report is made of."""

    round_: Round
    verdicts: dict[str, Verdict | Missing]
    runs: dict[tuple[str, Mode], Run | Missing]
    scores: dict[str, Evaluation | Missing]
    peak: Peak | Missing


def gather(results: Path, round_: Round | None = None) -> Material:
    """Read what is in a results folder.

    Args:
        results: The folder.
        round_: The rules; None: those of the round that the files name.

    Raises:
        InputError: the folder holds no run and no verdict, or names a round that is not known.
    """
    rules = round_ or _round_of(results)

    def of_round(read: Callable[[Path], R], path: Path, remedy: str) -> R | Missing:
        found = _read(read, path, remedy)
        if isinstance(found, Missing) or found.round == rules.name:
            return found
        return Missing(f"{path} is of round {found.round}, this report of {rules.name}: {remedy}")

    def run(scenario: str, mode: Mode) -> Run | Missing:
        folder = results / scenario / mode
        record = of_round(
            RunRecord.read,
            folder / RUN_RECORD,
            f"`snakemake results/{scenario}/{mode}/{RUN_RECORD}` makes it.",
        )
        if isinstance(record, Missing):
            return record
        traffic = _read(read_traffic, folder / REQUESTS_TABLE, "repeat the run; its client writes it.")
        return Run(
            rules.scenarios[scenario], mode, record, traffic, _telemetry(folder / TELEMETRY_FILE, traffic)
        )

    return Material(
        round_=rules,
        verdicts={
            scenario: of_round(
                Verdict.read, results / scenario / VERDICT, "`snakemake verdicts` judges the runs."
            )
            for scenario in rules.scenarios
        },
        runs={(scenario, mode): run(scenario, mode) for scenario in rules.scenarios for mode in Mode},
        scores={
            scenario: of_round(
                Evaluation.read,
                results / scenario / ACCURACY_JSON,
                f"`snakemake results/{scenario}/{ACCURACY_JSON}` scores the answers.",
            )
            for scenario in rules.scenarios
        },
        peak=_peak(results, rules, of_round),
    )


def _peak(
    results: Path, round_: Round, read: Callable[[Callable[[Path], Peak], Path, str], Peak | Missing]
) -> Peak | Missing:
    """Read the first search of a scenario that has one; where there is none, name the first that could."""
    searched = [
        name for name, rules in round_.scenarios.items() if rules.has_schedule and rules.limits.latency
    ]
    if not searched:
        return Missing(f"Round {round_.name} has no rate to search for.")
    found = next((name for name in searched if (results / name / PEAK).exists()), searched[0])
    remedy = f"`snakemake results/{found}/{PEAK}` searches for the highest rate that passes."
    return read(Peak.read, results / found / PEAK, remedy)


def _round_of(results: Path) -> Round:
    places = [*sorted(results.glob(f"*/{VERDICT}")), *sorted(results.glob(f"*/*/{RUN_RECORD}"))]
    for path in places:
        found = _read(read_data, path, "")
        if isinstance(found, dict) and isinstance(name := found.get("round"), str):
            try:
                return load_round(name)
            except InputError:
                raise InputError(
                    f"{path}: is of round '{name}', a file of your own; give it with --round."
                ) from None
    raise InputError(f"{results}: no run and no verdict in it; run `snakemake verdicts` first.")


def _telemetry(path: Path, traffic: Traffic | Missing) -> Telemetry | Missing:
    if isinstance(traffic, Missing):
        return traffic

    def read(of: Path) -> Telemetry:
        return read_telemetry(of, traffic.start_ns, traffic.duration_s)

    return _read(read, path, "repeat the run; its client samples servers and machines while it lasts.")


def _read(read: Callable[[Path], T], path: Path, remedy: str) -> T | Missing:
    """Read a part; one that is damaged is told like one that is absent."""
    if not path.exists():
        return Missing(f"There is no {path}: {remedy}")
    try:
        return read(path)
    except InputError as error:
        return Missing(str(error))
