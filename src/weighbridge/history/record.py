"""Record finished results in the history of their run directory; a failure to do so loses no result."""

import logging
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from weighbridge import __version__
from weighbridge.config.scenario_rules import Mode
from weighbridge.config.sweep_settings import SweepSettings
from weighbridge.core.errors import InputError, WeighbridgeError
from weighbridge.core.files import disk_failure, sha256_of
from weighbridge.core.models import Sha256
from weighbridge.history.entry_files import add_entry
from weighbridge.history.flat_settings import quality_settings, run_settings, sweep_settings
from weighbridge.history.measured_system import compared_systems, served_system, unrecorded_system
from weighbridge.history.result_measures import comparison_measures, quality_measures, verdict_measures
from weighbridge.history.secret_free import SecretFree
from weighbridge.records.comparison import COMPARISON, SweepComparison
from weighbridge.records.disturbance import KIND_NAMES
from weighbridge.records.history_entry import HistoryEntry, HistoryKind
from weighbridge.records.notice import heading_of, reason_of
from weighbridge.records.quality_answers import MEASURED, MeasuredQuality
from weighbridge.records.quality_scores import BY_DOMAIN, OVERALL, ByDomain, OverallQuality
from weighbridge.records.run_record import RUN_RECORD, RunRecord
from weighbridge.records.sweep_plan import PLAN, SweepPlan
from weighbridge.records.verdict import VERDICT, Verdict
from weighbridge.sweep.comparison_sentences import comparison_sentences
from weighbridge.sweep.sweep_folder import SETTINGS_FILE

COMPARISONS = "comparisons of systems"
"""In place of a benchmark's name."""
_OF_BOTH_RUNS = ("server.", "requests.", "pins.", "weighbridge.", "host.", "system.")

log = logging.getLogger(__name__)


def record_verdict(
    file: Path, folder: Path, *, performance: Path | None = None, accuracy: Path | None = None
) -> Path | None:
    """Record a verdict, passed or not.

    Args:
        file: verdict.json.
        folder: The history, such as history/ of the run directory.
        performance: Folder of the performance run; default: that beside the verdict which
            is the result.
        accuracy: Likewise of the accuracy run.

    Returns:
        The entry's file; None: the same verdict has one, or it cannot be written, which is logged.
    """
    return _record(file, folder, lambda: _of_verdict(file, performance, accuracy))


def record_comparison(file: Path, folder: Path) -> Path | None:
    """Record the comparison of a sweep, whose settings lie beside it; otherwise as `record_verdict`."""
    return _record(file, folder, lambda: _of_comparison(file))


def record_quality(file: Path, folder: Path) -> Path | None:
    """Record the overall.json of a quality measurement; otherwise as `record_verdict`."""
    return _record(file, folder, lambda: _of_quality(file))


def add_result(file: Path, folder: Path) -> Path | None:
    """Record a result of any kind, with what lies beside it.

    Returns:
        The entry's file; None: the same result has one.

    Raises:
        InputError: it is no result, or what lies beside it cannot be read.
        OSError: the folder cannot be written.
    """
    kinds: dict[str, Callable[[], Mapping[str, Any]]] = {
        VERDICT: lambda: _of_verdict(file, None, None),
        COMPARISON: lambda: _of_comparison(file),
        OVERALL: lambda: _of_quality(file),
    }
    if file.name not in kinds:
        raise InputError(f"{file}: is no result; name files {', '.join(kinds)}.")
    return _write(file, folder, kinds[file.name]())


def _record(file: Path, folder: Path, facts: Callable[[], Mapping[str, Any]]) -> Path | None:
    """Write the entry of a result; a result is worth more than its entry, so any trouble is a warning."""
    try:
        written = _write(file, folder, facts())
    except WeighbridgeError as error:
        log.warning("%s is not recorded in the history: %s", file, error)
        return None
    except OSError as error:
        reason = disk_failure(error, folder) or f"{folder}: {error.strerror or error}"
        log.warning("%s is not recorded in the history: %s.", file, reason)
        return None
    if written is not None:
        log.info("recorded in %s", written)
    return written


def _write(file: Path, folder: Path, facts: Mapping[str, Any]) -> Path | None:
    """Write an entry from what is particular to its kind."""
    plain = {
        **facts,
        "time": datetime.now(UTC).isoformat(),
        "where": Path(os.path.relpath(file, folder.resolve().parent)).as_posix(),
        "result_sha256": sha256_of(file),
        "weighbridge_version": __version__,
    }
    return add_entry(folder, HistoryEntry.parse(SecretFree().data(plain), f"the history entry of {file}"))


def _of_verdict(file: Path, performance: Path | None, accuracy: Path | None) -> dict[str, Any]:
    verdict = Verdict.read(file)
    runs = {
        Mode.PERFORMANCE: performance or file.parent / verdict.chosen_run,
        Mode.ACCURACY: accuracy or file.parent / Mode.ACCURACY,
    }
    records = {
        mode: path
        for mode, run in runs.items()
        if (path := run / RUN_RECORD).is_file() and mode not in verdict.not_made
    }
    read = {mode: RunRecord.read(path) for mode, path in records.items()}
    hashes = {mode: sha256_of(path) for mode, path in records.items()}
    measured = read.get(Mode.PERFORMANCE) or read.get(Mode.ACCURACY)
    settings = run_settings(measured, verdict.target_qps) if measured else {}
    system = (
        served_system(measured.server, measured.pins.get("model"), settings, measured.system)
        if measured
        else unrecorded_system(verdict.server_version)
    )
    if measured is not None and Mode.ACCURACY in read:
        settings |= _other_settings(settings, run_settings(read[Mode.ACCURACY], None))
    return {
        "kind": HistoryKind.VERDICT,
        "name": verdict.scenario,
        "benchmark": verdict.benchmark,
        "round": verdict.round,
        "category": verdict.category,
        "system": system.model_dump(),
        "settings": settings,
        "measures": _plain(
            verdict_measures(verdict, hashes.get(Mode.PERFORMANCE), hashes.get(Mode.ACCURACY))
        ),
        "outcome": verdict.outcome,
        "note": " ".join(filter(None, (_standing(verdict), _disturbed(verdict)))) or None,
    }


def _standing(verdict: Verdict) -> str | None:
    return None if verdict.submittable else f"{heading_of(verdict)}. {reason_of(verdict)}"


def _disturbed(verdict: Verdict) -> str | None:
    kinds = dict.fromkeys(KIND_NAMES[each.kind] for each in verdict.disturbances)
    return f"Disturbed: {', '.join(kinds)}." if kinds else None


def _other_settings(performance: Mapping[str, str], accuracy: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that the accuracy run does not share with the performance run."""
    return {
        f"accuracy run: {name}": accuracy.get(name, "")
        for name in sorted({*performance, *accuracy})
        if name.startswith(_OF_BOTH_RUNS) and performance.get(name) != accuracy.get(name)
    }


def _of_comparison(file: Path) -> dict[str, Any]:
    comparison = SweepComparison.read(file)
    plan_file = file.parent / PLAN
    plan = SweepPlan.read(plan_file) if plan_file.is_file() else SweepPlan(sweep=comparison.sweep)
    settings = SweepSettings.read(file.parent / SETTINGS_FILE)
    return {
        "kind": HistoryKind.COMPARISON,
        "name": comparison.sweep,
        "benchmark": COMPARISONS,
        "system": compared_systems(comparison, plan).model_dump(),
        "settings": sweep_settings(settings, comparison),
        "measures": _plain(comparison_measures(comparison, _digest_of(comparison))),
        "outcome": " ".join(comparison_sentences(comparison)) or "One system was measured.",
        "note": " ".join(comparison.warnings) or None,
    }


def _digest_of(comparison: SweepComparison) -> Sha256:
    """Return what blocks that are added to a sweep do not change: it is measured further, not again."""
    return sha256(f"{comparison.sweep} {comparison.started} {comparison.hosts}".encode()).hexdigest()


def _of_quality(file: Path) -> dict[str, Any]:
    overall = OverallQuality.read(file)
    measured = MeasuredQuality.read(file.parent / MEASURED)
    domains = ByDomain.read(file.parent / BY_DOMAIN).domains
    settings = quality_settings(measured)
    limited = None if overall.limited is None else f"Limited: {overall.limited}."
    return {
        "kind": HistoryKind.QUALITY,
        "name": overall.benchmark,
        "benchmark": overall.benchmark,
        "system": served_system(measured.server, measured.model_digest, settings, {}).model_dump(),
        "settings": settings,
        "measures": _plain(quality_measures(overall, domains, sha256_of(file.parent / MEASURED))),
        "outcome": overall.outcome,
        "note": " ".join(filter(None, (limited, overall.note))) or None,
    }


def _plain(measures: tuple[Any, ...]) -> list[dict[str, Any]]:
    return [measure.model_dump(mode="json") for measure in measures]
