"""Build a submission tree from judged runs: in a temporary folder, moved into place when complete."""

import json
import logging
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from weighbridge.artifacts.manifest import Manifest, write_lock
from weighbridge.benchmarks.registry import load_benchmark
from weighbridge.config.closed_settings import Division
from weighbridge.config.round import Round
from weighbridge.config.round_of_scenario import other_samples, round_of_scenario
from weighbridge.config.scenario_rules import Mode, ScenarioRules
from weighbridge.config.settings import SubmissionSettings
from weighbridge.core.errors import InputError, InvalidRunError
from weighbridge.core.replaced_folder import replaced_folder
from weighbridge.gates.closed_checks import NO_INPUTS, Inputs
from weighbridge.gates.server_checks import reported_arguments_of
from weighbridge.records.notice import DEMONSTRATION_FILE
from weighbridge.records.run_record import RUN_RECORD, RunRecord
from weighbridge.records.score import ACCURACY_JSON
from weighbridge.records.verdict import VERDICT, Verdict
from weighbridge.submission.compliance_files import add_compliance
from weighbridge.submission.evidence import SCORE, copy_evidence
from weighbridge.submission.measurements import measurements, require_declaration
from weighbridge.submission.rendering import render
from weighbridge.submission.run_files import add_client_files, add_loadgen_files
from weighbridge.submission.sources import copy_benchmark, copy_sources
from weighbridge.submission.system_description import describe_system
from weighbridge.submission.tree import TreeLayout, check_tree, copy_file, manifest_of, pack
from weighbridge.submission.tree_records import (
    origin_of,
    published,
    run_in_tree,
    write_inputs,
    write_scenario,
)
from weighbridge.submission.verdict_requirement import require_verdict

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Judged:
    """One scenario of a run directory: its folder, verdict and run records by name, as they are published."""

    scenario: ScenarioRules
    folder: Path
    verdict: Verdict
    records: Mapping[str, RunRecord]

    @classmethod
    def read(cls, folder: Path, scenario: ScenarioRules, verdict: Verdict) -> "_Judged":
        return cls(
            scenario=scenario,
            folder=folder,
            verdict=verdict,
            records={
                name: _published(folder / run_in_tree(name, verdict))
                for name, run in scenario.runs.items()
                # The open division needs no compliance runs; in the closed one, the verdict tells.
                if run.compliance_test is None or (folder / name / RUN_RECORD).is_file()
            },
        )

    def run(self, name: str) -> Path:
        """Return the folder of a run by the name that it has in the tree."""
        return self.folder / run_in_tree(name, self.verdict)

    @property
    def performance(self) -> RunRecord:
        """The record of the performance run that is the result."""
        return self.records[Mode.PERFORMANCE]

    @property
    def compliance(self) -> list[str]:
        """Names of the compliance runs."""
        return [name for name in self.scenario.compliance_runs if name in self.records]


def _published(folder: Path) -> RunRecord:
    """Return a run's record as the tree carries it, with what only the server's logs report."""
    record = RunRecord.read(folder / RUN_RECORD)
    reported = reported_arguments_of(folder, record)
    server = record.server.model_copy(update={"reported_arguments": reported})
    return published(record if reported is None else record.model_copy(update={"server": server}))


def assemble(
    *,
    results: Path,
    destination: Path,
    originals: Path,
    round_: Round,
    settings: SubmissionSettings,
    source: Path | None,
    scenarios: Collection[str] | None = None,
    inputs: Inputs = NO_INPUTS,
    submitted_with: Sequence[str] = (),
) -> Manifest:
    """Build the submission tree of a round's scenarios, and return its manifest.

    Args:
        results: The run directory's results/, with runs, scores and verdicts.
        destination: The tree's folder; an older tree is replaced when the new one is complete. The archive
            (.tar.gz) and the checksums (.sha256) are written beside it.
        originals: The folder for files that must not be in the tree: the full accuracy logs, or the official
            client's log of events and answers, read-only, and their list (originals.json); the list of the
            tree's files (manifest.json), and the source of each field of the system description
            (system-sources.json).
        round_: The rules.
        settings: Submitter, system, division and stated facts.
        source: The project's root, whose files are copied into src/; None: the installed package.
        scenarios: Names of the scenarios; None: those that the round requires, and others with a verdict.
        inputs: What the runs were made from, which the tree carries.
        submitted_with: Arguments of `weighbridge submit` that make the same again, for the READMEs.

    Raises:
        InvalidRunError: the division is closed, and a gate failed or could not be decided. The open division
            accepts such runs, and its READMEs list the failed checks.
        InputError: a file is missing or belongs to another run, the system description is incomplete, or the
            closed division needs evidence or a declaration of the weights that is missing.
    """
    chosen = _chosen(results, round_, scenarios)
    missing = round_.missing_folders([rules.folder for rules in chosen])
    if missing and settings.division == "closed":
        raise InputError(
            f"{results}: round {round_.name} also needs {' and '.join(missing)}; measure and judge it first."
        )
    # Before their runs, of which some are not made where a verdict refuses.
    verdicts = [require_verdict(results / rules.name / VERDICT, round_, settings) for rules in chosen]
    judged = [
        _Judged.read(results / rules.name, rules, verdict)
        for rules, verdict in zip(chosen, verdicts, strict=True)
    ]
    for each in judged:
        if (aborted := each.performance.load.aborted) is not None:  # without a result, of any division
            raise InvalidRunError(f"{each.folder}: no tree is built from a run that ended early: {aborted}.")
    if round_.submittable:
        runs = [run for each in judged for run in each.records.values()]
        datasets = list(dict.fromkeys(rules.dataset for rules in chosen))
        require_declaration(round_, settings, inputs, runs, datasets)
    for folder in (originals, destination):
        _check_replaceable(folder)
    with replaced_folder(originals) as kept, replaced_folder(destination) as root:
        layout = TreeLayout(root, settings, round_)
        origin = origin_of(inputs.model)
        again = shlex.join([".venv/bin/weighbridge", "submit", *submitted_with])
        statement = measurements(settings.measurements, round_, judged[0].performance, origin)
        for each in judged:
            _add_scenario(
                each, layout, kept, statement, checkout=source is not None, origin=origin, again=again
            )
        sources = _add_system(judged[0].performance, layout)
        _add_texts(judged, layout, statement, source, again)
        write_inputs(layout.records, inputs, round_)
        check_tree(root)
        manifest = manifest_of(root)
        write_lock(kept / "originals.json", manifest_of(kept))
        write_lock(kept / "manifest.json", manifest)
        _write_json(kept / "system-sources.json", sources)
    archive = pack(destination, manifest)
    _log.info("%s packed as %s", destination, archive.name)
    _log.info("%s: %d files, %d bytes", destination, len(manifest.files), manifest.total_bytes)
    return manifest


def _check_replaceable(folder: Path) -> None:
    """Refuse a folder of something else, whose files would be deleted."""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if names and not names & set(get_args(Division)):
        raise InputError(f"{folder}: holds other files, which would be lost; use the path of a new folder.")


def _chosen(results: Path, round_: Round, scenarios: Collection[str] | None) -> list[ScenarioRules]:
    """Return the rules of the scenarios that the tree is to have."""
    if scenarios is not None:
        return [round_.scenario(name) for name in scenarios]
    return [
        rules
        for name, rules in round_.scenarios.items()
        if rules.required or (results / name / VERDICT).is_file()
    ]


def _add_scenario(
    judged: _Judged,
    layout: TreeLayout,
    originals: Path,
    statement: dict[str, str],
    *,
    checkout: bool,
    origin: str | None,
    again: str,
) -> None:
    """Add the logs, the score, the records and the description of one scenario; keep its whole answers."""
    target = layout.scenario(judged.scenario)
    performance, accuracy = (judged.run(mode) for mode in Mode)
    add_files = add_client_files if layout.round_.evidence == "endpoints" else add_loadgen_files
    add_files(judged.folder, performance, accuracy, target, originals / target.relative_to(layout.root))
    _write_json(target / "measurements.json", statement)
    readme = render(
        "scenario.md.j2",
        round=round_of_scenario(layout.round_, judged.scenario.name),
        scenario=judged.scenario,
        system=layout.settings.system,
        verdict=judged.verdict,
        performance=judged.performance,
        accuracy=judged.records[Mode.ACCURACY],
        compliance=judged.compliance,
        division=layout.settings.division,
        deviations=_deviations(judged),
        weights=statement,
        origin=origin,
        checkout=checkout,
        again=again,
    )
    (target / "README.md").write_text(readme)
    records = layout.records / judged.scenario.folder
    write_scenario(records, judged.records, judged.verdict)
    copy_file(judged.folder / ACCURACY_JSON, records / SCORE)
    for name in judged.compliance:
        add_compliance(judged.folder / name, judged.scenario.runs[name], target)
    for name in judged.records:
        for sentence in copy_evidence(judged.run(name), records / name):
            _log.warning("%s", sentence)


def _deviations(judged: _Judged) -> str:
    """Return the checks of the closed division that a scenario did not pass, as text."""
    return ", ".join(dict.fromkeys(check.name for check in judged.verdict.failed + judged.verdict.unknown))


def _add_system(record: RunRecord, layout: TreeLayout) -> dict[str, str]:
    """Add the system description; return the source of each field."""
    description = describe_system(settings=layout.settings, round_=layout.round_, record=record)
    _write_json(layout.system, description.values)
    return dict(description.sources)


def _add_texts(
    judged: list[_Judged], layout: TreeLayout, statement: dict[str, str], source: Path | None, again: str
) -> None:
    """Add the code that ran, the calibration note and, for a demonstration, the file that marks it."""
    round_, settings = layout.round_, layout.settings
    readme = render(
        "source.md.j2",
        round=round_,
        record=judged[0].performance,
        division=settings.division,
        deviations={each.scenario.folder: _deviations(each) for each in judged},
        checkout=source is not None,
        again=again,
    )
    copy_sources(source, layout.sources)
    copy_benchmark(load_benchmark(round_.benchmark).folder, layout.sources)
    (layout.sources / "README.md").write_text(readme)
    if settings.calibration is not None:
        copy_file(settings.calibration, layout.calibration)
    else:
        layout.calibration.parent.mkdir(parents=True)
        layout.calibration.write_text(render("calibration.md.j2", round=round_, measurements=statement))
    if settings.division == "open":
        _write_json(layout.submitter / "model_mapping.json", {round_.folder: round_.folder})
    if not round_.submittable:
        text = render("demonstration.md.j2", round=round_, other_samples=other_samples(round_))
        (layout.submitter / DEMONSTRATION_FILE).write_text(text)


def _write_json(path: Path, values: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n")
