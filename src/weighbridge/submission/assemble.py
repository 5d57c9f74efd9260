"""From judged runs to a submission tree: built beside its place, moved there whole or not at all."""

import json
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

from weighbridge.artifacts.manifest import Manifest, write_lock
from weighbridge.benchmarks.registry import load_benchmark
from weighbridge.config.round import Mode, Round, ScenarioRules
from weighbridge.config.settings import SubmissionSettings
from weighbridge.core.errors import InputError, InvalidRunError
from weighbridge.core.files import sha256_of
from weighbridge.records.notice import DEMONSTRATION_FILE
from weighbridge.records.run_record import ANSWERS, DETAIL, RUN_RECORD, SUMMARY, USER_CONF, RunRecord
from weighbridge.records.score import ACCURACY_JSON, ACCURACY_TEXT, Evaluation
from weighbridge.records.verdict import VERDICT, Verdict
from weighbridge.submission.documents import render
from weighbridge.submission.measurements import measurements
from weighbridge.submission.pack import pack
from weighbridge.submission.sources import copy_benchmark, copy_sources
from weighbridge.submission.system_description import describe_system
from weighbridge.submission.tree import Layout, check_tree, manifest_of, replaced_folder
from weighbridge.submission.truncate import truncate_log, with_hash

_NOT_TRANSFORMED = ("no", "none", "n/a")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Judged:
    """One scenario of a run directory: its files, what they say, and its verdict."""

    scenario: ScenarioRules
    folder: Path
    verdict: Verdict
    performance: RunRecord
    accuracy: RunRecord

    @classmethod
    def read(cls, results: Path, scenario: ScenarioRules) -> "_Judged":
        folder = results / scenario.name
        return cls(
            scenario=scenario,
            folder=folder,
            verdict=Verdict.read(folder / VERDICT),
            performance=RunRecord.read(folder / Mode.PERFORMANCE / RUN_RECORD),
            accuracy=RunRecord.read(folder / Mode.ACCURACY / RUN_RECORD),
        )


def assemble(
    *,
    results: Path,
    destination: Path,
    originals: Path,
    round_: Round,
    settings: SubmissionSettings,
    source: Path | None,
) -> Manifest:
    """Build the tree of all scenarios of a round, and return what it consists of.

    Args:
        results: The run directory's results/, with runs, scores and verdicts.
        destination: The tree's folder; what stands there is replaced when the new tree is complete. Beside it
            go its archive (.tar.gz) and the checksums of all (.sha256).
        originals: The folder for what may not stand in the tree: the full accuracy logs, read-only, and their
            list (originals.json); the list of the tree's files (manifest.json); where each field of the
            system description comes from (system-sources.json).
        round_: The rules.
        settings: Who submits what.
        source: The project's root, whose files are copied into src/; None: the installed package.

    Raises:
        InvalidRunError: a gate failed, or something that only a recorded run can prove is not known. The
            open division takes such runs, and its READMEs say what failed.
        InputError: a file is missing or of another run, or the system description has gaps.
    """
    judged = [_Judged.read(results, rules) for rules in round_.scenarios.values()]
    for each in judged:
        _require_verdict(each, round_, settings)
    with replaced_folder(originals) as kept, replaced_folder(destination) as root:
        layout = Layout(root, settings, round_)
        statement = measurements(settings.measurements, round_, judged[0].performance)
        for each in judged:
            _add_scenario(each, layout, kept, statement)
        sources = _add_system(judged[0].performance, layout)
        _add_texts(judged[0].performance, layout, statement, source)
        check_tree(root)
        manifest = manifest_of(root)
        write_lock(kept / "originals.json", manifest_of(kept))
        write_lock(kept / "manifest.json", manifest)
        _write_json(kept / "system-sources.json", sources)
    archive = pack(destination, manifest)
    _log.info("%s packed as %s", destination, archive.name)
    _log.info("%s: %d files, %d bytes", destination, len(manifest.files), manifest.total_bytes)
    return manifest


def _require_verdict(judged: _Judged, round_: Round, settings: SubmissionSettings) -> None:
    verdict = judged.verdict
    path = judged.folder / VERDICT
    if verdict.round != round_.name:
        raise InputError(f"{path}: is of round {verdict.round}, not {round_.name}; judge the runs again.")
    reasons = [f"{check.name} failed" for check in verdict.failed]
    reasons += [f"{check.name} is not known" for check in verdict.unknown]
    if reasons and settings.division == "closed":
        raise InvalidRunError(
            f"{path}: no tree is built from this {judged.scenario.name} run: {', '.join(reasons)}; "
            f"the verdict says what to do next."
        )


def _add_scenario(judged: _Judged, layout: Layout, originals: Path, statement: dict[str, str]) -> None:
    """Add the logs, the score and the description of one scenario; keep its full accuracy log."""
    place = layout.scenario(judged.scenario)
    performance, accuracy = (judged.folder / mode for mode in Mode)
    for name in (DETAIL, SUMMARY):
        _copy(performance / name, place / "performance" / "run_1" / name)
        _copy(accuracy / name, place / "accuracy" / name)
    _copy(performance / USER_CONF, place / USER_CONF)
    log = accuracy / ANSWERS
    scored = Evaluation.read(judged.folder / ACCURACY_JSON).log_sha256
    if sha256_of(log) != scored:
        raise InputError(f"{log}: is not the log that {ACCURACY_JSON} scored; evaluate and judge it again.")
    kept = originals / place.relative_to(layout.root) / "accuracy" / ANSWERS
    _copy(log, kept)
    kept.chmod(0o444)
    truncate_log(log, place / "accuracy" / ANSWERS)
    text = (judged.folder / ACCURACY_TEXT).read_text()
    (place / "accuracy" / ACCURACY_TEXT).write_text(with_hash(text, log))
    _write_json(place / "measurements.json", statement)
    readme = render(
        "scenario.md.j2",
        round=layout.round_,
        scenario=judged.scenario,
        system=layout.settings.system,
        verdict=judged.verdict,
        performance=judged.performance,
        accuracy=judged.accuracy,
    )
    (place / "README.md").write_text(readme)


def _add_system(record: RunRecord, layout: Layout) -> dict[str, str]:
    """Add the system description; return where each of its fields comes from."""
    description = describe_system(settings=layout.settings, round_=layout.round_, record=record)
    _write_json(layout.system, description.values)
    return dict(description.sources)


def _add_texts(record: RunRecord, layout: Layout, statement: dict[str, str], source: Path | None) -> None:
    """Add the code that ran, the note on calibration and, for a demonstration, the mark on all of it."""
    round_, settings = layout.round_, layout.settings
    copy_sources(source, layout.sources)
    copy_benchmark(load_benchmark(round_.benchmark).folder, layout.sources)
    (layout.sources / "README.md").write_text(render("source.md.j2", round=round_, record=record))
    if settings.calibration is not None:
        _copy(settings.calibration, layout.calibration)
    elif round_.submittable and statement["weight_transformations"].lower() not in _NOT_TRANSFORMED:
        raise InputError(
            f"submission.calibration: weights were transformed ({statement['weight_transformations']}); give "
            f"the Markdown file that describes how, and with which data."
        )
    else:
        layout.calibration.parent.mkdir(parents=True)
        layout.calibration.write_text(render("calibration.md.j2", round=round_, measurements=statement))
    if settings.division == "open":
        _write_json(layout.submitter / "model_mapping.json", {round_.benchmark: round_.benchmark})
    if not round_.submittable:
        (layout.submitter / DEMONSTRATION_FILE).write_text(render("demonstration.md.j2", round=round_))


def _copy(path: Path, into: Path) -> None:
    into.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copyfile(path, into)
    except OSError as error:
        raise InputError(f"{path}: cannot be copied into the tree ({error.strerror}).") from None


def _write_json(path: Path, values: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n")
