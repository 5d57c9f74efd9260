"""Runs that follow each other on one machine: one at a time, on one server, which waits only for runs to come.

In:  RUNS, IS_TOP_SNAKEMAKE, PEAK, tell_failures(), ask_for_downloads(); the jobs that are to be made
Out: RUN_RECORD, RUN_RECORDS, CLIENT_RECORD, MMLU, MEASURED_MMLU, BESIDE_SNAKEMAKE; the note of the runs to come in the
     environment of the jobs, without which a server is kept for server.keep_s; after a failure, the finished runs of a
     group of jobs

The top Snakemake of a machine notes its runs: the one that a user started for the jobs on its machine, the one
of a Slurm job for its job or group, which is all that can use a server there.
"""

from itertools import takewhile

from snakemake.target_jobs import parse_target_jobs_cli_args

from weighbridge.config.scenario_rules import Mode
from weighbridge.records.quality_answers import MEASURED as ASKED_ALL
from weighbridge.records.quality_answers import MMLU_FOLDER
from weighbridge.run.later_runs import forget_runs, note_runs, put_back_runs

RUN_RECORD = "results/{scenario}/{run}/run.json"
RUN_RECORDS = [RUN_RECORD.format(scenario=scenario, run=run) for scenario, run in RUNS]
# Of the official client's job, which makes both runs of a scenario.
CLIENT_RECORD = f"results/{{scenario}}/{Mode.PERFORMANCE}/run.json"
MMLU = f"results/{MMLU_FOLDER}"
MEASURED_MMLU = f"{MMLU}/{ASKED_ALL}"
REPLACED = Path("replaced")
MEASURED = {
    name_of(rule): record
    for rule, record in {
        "benchmark": RUN_RECORD,
        "official_client": CLIENT_RECORD,
        "search_peak": PEAK,
        "measure_mmlu": MEASURED_MMLU,
    }.items()
}


def jobs_of_command():
    """Return the jobs that Snakemake's command line names, as one that runs in a job of a cluster has it."""
    if "--target-jobs" not in sys.argv:
        return []
    after = sys.argv[sys.argv.index("--target-jobs") + 1 :]
    named = parse_target_jobs_cli_args(
        list(takewhile(lambda word: not word.startswith("--"), after))
    )
    return [(job.rulename, job.wildcards_dict) for job in named]


def jobs_to_make():
    """Return the jobs that this Snakemake is going to make."""
    return [(job.rule.name, job.wildcards_dict) for job in workflow.dag.needrun_jobs()]


def note_measured(jobs):
    """Note the records of those jobs that measure; `jobs` returns a rule's name and its wildcards of each."""
    try:
        measured = [job for job in jobs() if job[0] in MEASURED]
        note_runs(
            [MEASURED[rule].format(**wildcards) for rule, wildcards in measured],
            REPLACED,
        )
    except Exception as error:
        # Nothing of Snakemake's that is not as expected may end a workflow for a note.
        logger.warning(f"servers are kept for the time of server.keep_s: {error!r}")
        forget_runs()


# Jobs of one allocation measure one after the other, however many cores it has; the limit is the profile's.
resource_scopes:
    measuring="local",


BESIDE_SNAKEMAKE = {}
if not workflow.is_main_process:
    # Snakemake does not pass the limit on to the process that runs in the allocation.
    workflow.register_resource("measuring", 1)
    if len(jobs_of_command()) > 1:
        # The Slurm plug-in starts each job of a group as a step of its own, and with a step Slurm ends all that
        # it has started. Jobs that have this resource start beside Snakemake itself, and their server stays.
        BESIDE_SNAKEMAKE = {"mpi": 0}
if IS_TOP_SNAKEMAKE:
    # What is noted so far is not of this machine, such as the runs of the host that submitted this job.
    forget_runs()
    if not workflow.is_main_process:
        note_measured(jobs_of_command)


onstart:
    check_interpreter()
    ask_for_downloads()
    note_measured(jobs_to_make)
    note_targets()


onsuccess:
    forget_not_made(Path("results"))


onerror:
    forget_not_made(Path("results"))
    for record in put_back_runs(REPLACED):
        logger.info(f"{record}: is finished, and kept")
    tell_failures()
