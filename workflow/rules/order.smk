"""In which order the runs are made, and which are not worth their GPU time: what fails, fails early.

In:  ROUND, RAISED, ASKED, RUNS, PERFORMANCE_RUNS, SCENARIOS, SEARCHED, DIVISION; the targets of the command
Out: PRIORITIES, QUALITY, asks_for_quality(), after_performance(), note_targets(), expected_min()
"""

from weighbridge.loadgen.work_size import work_of_run

TREE_VARIABLE = "WEIGHBRIDGE_FOR_A_TREE"
# Targets that need a tree which the checker accepts: rules, and files below results/.
TREE_RULES = set(
    map(
        name_of,
        ("assemble", "attest", "check", "check_tree", "crate", "submission"),
    )
)
TREE_FILES = {
    "attestation.json",
    "check.txt",
    "ro-crate-metadata.json",
    "submission",
    "submission.sha256",
    "submission.tar.gz",
}
TREE_TARGETS = TREE_RULES | {f"results/{name}" for name in TREE_FILES}
QUALITY = "results/quality"
QUALITY_RULES = set(
    map(name_of, ("quality", "measure_mmlu", "score_mmlu", "check_mmlu"))
)


def asked_targets():
    """Return what this command asks for: those of the model's quality, and the others."""
    named = set(map(str, workflow.dag_settings.targets))
    of_quality = {
        name for name in named if name in QUALITY_RULES or name.startswith(QUALITY)
    }
    return of_quality, named - of_quality


def asks_for_quality():
    """Return whether this command asks for the model's quality."""
    of_quality, _ = asked_targets()
    return bool(of_quality)


def for_a_tree():
    """Return whether this command asks for no runs but those of a tree that the checker accepts."""
    if not workflow.is_main_process:
        # The Snakemake of a job on another host knows no target but its own.
        return TREE_VARIABLE in os.environ
    _, others = asked_targets()
    return DIVISION == "closed" and TREE_TARGETS.issuperset(others)


def note_targets():
    """Note for jobs on other hosts whether this command asks for nothing but a tree."""
    os.environ.pop(TREE_VARIABLE, None)
    if for_a_tree():
        os.environ[TREE_VARIABLE] = "yes"


def after_performance(scenario, run):
    """Return the options by which another run is not made after performance runs that do not count.

    A searched rate needs none where there is one such run, which confirmed it.
    """
    made = PERFORMANCE_RUNS[scenario]
    earlier = made[: made.index(run)] if run in made else made
    if not earlier or (scenario in SEARCHED and len(made) == 1) or not for_a_tree():
        return []
    folders = [f"--after=results/{scenario}/{performance}" for performance in earlier]
    return [*folders, *(["--of-runs", str(len(made))] if len(made) > 1 else [])]


def order_of(scenario, run):
    """Return where a run stands among all: the cheapest proof first, then compliance tests, accuracy last.

    Offline comes first, because its rate is where a search starts, and what it misses the others miss too.
    Performance runs of a scenario follow each other: they are compared, and a machine changes with time.
    """
    rules, asked = RAISED[scenario].scenarios[scenario], ASKED[scenario].target_qps
    # A searched rate, and a share of the Offline run's, are not known yet.
    kind, known = rules.rules_of(run), isinstance(asked, float)
    size = work_of_run(RAISED[scenario], rules, kind, asked if known else 1.0)
    place = 2 if kind.mode == "accuracy" else int(kind.compliance_test is not None)
    # Of scenarios alike, the order is that of the runs.
    alike = -SCENARIOS.index(scenario), number_of_repeat(run) or 1
    return place, not rules.offline, not known, size.scheduled_s, *alike


def expected_min(scenario, run):
    """Return how many minutes a run takes at its target rate, for those who read a dry run.

    `weighbridge plan` adds them up, and says more.
    """
    asked = ASKED[scenario].target_qps
    if not isinstance(asked, float):
        return 0
    round_, rules = RAISED[scenario], RAISED[scenario].scenarios[scenario]
    return round(
        work_of_run(round_, rules, rules.rules_of(run), asked).scheduled_s / 60
    )


# Above those of jobs that need no GPU: these wait, and a server does not.
PRIORITIES = {
    run: 2 + place
    for place, run in enumerate(
        sorted(RUNS, key=lambda run: order_of(*run), reverse=True)
    )
}
