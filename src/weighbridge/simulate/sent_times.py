"""Read the logs of when simulated servers sent their answers."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

from weighbridge.core.errors import InputError
from weighbridge.report.client_latencies import ServerTimes
from weighbridge.simulate.sent_log import SENT_COLUMNS

_TIMES = ("sample", "arrived_ns", "first_ns", "end_ns")


def read_sent_logs(logs: Sequence[Path]) -> ServerTimes:
    """Read the answers in these logs whose samples are known.

    Raises:
        InputError: one cannot be read, or is no such log.
    """
    tables = [_read(log) for log in logs]
    columns = [np.concatenate([table[name].to_numpy() for table in tables]) for name in _TIMES]
    known = columns[0] >= 0
    return ServerTimes(*(column[known] for column in columns))


def _read(log: Path) -> pa.Table:
    try:
        table = csv.read_csv(
            log, convert_options=csv.ConvertOptions(column_types=dict.fromkeys(SENT_COLUMNS[1:], pa.int64()))
        )
    except (OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise InputError(
            f"{log}: cannot be read as a log of 'simulate --sent-log' ({reason}); it is whole only after the "
            "server's end."
        ) from None
    if tuple(table.column_names) != SENT_COLUMNS:
        raise InputError(
            f"{log}: not a log of 'simulate --sent-log', whose columns are {', '.join(SENT_COLUMNS)}."
        )
    return table
