"""A scenario of a tree whose result is one of the official endpoints client, with its rules."""

from dataclasses import dataclass, replace
from pathlib import Path

from weighbridge.benchmarks.rounds import round_of_official_client
from weighbridge.config.round import Round
from weighbridge.config.round_of_scenario import round_of_scenario
from weighbridge.config.scenario_rules import ScenarioRules
from weighbridge.endpoints.client_results import ClientResults
from weighbridge.endpoints.written_config import WrittenConfig
from weighbridge.records.official_client import WRITTEN_CONFIG
from weighbridge.submission.checker.tree_paths import ScenarioPath, canonical_folder, rules_of

OTHER_CONFIG = Path("config.yml")


@dataclass(frozen=True)
class ClientScenario:
    """A scenario's folder with the client's result, and its rules.

    Attributes:
        path: The folder.
        round_: The round as it holds for the scenario.
        rules: The scenario.
    """

    path: ScenarioPath
    round_: Round
    rules: ScenarioRules

    def results(self) -> ClientResults:
        """Read what the client wrote.

        Raises:
            InputError: a file is damaged.
        """
        results, config = ClientResults.read(self.path.folder), written_config(self.path.folder)
        if results.config is None and config.is_file():
            return replace(results, config=WrittenConfig.read(config))
        return results


def written_config(folder: Path) -> Path:
    """Return the client's configuration by the name that it has there; the official checker takes both."""
    own, other = folder / WRITTEN_CONFIG, folder / OTHER_CONFIG
    return other if other.is_file() and not own.is_file() else own


def is_of_client(path: ScenarioPath, round_: Round) -> bool:
    """Return whether a scenario's result must be one of the official client.

    In a round of LoadGen's it is where the round accepts these too, and no log of LoadGen is there.
    """
    if canonical_folder(path.scenario, round_) is None:
        return False
    return round_.evidence == "endpoints" or ("endpoints" in round_.also_proven_by and path.without_logs)


def client_scenario(path: ScenarioPath, round_: Round) -> ClientScenario | None:
    """Return a scenario whose result is one of the client; None: no round has rules for it.

    For a round of LoadGen's these are in the benchmark's round that is measured with the client.
    """
    own = round_ if round_.evidence == "endpoints" else round_of_official_client(round_)
    rules = rules_of(path.scenario, own) if own is not None else None
    if own is None or rules is None:
        return None
    return ClientScenario(path, round_of_scenario(own, rules.name), rules)
