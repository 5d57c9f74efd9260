"""In which order the runs are made, and which are not worth their GPU time: what fails, fails early.

In:  ROUND, RAISED, ASKED, RUNS, PERFORMANCE_RUNS, SCENARIOS, SEARCHED, DIVISION, RUN_RECORD; the targets of the command
Out: PRIORITIES, QUALITY, asks_for_quality(), after_performance(), stop_option(), run_files(), run_records(),
     score_records(), run_of_verdict(), note_targets(), expected_min()

A further run at a rate that failed, such as that of accuracy, costs hours and shows nothing, so it is made only where
somebody asks for it by name: its score, its record, or the verdict on its scenario. What asks for all runs,
such as `verdicts` and `submission`, gets a verdict that says why it was not made. That is known when the
performance run has ended, and not when Snakemake plans; so the run's job is planned and looks at the performance
run first. A checkpoint would hide the run from a dry run, and from the server that waits for it.
"""

from weighbridge.endpoints.work_of_rounds import work_of_run
from weighbridge.records.not_made import forget_not_made, not_made
from weighbridge.records.verdict import VERDICT, runs_not_made

# For the Snakemake of jobs on other hosts: the runs that may be left out, such as server/accuracy, as words.
LEFT_OUT_VARIABLE = "WEIGHBRIDGE_MAY_BE_LEFT_OUT"
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


def earlier_performance(scenario, run):
    """Return the performance runs that come before a run and could show that it is not worth its time.

    A searched rate needs none where there is one such run, which confirmed it.
    """
    made = PERFORMANCE_RUNS[scenario]
    if scenario in SEARCHED and len(made) == 1:
        return []
    return made[: made.index(run)] if run in made else made


def asked_by_name(scenario, run):
    """Return whether this command names a run, what is made of it, or the scenario's verdict."""
    _, others = asked_targets()
    folder = f"results/{scenario}"
    of_run = {f"{folder}/{VERDICT}"}
    if run == "accuracy":
        of_run |= {f"{folder}/accuracy.txt", f"{folder}/accuracy.json"}
    return any(
        name in of_run
        or name == f"{folder}/{run}"
        or name.startswith(f"{folder}/{run}/")
        for name in others
    )


def may_be_left_out(scenario, run):
    """Return whether a run is not made where the performance run before it does not count.

    A tree of the open division takes runs that failed, and needs them all. The official client makes both runs of a
    scenario at once.
    """
    if not workflow.is_main_process:
        # The Snakemake of a job on another host knows no target but its own.
        return f"{scenario}/{run}" in os.environ.get(LEFT_OUT_VARIABLE, "").split()
    return (
        DIVISION == "closed"
        and ROUND.evidence == "loadgen"
        and earlier_performance(scenario, run)
        and not asked_by_name(scenario, run)
    )


def note_targets():
    """Note for jobs on other hosts which runs may be left out."""
    if workflow.is_main_process:
        os.environ[LEFT_OUT_VARIABLE] = " ".join(
            f"{scenario}/{run}"
            for scenario, run in RUNS
            if may_be_left_out(scenario, run)
        )


def after_performance(scenario, run):
    """Return the options by which a run is not made after performance runs that do not count."""
    if not may_be_left_out(scenario, run):
        return []
    folders = [
        f"--after=results/{scenario}/{performance}"
        for performance in earlier_performance(scenario, run)
    ]
    count = len(PERFORMANCE_RUNS[scenario])
    return [*folders, *(["--of-runs", str(count)] if count > 1 else [])]


def stop_option(searches=False):
    """Return the option that ends a run which cannot pass any more, or a search's; None: as it fits the round."""
    stop = SETTINGS.stop_when_lost
    if searches:
        return ["--no-stop-when-lost"] if stop is False else []
    ends = not ROUND.held_to_rules if stop is None else stop
    return ["--stop-when-lost"] if ends else []


def left_out(scenario):
    """Return the runs that the verdict on a scenario was made without, and that nobody has made since."""
    folder = Path("results") / scenario
    records = {
        run: folder / run / "run.json" for run in runs_not_made(folder / VERDICT)
    }
    return [
        run
        for run, record in records.items()
        if not record.exists() or not_made(record) is not None
    ]


def wanted_runs():
    """Return the runs that a command wants which asks for all; one that was left out, by name alone."""
    without = {scenario: left_out(scenario) for scenario in SCENARIOS}
    return [
        (scenario, run)
        for scenario, run in RUNS
        if run not in without[scenario] or asked_by_name(scenario, run)
    ]


def run_files(wildcards):
    """Return the files of all runs that a command wants which asks for all.

    Asked for by name, because Snakemake does not remake a deleted file that only others needed.
    """
    return [
        f"results/{scenario}/{run}/{name}"
        for scenario, run in wanted_runs()
        for name in evidence_files(run)
    ]


def run_records(wildcards):
    """Return the records of all runs that a command wants which asks for all."""
    return [
        RUN_RECORD.format(scenario=scenario, run=run) for scenario, run in wanted_runs()
    ]


def score_records(wildcards):
    """Return the scores of the scenarios whose accuracy run is wanted."""
    return [
        f"results/{scenario}/accuracy.json"
        for scenario, run in wanted_runs()
        if run == "accuracy"
    ]


def run_of_verdict(scenario, run):
    """Return the record of a run that a verdict is made of; a run that was left out is made where it is named.

    Snakemake makes no verdict again that is there, for an input that is not.
    """
    record = RUN_RECORD.format(scenario=scenario, run=run)
    if (
        workflow.is_main_process
        and asked_by_name(scenario, run)
        and run in left_out(scenario)
    ):
        workflow.dag.forcefiles.add(record)
    return record


if (
    workflow.is_main_process
    and not workflow.dryrun
    and not any(Path(".snakemake/locks").glob("*"))
):
    # Of a command that was killed.
    forget_not_made(Path("results"))


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


def expected_min(scenario, *runs):
    """Return how many minutes runs take at their target rate, for those who read a dry run.

    `weighbridge plan` adds them up, and says more.
    """
    asked = ASKED[scenario].target_qps
    if not isinstance(asked, float):
        return 0
    round_, rules = RAISED[scenario], RAISED[scenario].scenarios[scenario]
    sizes = [work_of_run(round_, rules, rules.rules_of(run), asked) for run in runs]
    return round(sum(size.scheduled_s for size in sizes) / 60)


# Above those of jobs that need no GPU: these wait, and a server does not.
PRIORITIES = {
    run: 2 + place
    for place, run in enumerate(
        sorted(RUNS, key=lambda run: order_of(*run), reverse=True)
    )
}
