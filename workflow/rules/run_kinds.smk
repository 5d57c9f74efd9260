"""What the runs of a scenario are: of a compliance test, at a share of another run's rate.

In:  ROUND, PLANNED, ASKED
Out: COMPLIANCE_RUNS, compliance_test(), compliance_files(), share_of_offline()
"""

COMPLIANCE_RUNS = {
    name: list(scenario.compliance_runs) for name, scenario in PLANNED.items()
}


def compliance_test(scenario, run):
    """Return the option that makes a run one of a compliance test."""
    test = ROUND.scenarios[scenario].runs[run].compliance_test
    return ["--compliance-test", test] if test else []


def compliance_files(scenario):
    """Return what the verdict on a scenario needs of its compliance runs."""
    return [
        f"results/{scenario}/{run}/{name}"
        for run in COMPLIANCE_RUNS[scenario]
        for name in ("run.json", "verify_accuracy.txt")
    ]


def share_of_offline(scenario):
    """Return the share of the Offline run's rate that a scenario asks for; None: it asks for another rate."""
    return offline_share(ASKED[scenario].target_qps)
