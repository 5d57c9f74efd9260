"""What the runs of a scenario are: performance runs, of a compliance test, at a share of another run's rate.

In:  ROUND, PLANNED, RUNS, ASKED
Out: COMPLIANCE_RUNS, PERFORMANCE_RUNS, compliance_test(), compliance_files(), share_of_offline(), evidence_files()
"""

from weighbridge.config.scenario_rules import Mode, number_of_repeat
from weighbridge.records import run_record
from weighbridge.records.official_client import (
    CLIENT_FILES,
    CLIENT_FOLDER,
    PHASE_ANSWERS,
)

COMPLIANCE_RUNS = {
    name: list(scenario.compliance_runs) for name, scenario in PLANNED.items()
}
# The first of each scenario, and the repeats that the settings ask for.
PERFORMANCE_RUNS = {
    name: [
        run
        for of, run in RUNS
        if of == name and (run == "performance" or number_of_repeat(run))
    ]
    for name in PLANNED
}


def compliance_test(scenario, run):
    """Return the option that makes a run one of a compliance test."""
    test = ROUND.scenarios[scenario].rules_of(run).compliance_test
    return ["--compliance-test", test] if test else []


def compliance_files(scenario):
    """Return what the verdict on a scenario needs of its compliance runs."""
    return [
        file
        for run in COMPLIANCE_RUNS[scenario]
        for file in (
            run_of_verdict(scenario, run),
            f"results/{scenario}/{run}/verify_accuracy.txt",
        )
    ]


def share_of_offline(scenario):
    """Return the share of the Offline run's rate that a scenario asks for; None: it asks for another rate."""
    return offline_share(ASKED[scenario].target_qps)


def evidence_files(run):
    """Return the names of a run's files that a command wants which asks for all runs."""
    if ROUND.evidence == "loadgen":
        return run_record.RUN_RECORD, run_record.DETAIL, run_record.ANSWERS
    if run == Mode.ACCURACY:
        return run_record.RUN_RECORD, PHASE_ANSWERS
    return run_record.RUN_RECORD, *(str(CLIENT_FOLDER / file) for file in CLIENT_FILES)
