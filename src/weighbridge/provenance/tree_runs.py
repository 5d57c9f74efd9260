"""The scenarios of a tree, each with the records of its runs and its verdict."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from weighbridge.config.round import Round
from weighbridge.config.round_of_scenario import round_of_scenario
from weighbridge.config.scenario_rules import Mode
from weighbridge.records.run_record import RunRecord
from weighbridge.records.verdict import VERDICT, Verdict
from weighbridge.submission.checker.recorded_scenario import RecordedScenario
from weighbridge.submission.checker.tree_paths import rules_of, scenario_paths


@dataclass(frozen=True)
class TreeRuns:
    """One scenario of a tree, its run records by the runs' names, and its verdict."""

    scenario: RecordedScenario
    records: Mapping[str, RunRecord]
    verdict: Verdict

    @classmethod
    def read(cls, scenario: RecordedScenario) -> "TreeRuns":
        """Read the records.

        Raises:
            InputError: one is missing or damaged.
        """
        paths = {run: scenario.records / f"{run}.json" for run in scenario.rules.runs}
        return cls(
            scenario,
            # What the tree lacks of compliance runs, the verdict tells.
            {run: RunRecord.read(path) for run, path in paths.items() if run in [*Mode] or path.is_file()},
            Verdict.read(scenario.records / VERDICT),
        )

    @property
    def system(self) -> str:
        """Name of the system under test."""
        return self.scenario.system_records.name


def scenarios_of(tree: Path, round_: Round) -> Iterator[RecordedScenario]:
    """Yield the scenarios of the round's benchmark that a tree has, with records of their runs or without."""
    for path in scenario_paths(tree):
        rules = rules_of(path.scenario, round_)
        if rules is not None and path.benchmark in round_.tree_names:
            yield RecordedScenario(tree, path, rules, round_of_scenario(round_, rules.name))
