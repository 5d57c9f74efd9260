"""The latencies of a run's measured requests, each followed to its end, whenever that is."""

from dataclasses import dataclass

import numpy as np

from weighbridge.config.workload import Slo
from weighbridge.records.sweep_run import Percentiles
from weighbridge.sweep.run_rows import Flags, Floats, Numbers, RunRows

_NS = 1e9
_MS = 1e3
_FOR_P99, _FOR_P999 = 1_000, 10_000


@dataclass(frozen=True)
class Latencies:
    """Of each request, in s; NaN where it has none. Each array has shape (n,).

    Attributes:
        ttft: From the start to the first content; the start is the due time in open loops.
        e2e: From the start to the end of the response.
        tpot: From the first content to the last, by the tokens after the first; of two tokens or more.
        chunk_gap: The same by the pieces of content after the first: a request's mean gap between pieces,
            which hold any number of tokens. Single gaps are not recorded.
        norm_latency: e2e by tokens.
    """

    ttft: Floats
    e2e: Floats
    tpot: Floats
    chunk_gap: Floats
    norm_latency: Floats

    @classmethod
    def of(cls, rows: RunRows, *, open_loop: bool, streamed: bool) -> "Latencies":
        """Compute the latencies of all requests that ended well."""
        start_ns = rows.start_ns(open_loop=open_loop)
        e2e = np.where(rows.ok, (rows.end_ns - start_ns) / _NS, np.nan)
        told = rows.ok & (rows.tokens > 0)
        begun = rows.ok & (rows.first_ns > 0) & streamed
        content_s = np.where(begun, (rows.last_ns - rows.first_ns) / _NS, np.nan)
        return cls(
            ttft=np.where(begun, (rows.first_ns - start_ns) / _NS, np.nan),
            e2e=e2e,
            tpot=_by(content_s, rows.tokens - 1),
            chunk_gap=_by(content_s, rows.chunks - 1),
            norm_latency=_by(np.where(told, e2e, np.nan), rows.tokens),
        )

    def met(self, slo: Slo, ok: Flags) -> Flags:
        """Return which requests ended well and met every objective; one of a single token has no TPOT."""
        good = ok.copy()
        if slo.ttft_ms is not None:
            good &= self.ttft * _MS <= slo.ttft_ms
        if slo.tpot_ms is not None:
            good &= np.isnan(self.tpot) | (self.tpot * _MS <= slo.tpot_ms)
        if slo.e2e_ms is not None:
            good &= self.e2e * _MS <= slo.e2e_ms
        return good


def percentiles(values: Floats) -> Percentiles | None:
    """Return the distribution of the values that are not NaN; None: there is none.

    Percentiles by linear interpolation; p99 from 1,000 values, p99.9 from 10,000.
    """
    found = values[~np.isnan(values)]
    if not len(found):
        return None
    p50, p90, p99, p999 = np.percentile(found, (50, 90, 99, 99.9)).tolist()
    return Percentiles(
        samples=len(found),
        mean=float(found.mean()),
        p50=p50,
        p90=p90,
        p99=p99 if len(found) >= _FOR_P99 else None,
        p999=p999 if len(found) >= _FOR_P999 else None,
    )


def _by(seconds: Floats, count: Numbers) -> Floats:
    """Return the quotient; NaN where the count is below 1."""
    counted = np.where(count >= 1, count, np.nan).astype(np.float64)
    return np.asarray(seconds / counted)
