"""A run's requests as arrays, read from requests.parquet: latencies, windows and rates."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from weighbridge.core.errors import InputError
from weighbridge.core.parquet import refusing_damage
from weighbridge.core.percentiles import percentile_of_sorted

PERCENTILES = (0.50, 0.90, 0.97, 0.99, 0.999)
_COLUMNS = ("planned_ns", "sent_ns", "first_ns", "end_ns", "tokens", "outcome")
_NS = 1e9
_MOST_WINDOWS = 60
_LEAST_IN_A_WINDOW = 20  # on average; a percentile of fewer is noise

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RequestSeries:
    """The n requests of a run, in arrays of shape (n,); times in seconds since the first issue."""

    planned_s: Floats
    sent_s: Floats
    """NaN for a request that was never sent."""
    first_s: Floats
    """Arrival of the first token; of an answer that is not streamed, of the whole. NaN where none came."""
    end_s: Floats
    tokens: NDArray[np.int64]
    """Tokens of each answer."""
    failed: NDArray[np.bool_]
    start_ns: int
    """Monotonic time of the first issue in ns; the other times count from it."""

    @property
    def latency_s(self) -> Floats:
        """Return the time from issue to end in seconds, shape (n,), as LoadGen computes latency.

        Infinity for a failed request: its answer never came, however soon it failed.
        """
        return np.where(self.failed, np.inf, self.end_s - self.planned_s)

    @property
    def ttft_s(self) -> Floats:
        """Return the time from issue to the first token in seconds, shape (n,); infinity for failed ones."""
        return np.where(self.failed, np.inf, self.first_s - self.planned_s)

    @property
    def tpot_s(self) -> Floats:
        """Return the time per output token after the first in seconds, as LoadGen computes it, shape (m,).

        Of the failed requests, infinity, and of the m - k others that have at least two tokens.
        """
        after_first = self.tokens - 1
        counted = ~self.failed & (after_first > 0)
        per_token = (self.end_s - self.first_s)[counted] / after_first[counted]
        return np.concatenate([per_token, np.full(int(self.failed.sum()), np.inf)])

    @property
    def answer_tokens(self) -> NDArray[np.int64]:
        """Return the tokens of each answer, of failed requests none."""
        return self.tokens[~self.failed]

    @property
    def duration_s(self) -> float:
        """Return the time from the first issue to the last end, in seconds."""
        return float(self.end_s.max())


@dataclass(frozen=True)
class LatencySummary:
    """Percentiles of a run's latencies in seconds, as LoadGen picks them: at index floor(n * percentile).

    Infinity where a failed request is picked.
    """

    percentiles_s: dict[float, float]
    max_s: float


@dataclass(frozen=True)
class Windows:
    """Values in equal time windows, each of shape (windows,); NaN where a window holds no request."""

    middle_s: Floats
    width_s: float
    values: dict[str, Floats]


def read_request_series(path: Path) -> RequestSeries:
    """Read the requests of a run from requests.parquet.

    Raises:
        InputError: the file is damaged, lacks a column, or holds no request.
    """
    with refusing_damage(path):
        table = pq.read_table(path, columns=list(_COLUMNS)).to_pandas()
        missing = [name for name in _COLUMNS if name not in table]
        if missing or table.empty:
            what = f"lacks the column '{missing[0]}'" if missing else "holds no request"
            raise InputError(f"{path}: {what}; repeat the run.")
        start_ns = int(table["planned_ns"].min())
        times_ns = table[["planned_ns", "sent_ns", "first_ns", "end_ns"]].to_numpy(np.int64)
        # 0: the request did not come that far.
        since_start = np.where(times_ns > 0, (times_ns - start_ns) / _NS, np.nan)
        return RequestSeries(
            planned_s=since_start[:, 0],
            sent_s=since_start[:, 1],
            first_s=since_start[:, 2],
            end_s=since_start[:, 3],
            tokens=table["tokens"].to_numpy(np.int64),
            failed=table["outcome"].to_numpy() != "ok",
            start_ns=start_ns,
        )


def latency_summary(latency_s: Floats) -> LatencySummary:
    """Compute `PERCENTILES` and the maximum of latencies in seconds, shape (n,), at least one."""
    ascending = np.sort(latency_s).tolist()
    return LatencySummary(
        {each: percentile_of_sorted(ascending, each) for each in PERCENTILES}, ascending[-1]
    )


def latency_over_time(planned_s: Floats, latency_s: Floats) -> Windows:
    """Compute p50 and p99 (seconds) of the requests issued in each window; infinity where that one failed.

    Args:
        planned_s: When each request was issued, shape (n,).
        latency_s: What it took, shape (n,).
    """
    edges = _edges(float(planned_s.max()), len(planned_s))
    window = np.clip(np.digitize(planned_s, edges) - 1, 0, len(edges) - 2)
    values = {name: np.full(len(edges) - 1, np.nan) for name in ("p50", "p99")}
    order = np.lexsort((latency_s, window))
    starts = np.searchsorted(window[order], np.arange(len(edges)))
    ascending = latency_s[order]
    for index, (first, end) in enumerate(pairwise(starts.tolist())):
        if end > first:
            within = ascending[first:end].tolist()
            values["p50"][index] = percentile_of_sorted(within, 0.50)
            values["p99"][index] = percentile_of_sorted(within, 0.99)
    return _windows(edges, values)


def rates_over_time(requests: RequestSeries) -> Windows:
    """Compute requests sent, requests completed and answer tokens per second in each window.

    All tokens of an answer count in the window in which the answer ended.
    """
    edges = _edges(requests.duration_s, len(requests.end_s))
    width = edges[1] - edges[0]
    good = ~requests.failed
    sent = requests.sent_s[np.isfinite(requests.sent_s)]
    counts = {
        "sent": np.histogram(sent, edges)[0],
        "completed": np.histogram(requests.end_s[good], edges)[0],
        "tokens": np.histogram(requests.end_s[good], edges, weights=requests.tokens[good])[0],
    }
    return _windows(edges, {name: count / width for name, count in counts.items()})


def _edges(end_s: float, count: int) -> Floats:
    windows = int(np.clip(count // _LEAST_IN_A_WINDOW, 1, _MOST_WINDOWS))
    edges: Floats = np.linspace(0.0, max(end_s, 1e-9), windows + 1)
    return edges


def _windows(edges: Floats, values: dict[str, Floats]) -> Windows:
    return Windows(middle_s=(edges[:-1] + edges[1:]) / 2, width_s=float(edges[1] - edges[0]), values=values)


def survivors(values: Floats, points: int = 400) -> tuple[Floats, Floats]:
    """Compute the share of values above x, at up to `points` values of x, which are dense in the tail.

    Returns:
        x ascending, and the share of values above each x; the largest value, which may be infinity, has
        share 0.
    """
    ascending = np.sort(values)
    count = len(ascending)
    # Equal steps in the logarithm of the share: as many points from 0.1 % to 0.01 % as from 100 % to 10 %.
    remaining = np.unique(np.geomspace(1, count, min(points, count)).round().astype(np.int64))[::-1]
    index = np.append(count - remaining, count - 1)
    index = np.unique(index)
    return ascending[index], 1 - (index + 1) / count
