"""Find results of the official client, which scenario by the folders' names, else by its configuration."""

from collections.abc import Iterable
from pathlib import Path

from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode, ScenarioRules
from weighbridge.core.errors import InputError
from weighbridge.core.files import sha256_of
from weighbridge.endpoints.written_config import WrittenConfig
from weighbridge.gates.log_places import FoundLogs, Runs, sort_logs
from weighbridge.records.official_client import (
    ACCURACY_RESULTS,
    CLIENT_FOLDER,
    RESULT_SUMMARY,
    WRITTEN_CONFIG,
    client_folder,
)
from weighbridge.records.run_record import REPLACED_FOLDER, RUN_RECORD

_RESULTS = (RESULT_SUMMARY, ACCURACY_RESULTS)


def find_client_runs(folder: Path, round_: Round) -> FoundLogs:
    """Find the runs under a folder, identified by the client's results.

    In a submission tree, or a part of one, the names of system and benchmark come from the path; results of
    other benchmarks are left out. Results elsewhere are those of one system. Both phases of a run that
    Weighbridge made have a folder of their own; others publish them as one.

    Raises:
        InputError: there are no results of the round's benchmark, or two of one system and scenario.
    """
    if not folder.is_dir():
        said = "is not a folder; unpack an archive first" if folder.exists() else "no such folder"
        raise InputError(f"{folder}: {said}; pass the folder of the client's results.")
    systems: dict[str, Runs] = {}
    # The path of a report's scores is that of a run in a tree, which names its benchmark and system.
    reports = {report / ACCURACY_RESULTS: report for report in _reports(folder)}
    # Original run folders first: they hold run.json, which copies in a submission tree lack.
    ordered = sorted(reports, key=lambda path: (not _is_recorded(reports[path]), path))
    found = sort_logs(ordered, folder, round_.tree_names)
    for path in found.own:
        _add(systems.setdefault(folder.resolve().name, {}), reports[path], folder, round_)
    known = dict(next(iter(systems.values()), {}))
    for path, system in found.placed:
        ours = known.get(_scenario_of(reports[path], round_).name, {}).get(Mode.PERFORMANCE)
        if ours is None or not _same(client_folder(ours), reports[path]):
            _add(systems.setdefault(system, {}), reports[path], folder, round_)
    if not systems:
        left = f" ({'; '.join(found.skipped)})" if found.skipped else ""
        raise InputError(
            f"{folder}: no {RESULT_SUMMARY} of {round_.folder} in it or below{left}; pass the folder of the "
            "official client's results, or name a round whose evidence is LoadGen's logs."
        )
    return FoundLogs(dict(sorted(systems.items())), found.skipped)


def _reports(folder: Path) -> set[Path]:
    """Return the folders of the client's results, without those of replaced runs."""
    found: Iterable[Path] = (
        path.parent.parent
        for name in _RESULTS
        for path in folder.rglob(name.name)
        if path.parent.name == name.parent.name
    )
    return {path for path in found if REPLACED_FOLDER not in path.relative_to(folder).parts}


def _is_recorded(report: Path) -> bool:
    """Return whether a report lies in a run that Weighbridge made."""
    return report.name == CLIENT_FOLDER.name and (report.parent / RUN_RECORD).is_file()


def _add(runs: Runs, report: Path, folder: Path, round_: Round) -> None:
    """Add a report to the runs of its system; a copy of one that is there already counts once."""
    scenario = _scenario_of(report, round_)
    of = runs.setdefault(scenario.name, {})
    if (there := of.get(Mode.PERFORMANCE)) is not None:
        if not _same(client_folder(there), report):
            raise InputError(
                f"{folder}: two {scenario.folder} results, {client_folder(there)} and {report}; pass a "
                "folder that holds one of them."
            )
    elif _is_recorded(report):
        of[Mode.PERFORMANCE] = report.parent
        accuracy = report.parent.parent / Mode.ACCURACY
        if (accuracy / RUN_RECORD).is_file():
            of[Mode.ACCURACY] = accuracy
    else:
        of[Mode.PERFORMANCE] = report
        if (report / ACCURACY_RESULTS).is_file():
            of[Mode.ACCURACY] = report


def _same(first: Path, second: Path) -> bool:
    """Return whether two reports are one and its copy, such as that in a submission tree."""
    return all(_content(first / name) == _content(second / name) for name in _RESULTS)


def _content(path: Path) -> str | None:
    return sha256_of(path) if path.is_file() else None


def _scenario_of(report: Path, round_: Round) -> ScenarioRules:
    """Return the scenario that the innermost folder names, or else the one that was configured.

    Raises:
        InputError: it is none of the round's.
    """
    rounds = round_.scenarios.values()
    named = {name.casefold(): rules for rules in rounds for name in (rules.name, rules.folder)}
    for part in reversed(report.resolve().parts):
        if (rules := named.get(part.casefold())) is not None:
            return rules
    path = report / WRITTEN_CONFIG
    config = WrittenConfig.read(path) if path.is_file() else WrittenConfig()
    configured = config.settings.load_pattern.type, {each.name for each in config.of_type("performance")}
    for rules in rounds:
        if rules.endpoints and configured == (rules.endpoints.load_pattern, {rules.endpoints.dataset}):
            return rules
    known = ", ".join(rules.folder for rules in rounds)
    raise InputError(
        f"{report}: neither its path nor its {WRITTEN_CONFIG} is of one of the round's scenarios, {known}; "
        "put it into a folder that is named after its scenario."
    )
