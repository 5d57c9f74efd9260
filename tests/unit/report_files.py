"""Writers of the files that a report reads beside logs and verdicts, and an error analysis."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from weighbridge.evaluation.error_analysis import ErrorAnalysis, Example, Group, Level, Unparsable

START_NS = 5_000_000_000_000
SECOND_NS = 1_000_000_000


def write_requests(
    path: Path, latency_s: np.ndarray, rate: float = 10.0, failed: int = 0, first: float = 1.0
) -> None:
    """Write requests.parquet: one request every 1 / rate seconds, the last `failed` ones failed.

    The first token comes after this share of the latency.
    """
    count = len(latency_s)
    planned = START_NS + (np.arange(count) / rate * SECOND_NS).astype(np.int64)
    end = planned + (latency_s * SECOND_NS).astype(np.int64)
    table = {
        "planned_ns": planned,
        "sent_ns": planned,
        "first_ns": planned + (first * latency_s * SECOND_NS).astype(np.int64),
        "end_ns": end,
        "tokens": np.full(count, 7, dtype=np.int32),
        "outcome": pa.array(["ok"] * (count - failed) + ["status_500"] * failed).dictionary_encode(),
    }
    pq.write_table(pa.table(table).sort_by("end_ns"), path)


def write_telemetry(path: Path, series: dict[tuple[str, str], list[float]]) -> None:
    """Write telemetry.parquet: values one second apart, starting 2 s before the first request."""
    rows = [
        (START_NS + (second - 2) * SECOND_NS, source, metric, float(value))
        for (source, metric), values in series.items()
        for second, value in enumerate(values)
    ]
    names = ("time_ns", "source", "metric", "value")
    pq.write_table(pa.table(dict(zip(names, map(pa.array, zip(*rows, strict=True)), strict=True))), path)


def error_analysis(text: str = "text", image: bytes | None = None) -> ErrorAnalysis:
    """Return an error analysis whose every text is `text`."""
    return ErrorAnalysis(
        levels=(Level("f1", 0.79, 0.78, 0.80, 600), Level("category level 1", 0.9, 0.88, 0.92, 600)),
        groups=(Group(text, 0.4, 30, 0.01, (Example(17, text, text, text, image, text, 0.4),)),),
        unparsable=(Unparsable(18, text), Unparsable(19, "")),
        unparsable_total=41,
    )
