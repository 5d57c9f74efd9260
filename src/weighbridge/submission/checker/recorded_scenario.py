"""A scenario of a tree with the places of its records, for the rules on these."""

import math
from dataclasses import dataclass
from pathlib import Path

from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import ScenarioRules
from weighbridge.records.check_record import Complaint, Level
from weighbridge.submission.checker.client_scenario import is_of_client
from weighbridge.submission.checker.tree_paths import AGAIN, ScenarioPath, complaint_at
from weighbridge.submission.tree import RECORDS

_AGREE = 1e-9


@dataclass(frozen=True)
class RecordedScenario:
    """A scenario of a tree, and the folder of its records; the round is as it holds for the scenario."""

    tree: Path
    path: ScenarioPath
    rules: ScenarioRules
    round_: Round

    @property
    def sources(self) -> Path:
        """Return the folder of the code."""
        return self.path.folder.parents[3] / "src" / self.path.benchmark

    @property
    def system_records(self) -> Path:
        """Return the folder of the records of this system."""
        return self.sources / RECORDS / self.path.folder.parents[1].name

    @property
    def records(self) -> Path:
        """Return the folder of this scenario's records."""
        # As assembled, also where the folder of the results was renamed to lower case.
        return self.system_records / self.rules.folder

    @property
    def by_client(self) -> bool:
        """Whether the official endpoints client made the result, not LoadGen."""
        return is_of_client(self.path, self.round_)

    @property
    def level(self) -> Level:
        """Return the level of what the closed division's rules forbid: other divisions only say it."""
        return "error" if self.path.division == "closed" else "warning"

    def are_equal(self, stated: float | None, found: float) -> bool:
        """Return whether a figure is the same in two places; the client adds in an order of its own."""
        if stated is None:
            return False
        return math.isclose(stated, found, rel_tol=_AGREE) if self.by_client else stated == found

    def tell(self, path: Path, said: str, remedy: str = AGAIN, level: Level = "error") -> Complaint:
        """Return a complaint about a file or folder of the tree."""
        return complaint_at(self.tree, path, said, remedy, level)
