"""Judge results from any source, of LoadGen or of the official client, as a round's evidence says."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode, ScenarioRules
from weighbridge.gates.closed_checks import NO_INPUTS, Inputs
from weighbridge.gates.find_client_runs import find_client_runs
from weighbridge.gates.find_loadgen_runs import find_runs, repeats_of_runs
from weighbridge.gates.judge import judge
from weighbridge.gates.log_places import Runs
from weighbridge.records.score import ACCURACY_JSON, Evaluation
from weighbridge.records.verdict import Verdict


@dataclass(frozen=True)
class JudgedLogs:
    """The verdicts on each system by its name, and what was not judged, in words."""

    systems: dict[str, tuple[Verdict, ...]]
    skipped: tuple[str, ...]

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Return the verdicts on all systems."""
        return tuple(verdict for of in self.systems.values() for verdict in of)


def judge_logs(
    folder: Path, round_: Round, inputs: Inputs = NO_INPUTS, *, strict: bool = False
) -> JudgedLogs:
    """Judge every scenario of every system that has results anywhere under a folder; the rest as for `judge`.

    Raises:
        InputError: there are no results of the round's benchmark, two runs of one system, scenario and mode,
            or a file that cannot be read.
    """
    find = find_client_runs if round_.evidence == "endpoints" else find_runs
    found = find(folder, round_)
    systems = {
        system: tuple(_judged(runs, round_, inputs, strict=strict)) for system, runs in found.systems.items()
    }
    return JudgedLogs(systems, found.skipped)


def _judged(runs: Runs, round_: Round, inputs: Inputs, *, strict: bool) -> Iterator[Verdict]:
    for scenario, of in sorted(runs.items()):
        yield judge(
            performance=of.get(Mode.PERFORMANCE),
            accuracy=of.get(Mode.ACCURACY),
            evaluation=_evaluation(of.get(Mode.ACCURACY)),
            round_=round_,
            scenario=round_.scenarios[scenario],
            inputs=inputs.of_dataset(round_.scenarios[scenario].dataset),
            compliance=_compliance(of, round_.scenarios[scenario]),
            strict=strict,
            repeats=repeats_of_runs(of),
        )


def _compliance(of: Mapping[Mode, Path], scenario: ScenarioRules) -> dict[str, Path]:
    """Return the compliance runs that lie beside a scenario's ordinary ones, by their names."""
    # The nearest last: it is the one that counts.
    beside = [path for run in of.values() for path in (run.parent.parent, run.parent)]
    nearest_last = sorted(dict.fromkeys(beside), key=lambda path: len(path.parts))
    return {
        name: path / name
        for name in scenario.compliance_runs
        for path in nearest_last
        if (path / name).is_dir()
    }


def _evaluation(accuracy: Path | None) -> Evaluation | None:
    """Read the accuracy.json that `weighbridge evaluate` wrote into the run's folder or its parent."""
    if accuracy is None:
        return None
    places = (accuracy / ACCURACY_JSON, accuracy.parent / ACCURACY_JSON)
    return next((Evaluation.read(place) for place in places if place.is_file()), None)
