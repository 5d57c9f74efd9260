"""The checker of whole histories: what the server wrote down against what the run wrote down."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq

from injection.actions import Fate
from injection.oracle import conservation, errors_of
from injection.scripted import Seen
from weighbridge.records.run_record import ANSWERS, REQUESTS_TABLE


def complaints_of_outcomes(log: list[Seen], outcomes: dict[int, str]) -> list[str]:
    """Compare each request's outcome with what the server did to it.

    Args:
        log: The server's.
        outcomes: Sample -> outcome, as the client recorded it.
    """
    found = [
        f"sample {sample} was sent {times} times"
        for sample, times in Counter(seen.sample for seen in log).items()
        if times > 1
    ]
    arrived = {seen.sample: seen for seen in log}
    for sample, outcome in outcomes.items():
        seen = arrived.get(sample)
        if seen is None:
            if outcome == "ok":
                found.append(f"sample {sample} is ok, but never arrived")
        elif (outcome == "ok" and seen.fate is Fate.FAILED) or (outcome != "ok" and seen.fate is Fate.OK):
            found.append(f"sample {sample} is {outcome} after '{seen.action}'")
    found += [f"sample {sample} arrived, but has no row" for sample in arrived.keys() - outcomes.keys()]
    return found


def complaints_of_history(
    out: Path, log: list[Seen], truth: Mapping[int, str], accuracy: bool, *, exact: bool = True
) -> list[str]:
    """Compare a finished run's files with the server's log and with each other.

    Args:
        out: The run's folder.
        log: The server's.
        truth: The right answer of each sample.
        accuracy: Whether the run logged its answers.
        exact: Whether all faults were the server's: a fault of the client may fail what was answered well.
    """
    found = conservation(out)
    table = pq.read_table(out / REQUESTS_TABLE, columns=["sample", "outcome"]).to_pylist()
    fates = log if exact else [replace(s, fate=Fate.EITHER if s.fate is Fate.OK else s.fate) for s in log]
    found += complaints_of_outcomes(fates, {row["sample"]: row["outcome"] for row in table})
    failed = sorted(row["sample"] for row in table if row["outcome"] != "ok")
    if sorted(line["sample"] for line in errors_of(out) if "sample" in line) != failed:
        found.append("errors.jsonl names other samples than requests.parquet")
    if accuracy:
        answers = {e["qsl_idx"]: bytes.fromhex(e["data"]) for e in json.loads((out / ANSWERS).read_text())}
        for row in table:
            answer = answers.get(row["sample"], b"").decode(errors="replace")
            expected = truth[row["sample"]] if row["outcome"] == "ok" else ""
            if answer != expected:
                found.append(f"sample {row['sample']} has the answer {answer[:40]!r}")
    return found
