"""A valid pair of runs that a test changes before it is judged."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loadgen_files import evaluation_of, record_values, seal, small_round, write_run
from request_files import request_log, with_products

from weighbridge.client.request_log import write_parquet
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode
from weighbridge.gates import Inputs, judge
from weighbridge.records.score import Evaluation
from weighbridge.records.verdict import Verdict

DEMONSTRATION = small_round()
HELD = small_round(submittable=True)


class Pair:
    """Both runs of a scenario on disk; their run.json is written anew, with all hashes, before judging."""

    def __init__(self, root: Path, round_: Round = HELD, scenario: str = "server") -> None:
        self.root, self.round, self.scenario = root, round_, scenario
        for mode in Mode:
            write_run(root / "results", round_, scenario, mode)
        self.records = {mode: record_values(round_, scenario, mode) for mode in Mode}
        self.logs = {mode: request_log(round_.samples, mode) for mode in Mode}
        self.evaluation: Evaluation | None = evaluation_of(
            round_, self.folder(Mode.ACCURACY) / "mlperf_log_accuracy.json"
        )
        self.scored = True

    def folder(self, mode: Mode) -> Path:
        return self.root / "results" / self.scenario / mode

    def change(self, mode: Mode, change: Callable[[Any], Any]) -> None:
        """Change a run's request log: in place, or by what the function returns."""
        changed = change(self.logs[mode])
        if changed is not None:
            self.logs[mode] = changed
        write_parquet(self.logs[mode], self.folder(mode) / "requests.parquet")

    def judged(self) -> Verdict:
        """Write run.json of both runs, and judge them."""
        for mode in Mode:
            seal(self.folder(mode), json.loads(json.dumps(self.records[mode])))
        return self.judged_as_it_is()

    def judged_as_it_is(self) -> Verdict:
        inputs = Inputs()
        if self.scored:
            inputs = with_products(inputs, self.root / "products", self.round.samples)
        return judge(
            performance=self.folder(Mode.PERFORMANCE),
            accuracy=self.folder(Mode.ACCURACY),
            evaluation=self.evaluation,
            round_=self.round,
            scenario=self.round.scenarios[self.scenario],
            inputs=inputs,
        )

    def found(self) -> tuple[set[str], set[str]]:
        """Return the names of the failed and of the unknown checks, each of which has a remedy."""
        verdict = self.judged()
        assert all(check.remedy for check in (*verdict.failed, *verdict.unknown))
        return {check.name for check in verdict.failed}, {check.name for check in verdict.unknown}
