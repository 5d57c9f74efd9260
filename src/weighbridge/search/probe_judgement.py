"""What a short probe predicts of a full-length run. Pure mathematics over its requests."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from weighbridge.client.sample_counts import SampleCounts
from weighbridge.config.scenario_rules import LatencyLimit
from weighbridge.loadgen.early_stopping import max_over_latency
from weighbridge.records.verdict import LatencyFigures

# Latency is averaged over this many stretches of a probe; their scatter about a line gives the error of its
# slope. Averages over stretches, because single latencies of a queue depend on one another.
_STRETCHES = 10
_SURE = 2.3  # quantile 0.975 of Student's t with 8 degrees of freedom
# A queue is judged only after this many latency limits, and seconds: a server that has just begun has
# completed almost nothing, and of a limit below a second the rate seen is chance.
_SETTLED_LIMITS = 2
_SETTLED_S = 5.0
_CAUTION = 1.2
# A rate cannot pass where so many times the late queries that a full run may have are late, and as many
# more. On computed queues at 99.5 % of their peak no probe of 60 s is near it; at 1.5 times the peak each is
# above.
_CERTAIN = 5


@dataclass(frozen=True)
class FullRun:
    """The full-length run that a probe stands for, and one limit that it must keep.

    Attributes:
        queries: How many it will issue.
        duration_s: Of its schedule.
        limit_s: The round's limit.
        percentile: The share of queries that must keep the limit.
    """

    queries: int
    duration_s: float
    limit_s: float
    percentile: float

    @classmethod
    def of(cls, limit: LatencyLimit, queries: int, target_qps: float) -> "FullRun":
        """Return the full-length run that must keep a limit."""
        return cls(queries, queries / target_qps, limit.limit_s, limit.percentile)

    def allowed(self, queries: int) -> int:
        """Scale the over-latency queries that early stopping allows the full run to fewer queries."""
        return (max_over_latency(self.queries, self.percentile) or 0) * queries // self.queries


@dataclass(frozen=True)
class Judgement:
    """What a probe's requests show; the fields are those of `Probe`."""

    passed: bool
    reason: str
    judged: int
    over_latency: int
    over_latency_allowed: int
    p50_latency_s: float | None
    p99_latency_s: float | None
    growth: float | None
    judged_limits: Mapping[str, LatencyFigures] = field(default_factory=dict)


def judge(
    issued_s: NDArray[np.float64], latency_s: NDArray[np.float64], ramp_s: float, full: FullRun
) -> Judgement:
    """Judge a probe by the round's own constraint, and by whether its queue would outgrow it in a full run.

    Args:
        issued_s: (n,) when LoadGen issued each query, from the first on.
        latency_s: (n,) from then to its end.
        ramp_s: Queries issued before this met a server that was still filling up, and are not judged.
        full: The run that the probe stands for.
    """
    after = issued_s >= ramp_s
    issued_s, latency_s = issued_s[after], latency_s[after]
    judged, allowed = len(latency_s), full.allowed(len(latency_s))
    if not judged:
        return Judgement(False, "no query was issued after the ramp", 0, 0, 0, None, None, None)
    over = int((latency_s > full.limit_s).sum())
    p50, p99 = (float(value) for value in np.quantile(latency_s, [0.5, full.percentile], method="higher"))
    growth = sure_growth(issued_s, latency_s)
    expected_s = p99 + (growth or 0.0) * max(0.0, full.duration_s - float(issued_s[-1]))
    passed = over <= allowed and expected_s <= full.limit_s
    if over > allowed:
        reason = f"{over} of {judged} queries took longer than {full.limit_s:g} s, {allowed} may"
    elif not passed:
        reason = (
            f"latency grows by {growth:.3g} s a second: it would be {expected_s:.3g} s at the end of a full "
            f"run of {full.duration_s:.0f} s"
        )
    else:
        reason = f"{over} of {judged} queries took longer than {full.limit_s:g} s; p99 {p99:.3g} s"
    return Judgement(passed, reason, judged, over, allowed, p50, p99, growth)


def judge_all(
    issued_s: NDArray[np.float64],
    measured_s: Mapping[str, NDArray[np.float64]],
    ramp_s: float,
    fulls: Mapping[str, FullRun],
) -> Judgement:
    """Judge a probe by each limit of its scenario.

    Args:
        issued_s: (n,) when each query was issued, from the first on.
        measured_s: For each limit's name, (n,) what it limits: the latency, the time to the first token.
        ramp_s: As for `judge`.
        fulls: The full-length run by each limit's name, at least one.

    Returns:
        The judgement by the first limit; where another is missed, with that one's reason. With others than
        the latency's, each is in `judged_limits`.
    """
    judgements = {name: judge(issued_s, measured_s[name], ramp_s, full) for name, full in fulls.items()}
    first = next(iter(judgements.values()))
    if set(fulls) != {"latency"}:
        shown = {name: _figures(judged, fulls[name]) for name, judged in judgements.items()}
        first = replace(first, judged_limits=shown)
    missed = [f"{name}: {judged.reason}" for name, judged in judgements.items() if not judged.passed]
    if not missed or not first.passed:
        return first
    return replace(first, passed=False, reason="; ".join(missed))


def _figures(judged: Judgement, full: FullRun) -> LatencyFigures:
    return LatencyFigures(
        p50_s=judged.p50_latency_s,
        p99_s=judged.p99_latency_s,
        limit_s=full.limit_s,
        percentile=full.percentile,
        over=judged.over_latency,
        over_allowed=judged.over_latency_allowed,
    )


def sure_miss(
    issued_s: NDArray[np.float64],
    measured_s: Mapping[str, NDArray[np.float64]],
    ramp_s: float,
    fulls: Mapping[str, FullRun],
) -> str | None:
    """Return why a full-length run cannot pass, as a probe of a minute shows it; None where it may pass.

    A search errs on the safe side, because it has other rates to try. Here a rate is refused, so chance must
    not decide: late queries come in clumps, and a minute has few of them.

    Args:
        issued_s: (n,) when each query was issued, from the first on.
        measured_s: For each limit's name, (n,) what it limits.
        ramp_s: Queries issued before this are not judged.
        fulls: The full-length run by each limit's name, at least one.
    """
    after = issued_s >= ramp_s
    for name, full in fulls.items():
        late, judged = int((measured_s[name][after] > full.limit_s).sum()), int(after.sum())
        allowed = full.allowed(judged)
        if late > _CERTAIN * max(1, allowed) + _CERTAIN:
            return (
                f"{name}: {late} of {judged} queries took longer than {full.limit_s:g} s, where a full run "
                f"may have {allowed} of as many"
            )
    return None


def sure_growth(issued_s: NDArray[np.float64], latency_s: NDArray[np.float64]) -> float | None:
    """Return by how much latency grows a second, at least, with 97.5 % confidence; None if it may not grow.

    A line through the means of equal stretches, and its slope less 2.3 of its standard errors (any textbook's
    simple linear regression).
    """
    if len(latency_s) < 2 * _STRETCHES:
        return None
    cuts = np.linspace(0, len(latency_s), _STRETCHES, endpoint=False, dtype=np.int64)
    counts = np.diff([*cuts, len(latency_s)])
    times = np.add.reduceat(issued_s, cuts) / counts
    means = np.add.reduceat(latency_s, cuts) / counts
    spread = float(((times - times.mean()) ** 2).sum())
    if spread == 0:
        return None
    slope = float(((times - times.mean()) * (means - means.mean())).sum()) / spread
    residuals = means - means.mean() - slope * (times - times.mean())
    error = float(np.sqrt((residuals**2).sum() / (_STRETCHES - 2) / spread))
    sure = slope - _SURE * error
    return sure if sure > 0 else None


def completed(counts: SampleCounts) -> int:
    """Return the samples whose latency is over: those that have ended."""
    return counts.completed


def begun(counts: SampleCounts) -> int:
    """Return the samples whose wait for a first token is over; a failed one may have had none."""
    return max(counts.first_tokens, counts.completed)


class OverloadDetector:
    """Detects, during a run, that more queries wait than can pass.

    Attributes:
        reason: Why the run should end, once that is certain.
    """

    def __init__(
        self, limit_s: float, allowed: int, served: Callable[[SampleCounts], int] = completed
    ) -> None:
        """Use a limit, how many queries of the run may exceed it, and which of them do not wait any more."""
        self.reason: str | None = None
        self._limit_s, self._allowed, self._served = limit_s, allowed, served
        self._seen: list[tuple[float, int]] = []
        self._best_qps = 0.0

    def __call__(self, now_s: float, counts: SampleCounts) -> str | None:
        """Read the run's counts at a time of any clock; return why it should end, None: it may continue.

        At the fastest rate seen, a queue of that rate times the limit is still served in time. What waits
        beyond it, with a margin, is late.
        """
        if self.reason is not None:
            return self.reason
        served = self._served(counts)
        self._seen.append((now_s, served))
        begun_s = self._seen[0][0]
        window = _since(self._seen, now_s - self._limit_s)
        if window is not None:
            self._best_qps = max(self._best_qps, (served - window[1]) / (now_s - window[0]))
        if now_s - begun_s < max(_SETTLED_LIMITS * self._limit_s, _SETTLED_S):
            return None
        waiting = counts.issued - served
        late = waiting - _CAUTION * self._limit_s * self._best_qps
        if late > self._allowed:
            self.reason = (
                f"{waiting} queries waited, and at the {self._best_qps:.4g} a second that were served at "
                f"best, {late:.0f} of them would take longer than {self._limit_s:g} s ({self._allowed} may)"
            )
        return self.reason


def overload_detectors(fulls: Mapping[str, FullRun], count: int) -> list[OverloadDetector]:
    """Return a detector for each limit of which the waiting can be counted; tokens after the first cannot.

    Args:
        fulls: The full-length run by each limit's name.
        count: Queries of the run that is watched.
    """
    served = {"latency": completed, "ttft": begun}
    return [
        OverloadDetector(full.limit_s, full.allowed(count), served[name])
        for name, full in fulls.items()
        if name in served
    ]


def _since(seen: Sequence[tuple[float, int]], begin_s: float) -> tuple[float, int] | None:
    """Return the last counts at or before a time; None where all are later."""
    return next((state for state in reversed(seen) if state[0] <= begin_s), None)
