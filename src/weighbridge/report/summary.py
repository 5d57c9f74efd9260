"""The summary of a run directory: summary.json with its JSON Schema."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from weighbridge.config.scenario_rules import Mode, number_of_repeat
from weighbridge.core.errors import InputError
from weighbridge.core.files import write_atomic
from weighbridge.core.models import Model
from weighbridge.records.disturbance import Disturbance, NotExamined
from weighbridge.records.quality_scores import DomainAccuracy, OverallQuality
from weighbridge.records.run_record import RUN_RECORD, RunRecord
from weighbridge.records.search_record import PEAK, Peak
from weighbridge.records.verdict import VERDICT, ScenarioFigures, Verdict
from weighbridge.report.quality_results import read_quality
from weighbridge.report.spent_time import Spending, in_hours, spent_time

_IDENTITY = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:weighbridge:schema:summary:1",
}
_NO_VERDICT = "run directory has no verdict"
_LATENCIES = ("p50_latency_s", "p90_latency_s", "p99_latency_s")


class RunSummary(Model):
    """One run of a scenario, from its run.json."""

    folder: str = Field(description="Folder of its logs.")
    started: str = Field(description="UTC, ISO 8601.")
    ended: str = Field(description="UTC, ISO 8601.")
    issued: int = Field(description="Samples that were issued.")
    completed: int = Field(description="Samples answered without failure.")
    failed_requests: dict[str, int] = Field(description="By kind; any makes the run invalid.")
    aborted: str | None = Field(description="Why the run ended early; null if it did not.")
    requested_qps: float = Field(description="Target rate.")
    achieved_qps: float = Field(description="Completed samples per second.")
    weighbridge_version: str = Field(description="Version of the package that measured.")
    git_revision: str | None = Field(description="Of its checkout; ends in '-dirty' with local changes.")
    code_sha256: str = Field(description="Over the package's source files.")
    loadgen_version: str = Field(description="Version of LoadGen; empty where it did not issue the requests.")
    server_version: str | None = Field(description="As the server reported it; null if it did not.")
    model_name: str = Field(description="The server's name of the model.")
    pins: dict[str, str] = Field(description="sha256 of the model's, dataset's and prompt's manifests.")
    store_sha256: str = Field(description="Of the request bodies.")
    logs: dict[str, str] = Field(description="sha256 of each file that proves the run.")

    @classmethod
    def of(cls, folder: Path) -> "RunSummary":
        """Return the summary of a run's folder.

        Raises:
            InputError: run.json is damaged.
        """
        record = RunRecord.read(folder / RUN_RECORD)
        known = record.model_dump() | record.load.model_dump()
        return cls(
            **{name: known[name] for name in cls.model_fields if name in known},
            folder=str(folder),
            failed_requests=record.load.failed,
            server_version=record.server.version,
            model_name=record.server.model_name,
        )


class ScenarioSummary(ScenarioFigures):
    """A scenario: its verdict, the numbers behind it, its runs, and the folder of its files."""

    failed: tuple[str, ...] = Field(description="Checks that failed or could not be decided.")
    next_steps: tuple[str, ...] = Field(description="Remedies of these checks.")
    disturbances: tuple[Disturbance, ...] = Field(
        default=(), description="Signs that something else than the system moved the figures."
    )
    not_examined: tuple[NotExamined, ...] | None = Field(
        default=None,
        description="Signs that could not be looked for, and why; null: an earlier release looked for none.",
    )
    folder: str = Field(description="Folder of its runs, score and verdict.")
    runs: dict[str, RunSummary] = Field(description="By name; a run without run.json is left out.")


class PeakSummary(Model):
    """The result of the search for the highest rate that passes."""

    peak_qps: float = Field(description="The highest rate that a full-length run confirmed.")
    lowest_failed_qps: float | None = Field(description="The lowest rate that failed; null if none did.")
    confirmed_by: str = Field(description="Folder of the run that confirmed it.")
    probes: int = Field(description="Runs of the search, confirmations counted too.")
    file: str = Field(description="File that lists all probes.")


class ServerTime(Model):
    """Where the time of servers went, in hours of GPUs, or of servers where none held a GPU."""

    unit: Literal["GPU h", "server h"] = Field(description="Unit of the times.")
    starts: int = Field(description="How many times a server was started.")
    hours: dict[Spending, float] = Field(description="By what it was spent on.")
    total: float = Field(description="Their sum.")
    outside_measured_share: float = Field(description="Share that was not spent in measured runs.")

    @classmethod
    def of(cls, results: Path) -> "ServerTime | None":
        """Return the time of the servers of a run directory's results/, or None.

        Raises:
            InputError: a record is damaged.
        """
        spent = spent_time(results)
        if spent.outside_share is None:
            return None
        return cls(
            unit=spent.unit,
            starts=len(spent.lives),
            hours=in_hours(spent),
            total=spent.hours(),
            outside_measured_share=spent.outside_share,
        )


class QualitySummary(Model):
    """The model's accuracy on multiple-choice questions (MMLU)."""

    folder: str = Field(description="Folder of its answers and scores.")
    overall: OverallQuality = Field(description="Over all questions, and how they were asked.")
    domains: dict[str, DomainAccuracy] = Field(description="By domain.")

    @classmethod
    def of(cls, results: Path) -> "QualitySummary | None":
        """Return the quality of the model of a run directory's results/, or None.

        Raises:
            InputError: a file of it is missing or damaged.
        """
        found = read_quality(results)
        if found is None:
            return None
        return cls(folder=str(found.folder), overall=found.overall, domains=dict(found.domains))


class Summary(Model):
    """Rates, latencies, scores, verdicts and versions of one run directory."""

    schema_version: Literal[1] = Field(
        default=1, description="Raised when a key changes its meaning or is removed, not when one is added."
    )
    round: str | None = Field(
        description="Name of the round whose rules apply; null: no scenario has a verdict, there is "
        "model quality alone."
    )
    benchmark: str | None = Field(description="Name of the benchmark; null likewise.")
    category: str | None = Field(
        default=None, description="Such as datacenter or edge; null: the round has no categories."
    )
    submittable: bool = Field(description="False: do not cite these numbers, for example of a demonstration.")
    not_submittable_because: str | None = Field(
        default=None, description="Reason, if it is not that the round is a demonstration."
    )
    scenarios: tuple[ScenarioSummary, ...] = Field(description="Those that have a verdict.")
    peak: PeakSummary | None = Field(description="Null: no search was run.")
    servers: ServerTime | None = Field(
        default=None, description="Time of the servers that were started; null: none is recorded."
    )
    quality: QualitySummary | None = Field(
        default=None, description="Accuracy of the model on MMLU; null: it was not measured."
    )

    @property
    def disturbed(self) -> list[str]:
        """Return the scenarios of which a run was disturbed, or may have been unnoticed, in words."""
        said = []
        for each in self.scenarios:
            if each.disturbances:
                said.append(f"{each.title} was disturbed")
            elif each.not_examined is None or each.not_examined:
                said.append(f"{each.title} was not examined for every disturbance")
        return said


def summarise(results: Path) -> Summary:
    """Return the summary of a run directory's results/: all verdicts, their runs, and model quality.

    Raises:
        InputError: there is neither a verdict nor model quality, verdicts belong to different rounds, or a
            file is damaged.
    """
    verdicts = {path.parent: Verdict.read(path) for path in sorted(results.glob(f"*/{VERDICT}"))}
    quality = QualitySummary.of(results)
    if not verdicts and quality is None:
        raise InputError(f"{results}: no scenario has a verdict yet; run `snakemake verdicts` first.")
    rounds = {verdict.round_reference: verdict for verdict in verdicts.values()}
    if len(rounds) > 1:
        raise InputError(f"{results}: verdicts of different rounds ({', '.join(rounds)}); judge them again.")
    judged = next(iter(rounds.values()), None)
    return Summary(
        round=judged.round if judged else None,
        benchmark=judged.benchmark if judged else None,
        category=judged.category if judged else None,
        submittable=judged.submittable if judged else False,
        not_submittable_because=judged.not_submittable_because if judged else _NO_VERDICT,
        scenarios=tuple(_scenario(verdict, folder) for folder, verdict in verdicts.items()),
        peak=_peak(results),
        servers=ServerTime.of(results),
        quality=quality,
    )


def _scenario(verdict: Verdict, folder: Path) -> ScenarioSummary:
    open_checks = (*verdict.failed, *verdict.unknown)
    figures = verdict.model_dump(include=set(ScenarioFigures.model_fields))
    if not verdict.has_latencies:
        figures |= dict.fromkeys(_LATENCIES)
    return ScenarioSummary(
        **figures,
        failed=tuple(check.name for check in open_checks),
        next_steps=_steps([check.remedy for check in open_checks if check.remedy]),
        disturbances=verdict.disturbances,
        not_examined=verdict.not_examined,
        folder=str(folder),
        runs={
            name: RunSummary.of(folder / name) for name in _runs_of(folder) if name not in verdict.not_made
        },
    )


def _steps(remedies: Sequence[str]) -> tuple[str, ...]:
    """Return each remedy once; one that another repeats as a part of it is left out."""
    return tuple(
        remedy
        for remedy in dict.fromkeys(remedies)
        if not any(remedy in other and remedy != other for other in remedies)
    )


def _runs_of(folder: Path) -> list[str]:
    """Return the names of a scenario's runs: performance, its repeats, accuracy, others."""

    def place(name: str) -> tuple[int, int, str]:
        repeat = number_of_repeat(name)
        kinds = {str(Mode.PERFORMANCE): 0, str(Mode.ACCURACY): 2}
        return (1, repeat, name) if repeat else (kinds.get(name, 3), 0, name)

    return sorted((path.parent.name for path in folder.glob(f"*/{RUN_RECORD}")), key=place)


def _peak(results: Path) -> PeakSummary | None:
    path = next(iter(sorted(results.glob(f"*/{PEAK}"))), None)
    if path is None:
        return None
    peak = Peak.read(path)
    return PeakSummary(
        peak_qps=peak.peak_qps,
        lowest_failed_qps=peak.lowest_failed_qps,
        confirmed_by=peak.confirmed_by,
        probes=len(peak.probes),
        file=str(path),
    )


def write_summary(summary: Summary, path: Path) -> None:
    """Write summary.json."""
    write_atomic(path, summary.model_dump_json(indent=2) + "\n")


def schema_text() -> str:
    """Return the JSON Schema of summary.json."""
    schema = _IDENTITY | Summary.model_json_schema(mode="serialization") | {"title": "Weighbridge summary"}
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
