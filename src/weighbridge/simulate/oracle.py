"""Expected latencies and peak rate of a run against a simulated server, computed without a network."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import LatencyLimit
from weighbridge.core.errors import InputError
from weighbridge.loadgen.early_stopping import max_over_latency
from weighbridge.loadgen.work_size import server_schedule_s
from weighbridge.records.run_record import REQUESTS_TABLE
from weighbridge.requests.store import RequestStore
from weighbridge.simulate.behaviour import Behaviour, predict, service_times

_EXACT = 1e-4  # relative width at which the bisection ends
_COLUMNS = ["sample", "tokens", "planned_ns", "first_ns", "last_ns", "end_ns"]

Seconds = NDArray[np.float64]


@dataclass(frozen=True)
class LatencyStatistic:
    """One statistic of a run's latencies, in seconds."""

    name: str
    expected_s: float
    measured_s: float


@dataclass(frozen=True)
class _Served:
    """Requests in the order of their issue, and the times that the server takes for each.

    Attributes:
        sent: Columns of requests.parquet.
        first_s, total_s: Time from the start of service to the first and to the last token, shape (n,).
        streamed: Whether the answers were streamed.
    """

    sent: pd.DataFrame
    first_s: Seconds
    total_s: Seconds
    streamed: bool

    @classmethod
    def of(cls, run: Path, store: Path, behaviour: Behaviour) -> "_Served":
        """Read a run's requests and compute the server's times.

        Raises:
            InputError: the run has no requests.parquet, the store cannot be used, or the server's
                speed changes.
        """
        if not behaviour.steady:
            raise InputError(
                "--behaviour: speed, run_noise_cv, drift_per_s and stall_s are computed of a sweep's run "
                "alone; leave them out, here and at the server."
            )
        path = run / REQUESTS_TABLE
        if not path.is_file():
            raise InputError(f"{path}: no such file; pass the folder of a run.")
        sent = pd.read_parquet(path, columns=_COLUMNS).sort_values("planned_ns")
        streamed = bool((sent["first_ns"] < sent["last_ns"]).any())
        requests, once = RequestStore.open(store, streamed=streamed), sent.drop_duplicates("sample")
        bodies = (requests.sent(sample) for sample in once["sample"])
        times = service_times(bodies, behaviour, once["tokens"])
        places = pd.Series(np.arange(len(once)), index=once["sample"])[sent["sample"]].to_numpy()
        return cls(sent, times[places, 0], times[places, 1], streamed)

    def latencies_s(self, arrivals_s: Seconds, servers: int) -> dict[str, Seconds]:
        """Return the latencies of an ideal queue by name, each of shape (n,): latency, ttft, tpot."""
        latency_s = predict(arrivals_s, self.total_s, servers)
        if not self.streamed:
            return {"latency": latency_s}
        return by_name(latency_s, latency_s - self.total_s + self.first_s, self.sent["tokens"].to_numpy())


def by_name(latency_s: Seconds, ttft_s: Seconds, tokens: NDArray[np.int64]) -> dict[str, Seconds]:
    """Return the latencies of streamed requests by name, each of shape (n,); `tpot` as LoadGen has it."""
    return {
        "latency": latency_s,
        "ttft": ttft_s,
        "tpot": (latency_s - ttft_s) / np.maximum(tokens - 1, 1),
    }


def latencies(run: Path, store: Path, behaviour: Behaviour) -> tuple[LatencyStatistic, ...]:
    """Return expected and measured latencies: the same arrivals and service times through an ideal queue.

    The difference is the time that client, network and simulation add.

    Args:
        run: Folder of the run; its requests.parquet contains each sample's issue time.
        store: Folder of the request store that the run sent.
        behaviour: The behaviour that the server was started with.

    Raises:
        InputError: the run has no requests.parquet.
    """
    served = _Served.of(run, store, behaviour)
    sent = served.sent
    planned_ns = sent["planned_ns"]
    expected = served.latencies_s((planned_ns - planned_ns.min()).to_numpy() / 1e9, behaviour.servers)
    measured = by_name(
        (sent["end_ns"] - planned_ns).to_numpy() / 1e9,
        (sent["first_ns"] - planned_ns).to_numpy() / 1e9,
        sent["tokens"].to_numpy(),
    )
    return tuple(
        each
        for name, expected_s in expected.items()
        for each in _statistics(name, expected_s, measured[name])
    )


def _statistics(name: str, expected_s: Seconds, measured_s: Seconds) -> Iterator[LatencyStatistic]:
    prefix = "" if name == "latency" else f"{name} "
    yield LatencyStatistic(f"{prefix}mean", float(expected_s.mean()), float(measured_s.mean()))
    for share in (50, 90, 99):
        both = (float(np.percentile(all_s, share)) for all_s in (expected_s, measured_s))
        yield LatencyStatistic(f"{prefix}p{share}", *both)


def peak_qps(run: Path, store: Path, behaviour: Behaviour, round_: Round, scenario: str) -> float:
    """Compute the highest rate in queries/s at which a run of this length meets the round's limits.

    Due times are those of LoadGen's schedule at each rate; the order of the samples is the run's, and the
    same at every rate. The server is an ideal queue.

    Args:
        run: Folder of a complete Server performance run.
        store: Folder of the request store that the run sent.
        behaviour: The behaviour that the server was started with.
        round_: The rules, with the schedule's seed.
        scenario: Name of the scenario whose limits of latency, TTFT and TPOT apply.

    Returns:
        The rate; 0: a request alone takes too long; infinity: every rate passes.

    Raises:
        InputError: the run has no requests.parquet, the scenario has no limit, or one of tokens, and the run
            was not streamed.
    """
    limits = round_.scenario(scenario).limits.by_name
    if not limits:
        raise InputError(f"{scenario} of round {round_.name} has no limit and so no peak; choose another.")
    served = _Served.of(run, store, behaviour)
    if not served.streamed and set(limits) != {"latency"}:
        raise InputError(f"{run}: its answers were not streamed, so that it has no times of tokens.")
    due_s = server_schedule_s(len(served.sent), 1.0, round_.loadgen_rules.seeds.schedule)

    def passes(rate: float, servers: int = behaviour.servers) -> bool:
        found = served.latencies_s(due_s / rate, servers)
        return all(_within(found[name], limit) for name, limit in limits.items())

    low, high = 0.0, 1.0
    if not passes(high, servers=0):  # as if each request were alone
        return low
    while passes(high):
        low, high = high, 2 * high
        if math.isinf(high):
            return high
    while high - low > _EXACT * high:
        middle = (low + high) / 2
        low, high = (middle, high) if passes(middle) else (low, middle)
    return low


def _within(latency_s: Seconds, limit: LatencyLimit) -> bool:
    """Return whether so few are over the limit that a run passes early stopping."""
    allowed = max_over_latency(len(latency_s), limit.percentile) or 0
    return int((latency_s > limit.limit_s).sum()) <= allowed
