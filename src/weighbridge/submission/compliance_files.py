"""The files of a compliance run in a tree: its logs, and what the official script wrote of it.

    <Scenario>/TEST06/verify_accuracy.txt
    <Scenario>/TEST06/accuracy/mlperf_log_accuracy.json             whole: no tool truncates it
    <Scenario>/TEST06/performance/run_1/mlperf_log_detail.txt, mlperf_log_summary.txt

The official checkers need the first two; with the others, and the records of the run, it can be judged again.
"""

from pathlib import Path

from weighbridge.config.scenario_rules import RunRules
from weighbridge.core.errors import InvalidRunError
from weighbridge.gates.token_consistency import VERIFICATION
from weighbridge.submission.tree import copy_file, run_logs


def add_compliance(run: Path, rules: RunRules, scenario: Path) -> None:
    """Copy a compliance run's files into the folder of its scenario in a tree.

    Args:
        run: The run's folder.
        rules: Its rules.
        scenario: The scenario's folder in the tree.

    Raises:
        InputError: a file cannot be copied.
        InvalidRunError: nobody has verified the run.
    """
    if not (run / VERIFICATION).is_file():
        raise InvalidRunError(f"{run}: has no {VERIFICATION}; `weighbridge verify-compliance` writes it.")
    for name, path in run_logs(scenario, rules).items():
        copy_file(run / name, path)
    copy_file(run / VERIFICATION, scenario / rules.kind / VERIFICATION)
