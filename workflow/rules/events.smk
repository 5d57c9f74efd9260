"""What the workflow does and why it failed, for people and for `weighbridge submit`.

In:  WEIGHBRIDGE_EVENTS of the environment, which that command sets: a file to write
Out: EVENTS, WorkflowEvent, tell_failures(); in that file, a line for each job that starts, ends or fails
"""

import atexit

from weighbridge.monitor.workflow_failures import job_failures
from weighbridge.monitor.workflow_recorder import WorkflowRecorder
from weighbridge.records.workflow_event import EVENTS_VARIABLE, WorkflowEvent

# One for the process: of a module, each `use rule` loads this file once more.
EVENTS = next(
    (each for each in logger.handlers if isinstance(each, WorkflowRecorder)), None
)
if EVENTS is None:
    EVENTS = WorkflowRecorder(
        os.environ.get(EVENTS_VARIABLE) if workflow.is_main_process else None
    )
    logger.addHandler(EVENTS)
    if workflow.is_main_process:
        EVENTS.keep_interrupts()


def tell_failures():
    """Print why jobs failed, after Snakemake's own last words."""
    failures = job_failures(EVENTS.failed, Path.cwd())
    atexit.register(
        sys.stderr.write, "".join(f"weighbridge: {failure}\n" for failure in failures)
    )
