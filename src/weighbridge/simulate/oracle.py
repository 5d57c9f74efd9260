"""Expected latencies and peak rate of a run against a simulated server, computed without a network."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from weighbridge.config.round import Round
from weighbridge.core.errors import InputError
from weighbridge.loadgen.early_stopping import max_over_latency
from weighbridge.loadgen.work_size import server_schedule_s
from weighbridge.records.run_record import REQUESTS_TABLE
from weighbridge.requests.store import RequestStore
from weighbridge.simulate.behaviour import Behaviour, predict, service_times_s

_EXACT = 1e-4  # relative width at which the bisection ends


@dataclass(frozen=True)
class Latency:
    """One statistic of a run's latencies, in seconds."""

    name: str
    expected_s: float
    measured_s: float


def latencies(run: Path, store: Path, behaviour: Behaviour) -> tuple[Latency, ...]:
    """Return expected and measured latencies: the same arrivals and service times through an ideal queue.

    The difference is the time that client, network and simulation add.

    Args:
        run: Folder of the run; its requests.parquet contains each sample's issue time.
        store: Folder of the request store that the run sent.
        behaviour: The behaviour that the server was started with.

    Raises:
        InputError: the run has no requests.parquet.
    """
    sent = _sent(run)
    service_s = _service_s(store, behaviour)
    arrivals_s = (sent["planned_ns"] - sent["planned_ns"].min()).to_numpy() / 1e9
    expected_s = predict(arrivals_s, service_s[sent["sample"]], behaviour.servers)
    measured_s = (sent["end_ns"] - sent["planned_ns"]).to_numpy() / 1e9
    return (
        Latency("mean", float(expected_s.mean()), float(measured_s.mean())),
        *(
            Latency(f"p{share}", *(float(np.percentile(all_s, share)) for all_s in (expected_s, measured_s)))
            for share in (50, 90, 99)
        ),
    )


def peak_qps(run: Path, store: Path, behaviour: Behaviour, round_: Round, scenario: str) -> float:
    """Compute the highest rate in queries/s at which a run of this length meets the round's latency limit.

    Due times are those of LoadGen's schedule at each rate; the order of the samples is the run's, and the
    same at every rate. The server is an ideal queue.

    Args:
        run: Folder of a complete Server performance run.
        store: Folder of the request store that the run sent.
        behaviour: The behaviour that the server was started with.
        round_: The rules, with the schedule's seed.
        scenario: Name of the scenario whose latency limit applies.

    Raises:
        InputError: the run has no requests.parquet, or the scenario has no latency limit.
    """
    limit = round_.scenario(scenario).limits.latency
    if limit is None:
        raise InputError(
            f"{scenario} of round {round_.name} has no latency limit and so no peak; choose another."
        )
    samples = _sent(run)["sample"].to_numpy()
    service_s = _service_s(store, behaviour)[samples]
    due_s = server_schedule_s(len(samples), 1.0, round_.loadgen_rules.seeds.schedule)
    allowed = max_over_latency(len(samples), limit.percentile) or 0

    def passes(rate: float) -> bool:
        return int((predict(due_s / rate, service_s, behaviour.servers) > limit.limit_s).sum()) <= allowed

    low, high = 0.0, 1.0
    while passes(high):
        low, high = high, 2 * high
        if math.isinf(high):
            return high
    while high - low > _EXACT * high:
        middle = (low + high) / 2
        low, high = (middle, high) if passes(middle) else (low, middle)
    return low


def _sent(run: Path) -> pd.DataFrame:
    """Read a run's requests in the order of issue: sample, planned_ns, end_ns."""
    path = run / REQUESTS_TABLE
    if not path.is_file():
        raise InputError(f"{path}: no such file; pass the folder of a run.")
    return pd.read_parquet(path, columns=["sample", "planned_ns", "end_ns"]).sort_values("planned_ns")


def _service_s(store: Path, behaviour: Behaviour) -> NDArray[np.float64]:
    requests = RequestStore.open(store)
    return service_times_s((requests.body(index) for index in range(len(requests))), behaviour)
