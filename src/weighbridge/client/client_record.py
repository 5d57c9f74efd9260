"""What a finished run shows of its own client: how busy, how late and how even its processes were."""

import numpy as np

from weighbridge.client.process_group import ProcessGroup
from weighbridge.client.receive_backlog import BacklogCounts, WaitCounts
from weighbridge.client.request_log import Records
from weighbridge.records.run_record import ClientRecord, Waits

_NS = 1e9


def client_record(group: ProcessGroup, records: Records) -> ClientRecord:
    """Return the record of a run's client.

    Args:
        group: The finished processes.
        records: All requests that ended.
    """
    counts = BacklogCounts.joined(group.backlogs)
    answered = np.bincount(records["worker"], minlength=len(group.backlogs))
    return ClientRecord(
        busy={name: round(share, 4) for name, share in group.cost.busy.items()},
        receive_backlog=_waits(counts.packets),
        wake_delay=_waits(counts.timer),
        answered_by_worker=tuple(answered.tolist()),
    )


def _waits(counts: WaitCounts) -> Waits | None:
    if not counts.samples:
        return None
    return Waits(
        samples=counts.samples,
        mean_s=counts.total_ns / counts.samples / _NS,
        p50_s=counts.quantile_ns(0.5) / _NS,
        p99_s=counts.quantile_ns(0.99) / _NS,
        max_s=counts.max_ns / _NS,
    )
