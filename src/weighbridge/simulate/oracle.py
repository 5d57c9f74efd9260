"""What a run against a simulated server must have measured, computed without a network."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from weighbridge.errors import InputError
from weighbridge.requests import RequestStore
from weighbridge.simulate.model import Behaviour, predict, service_times_s


@dataclass(frozen=True)
class Latency:
    """A figure of a run's latencies, in seconds."""

    name: str
    expected_s: float
    measured_s: float


def latencies(run: Path, store: Path, behaviour: Behaviour) -> tuple[Latency, ...]:
    """Compare a run with its oracle: the same arrivals and service times, through an ideal queue.

    What is measured beyond the expected is the client's, the network's and the simulation's own time.

    Args:
        run: Folder of the run; its requests.parquet tells when LoadGen issued which sample.
        store: The request store that it sent.
        behaviour: As the server was started with.

    Raises:
        InputError: the run left no requests.parquet.
    """
    path = run / "requests.parquet"
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the folder of a run.")
    sent = pd.read_parquet(path, columns=["sample", "planned_ns", "end_ns"]).sort_values("planned_ns")
    requests = RequestStore.open(store)
    service_s = service_times_s((requests.body(index) for index in range(len(requests))), behaviour)
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
