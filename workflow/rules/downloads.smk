"""Consent to a large download, before any job.

In:  KINDS, SETTINGS.artifacts; the jobs that are to be made
Out: ask_for_downloads()
"""

from weighbridge.core.terminal import consents

FETCH = name_of("fetch")


def from_root(kind):
    """Return an artifact with the path of its lock, which starts at the project's root."""
    artifact = SETTINGS.artifacts.by_name[kind]
    lock = artifact.manifest and ROOT / artifact.manifest
    return artifact.model_copy(update={"manifest": lock})


def ask_for_downloads():
    """Announce a large download before any job, and end where nobody consents to it."""
    kinds = {
        job.wildcards.kind
        for job in workflow.dag.needrun_jobs()
        if job.rule.name == FETCH
    } & set(KINDS)
    if SETTINGS.fetch or not kinds or not workflow.is_main_process:
        return
    # Here, because it loads the hub's library, which no other start of Snakemake needs.
    from weighbridge.artifacts.large_downloads import announced_downloads

    try:
        announced = announced_downloads(
            {kind: from_root(kind) for kind in kinds},
            Path.cwd() / "resources",
            here=not workflow.non_local_exec or SETTINGS.fetch_on == "submit-host",
            without_weights=without_weights(),
        )
    except WeighbridgeError as error:
        sys.stderr.write(f"weighbridge: {error}\n")
        sys.exit(error.exit_code)
    if announced is None:
        return
    EVENTS.note(WorkflowEvent(kind="asks", sentence=announced))
    if consents(f"{announced}. Go on?"):
        return
    sys.stderr.write(
        f"weighbridge: {announced}; confirm it with --config fetch=yes, or give the path of a copy "
        "(docs/artifacts.md).\n"
    )
    sys.exit(InputError.exit_code)
