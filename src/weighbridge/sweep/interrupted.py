"""The end of a sweep by a signal: the run under way does not count, all before it does."""

from weighbridge.core.interruption import Interruption, exit_code
from weighbridge.records.run_record import LoadReport

_OF_SIGNALS = 128


def refuse_interrupted(report: LoadReport) -> None:
    """Go on with the end of the program, if it was a signal that ended a run.

    Raises:
        Interruption: it was.
    """
    if report.aborted is not None and (code := exit_code()) is not None:
        raise Interruption(report.aborted, code - _OF_SIGNALS)
