"""All that a machine wants of a run directory in one file: summary.json, and its JSON Schema."""

import json
import sys
from pathlib import Path
from typing import Literal

from pydantic import Field

from weighbridge.config.round import Mode
from weighbridge.core.errors import InputError
from weighbridge.core.files import write_atomic
from weighbridge.core.models import Model
from weighbridge.records.run_record import RUN_RECORD, RunRecord
from weighbridge.records.search_record import PEAK, Peak
from weighbridge.records.verdict import VERDICT, ScenarioFigures, Verdict

_IDENTITY = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:weighbridge:schema:summary:1",
}
_LATENCIES = ("p50_latency_s", "p90_latency_s", "p99_latency_s")


class RunSummary(Model):
    """One of a scenario's two runs, out of its run.json."""

    folder: str = Field(description="Where its logs are.")
    started: str = Field(description="UTC, ISO 8601.")
    ended: str = Field(description="UTC, ISO 8601.")
    issued: int = Field(description="Samples that LoadGen asked for.")
    completed: int = Field(description="Samples answered, failures left out.")
    failed_requests: dict[str, int] = Field(description="By kind; any makes the run invalid.")
    aborted: str | None = Field(description="Why the run ended early, if it did.")
    requested_qps: float = Field(description="Target rate.")
    achieved_qps: float = Field(description="Completed samples a second.")
    weighbridge_version: str = Field(description="Of the package that measured.")
    git_revision: str | None = Field(description="Of its checkout; ends in '-dirty' with local changes.")
    code_sha256: str = Field(description="Over the package's source files.")
    loadgen_version: str = Field(description="Of LoadGen.")
    server_version: str | None = Field(description="As the server told; vLLM's, where it is vLLM.")
    model_name: str = Field(description="As the server calls the model.")
    pins: dict[str, str] = Field(description="sha256 of the model's, dataset's and prompt's manifests.")
    store_sha256: str = Field(description="Of the request bodies.")
    logs: dict[str, str] = Field(description="sha256 of each of LoadGen's files.")

    @classmethod
    def of(cls, folder: Path) -> "RunSummary":
        """Read a run's folder.

        Raises:
            InputError: its run.json is damaged.
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
    """A scenario: its verdict, the numbers behind it, its two runs, and where the files are."""

    failed: tuple[str, ...] = Field(description="Gates that failed, or that nothing on disk can answer.")
    next_steps: tuple[str, ...] = Field(description="What to do about each of them.")
    folder: str = Field(description="Where its runs, score and verdict are.")
    runs: dict[Mode, RunSummary] = Field(description="By mode; a run without run.json is left out.")


class PeakSummary(Model):
    """What the search for the highest Server rate found."""

    peak_qps: float = Field(description="The highest rate that a full-length run confirmed.")
    lowest_failed_qps: float | None = Field(description="The lowest rate seen to fail; null if none did.")
    confirmed_by: str = Field(description="Folder of the run that confirmed it.")
    probes: int = Field(description="Runs of the search, confirmations counted too.")
    file: str = Field(description="Where the probes are told one by one.")


class Summary(Model):
    """Rates, latencies, scores, verdicts and versions of one run directory."""

    schema_version: Literal[1] = Field(
        default=1, description="Raised when a key changes its meaning or goes; a new key does not raise it."
    )
    round: str = Field(description="The rules that the scenarios were judged by.")
    submittable: bool = Field(description="False: nobody's result, such as a demonstration.")
    not_submittable_because: str | None = Field(
        default=None, description="Reason, if it is not that the round is a demonstration."
    )
    scenarios: tuple[ScenarioSummary, ...] = Field(description="Those that have a verdict.")
    peak: PeakSummary | None = Field(description="Null: none was searched.")


def summarise(results: Path) -> Summary:
    """Read every verdict of a run directory's results/, and the runs behind it.

    Raises:
        InputError: there is none, they are of different rounds, or a file is damaged.
    """
    verdicts = {path.parent: Verdict.read(path) for path in sorted(results.glob(f"*/{VERDICT}"))}
    if not verdicts:
        raise InputError(f"{results}: no scenario has a verdict yet; run `snakemake verdicts` first.")
    rounds = {verdict.round: verdict for verdict in verdicts.values()}
    if len(rounds) > 1:
        raise InputError(f"{results}: verdicts of different rounds ({', '.join(rounds)}); judge them again.")
    [(round_name, judged)] = rounds.items()
    return Summary(
        round=round_name,
        submittable=judged.submittable,
        not_submittable_because=judged.not_submittable_because,
        scenarios=tuple(_scenario(verdict, folder) for folder, verdict in verdicts.items()),
        peak=_peak(results),
    )


def _scenario(verdict: Verdict, folder: Path) -> ScenarioSummary:
    open_checks = (*verdict.failed, *verdict.unknown)
    figures = verdict.model_dump(include=set(ScenarioFigures.model_fields))
    if not verdict.has_latencies:
        figures |= dict.fromkeys(_LATENCIES)
    return ScenarioSummary(
        **figures,
        failed=tuple(check.name for check in open_checks),
        next_steps=tuple(dict.fromkeys(check.remedy for check in open_checks if check.remedy)),
        folder=str(folder),
        runs={mode: RunSummary.of(folder / mode) for mode in Mode if (folder / mode / RUN_RECORD).is_file()},
    )


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
    """Write the JSON Schema of summary.json, for programs that read it."""
    schema = _IDENTITY | Summary.model_json_schema(mode="serialization") | {"title": "Weighbridge summary"}
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
