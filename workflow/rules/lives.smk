"""What a kept server may wait for: the runs that this Snakemake will make, noted for its jobs.

In:  RUN_RECORD, PEAK: what the rules that measure write first; the jobs that are to be made
Out: the note in the environment of the jobs; without one, a server is kept for server.keep_s

Each Snakemake notes its own: the one that a user started for the jobs on its machine, the one of a Slurm job for
its job or group, which is all that can use a server there.
"""

from itertools import takewhile

from snakemake.target_jobs import parse_target_jobs_cli_args

from weighbridge.run.later_runs import forget_runs, note_runs, put_back_runs

MEASURED = {"benchmark": RUN_RECORD, "search_peak": PEAK}


def jobs_of_command(words):
    """Return the jobs that a command line of Snakemake names, as one that runs in a job has it."""
    after = words[words.index("--target-jobs") + 1 :]
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
        note_runs(
            MEASURED[rule].format(**wildcards)
            for rule, wildcards in jobs()
            if rule in MEASURED
        )
    except Exception as error:
        # Nothing of Snakemake's that is not as expected may end a workflow for a note.
        logger.warning(f"servers are kept for the time of server.keep_s: {error!r}")
        forget_runs()


# The note of the Snakemake that submitted this job is not of this allocation.
forget_runs()
if not workflow.is_main_process:
    note_measured(lambda: jobs_of_command(sys.argv))


onstart:
    note_measured(jobs_to_make)
    note_targets()


onerror:
    for record in put_back_runs(Path("replaced")):
        logger.info(f"{record}: is finished, and kept")
