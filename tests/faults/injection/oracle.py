"""What must hold after any fault: a right result or one sentence, in time, and nothing left."""

import json
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from injection.commands import Ended
from injection.world import PROMPT, SAMPLES, World
from weighbridge.artifacts.proof import Proof
from weighbridge.benchmarks.rounds import load_round
from weighbridge.core.errors import WeighbridgeError
from weighbridge.evaluation.evaluate import evaluate
from weighbridge.gates import Inputs, judge
from weighbridge.records.run_record import (
    DETAIL,
    ERRORS_FILE,
    REQUESTS_TABLE,
    RUN_RECORD,
    RunRecord,
)
from weighbridge.records.score import ACCURACY_JSON, Evaluation

EXPECTED = "a right result, or one sentence and exit 2, 3 or 4; nothing left"
REFUSED = (2, 3, 4)
_NOT_ONE_SENTENCE = ("Traceback (most recent call last)", "Fatal Python error", "Exception ignored")
_TEMPORARY = re.compile(r"\.(part|tmp|new|old)$|^\.[^.]+\..*\.[a-z0-9_]{8}$|^tmp[a-z0-9_]{8}$")
_RATE_TOLERANCE = 0.01


def complaints_of_ended(ended: Ended, codes: tuple[int, ...] = (0, *REFUSED)) -> list[str]:
    """Check how a command ended."""
    found = []
    if ended.code is None:
        found.append(f"hung: killed after {ended.took_s:.0f} s")
    elif ended.code not in codes:
        found.append(f"exit {ended.code}")
    found += [f"printed '{text}'" for text in _NOT_ONE_SENTENCE if text in ended.text]
    if ended.code in REFUSED and not re.search(r" (ERROR|CRITICAL) \S.*\S", ended.text):
        found.append("refused without a sentence")
    found += [f"left the process {process}" for process in ended.left]
    return found


def complaints_of_files(*folders: Path) -> list[str]:
    """Name temporary files."""
    return [
        f"left the file {path.name}"
        for folder in folders
        if folder.is_dir()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and _TEMPORARY.search(path.name)
    ]


def outcome(world: World, out: Path, mode: str, scenario: str = "server") -> str:
    """Judge a run together with the good run of the other mode, as the gate would: VALID, or why not.

    A sentence in place of a verdict is an outcome too.
    """
    good = world.folder / "good" / scenario
    round_ = load_round(str(world.round_file))
    proofs = tuple(Proof.read(world.folder / f"{kind}.json") for kind in ("model", "dataset"))
    folders = {"performance": good / "performance", "accuracy": good / "accuracy", mode: out}
    score = good / ACCURACY_JSON
    try:
        if mode == "accuracy":
            score = out.parent / f"{out.name}-score" / ACCURACY_JSON
            evaluate(logs=out, dataset=proofs[1].folder, prompt=PROMPT, round_=round_, output=score.parent)
        verdict = judge(
            performance=folders["performance"],
            accuracy=folders["accuracy"],
            evaluation=Evaluation.read(score),
            round_=round_,
            scenario=round_.scenario(scenario),
            inputs=Inputs.read(
                tuple(world.folder / f"{kind}.json" for kind in ("model", "dataset")),
                world.folder / "requests" / "manifest.json",
                PROMPT,
            ),
        )
    except WeighbridgeError as error:
        return f"refused: {error}"
    failed = [check.name for check in verdict.checks if check.passed is not True]
    return f"{verdict.outcome}: {', '.join(failed)}" if failed else verdict.outcome


def conservation(out: Path) -> list[str]:
    """Check that a run's files agree: issued = completed + failed = rows = lines = LoadGen's counts."""
    record = RunRecord.read(out / RUN_RECORD)
    load, found = record.load, []
    if load.aborted is not None:
        found.append(f"aborted: {load.aborted}")
    table = pq.read_table(out / REQUESTS_TABLE)
    outcomes = table["outcome"].to_pylist()
    right = outcomes.count("ok")
    lines = errors_of(out)
    loadgen = _loadgen_count(out)
    for name, value, expected in (
        ("completed + failed", load.completed + load.failures, load.issued),
        ("rows of requests.parquet", len(outcomes), load.issued),
        ("rows that are ok", right, load.completed),
        ("lines of errors.jsonl", len(lines), load.failures),
        ("samples in LoadGen's log", loadgen, load.issued),
    ):
        if value != expected:
            found.append(f"{name}: {value}, not {expected}")
    if load.issued == 0 or load.issued % SAMPLES:
        found.append(f"issued {load.issued}, which is no whole pass over {SAMPLES} samples")
    if not len(table):
        return found
    span_s = (np.max(table["end_ns"].to_numpy()) - np.min(table["planned_ns"].to_numpy())) / 1e9
    if right and abs(load.achieved_qps * span_s / right - 1) > _RATE_TOLERANCE:
        found.append(f"rate {load.achieved_qps:.1f}, but {right} answers in {span_s:.4f} s")
    return found


def errors_of(out: Path) -> list[dict[str, object]]:
    """Read errors.jsonl; none where it is missing."""
    path = out / ERRORS_FILE
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def _loadgen_count(out: Path) -> int:
    """Return how many samples LoadGen itself logged as generated; -1 where its log ends before."""
    text = (out / DETAIL).read_text()
    counts = [
        re.search(rf'"generated_{name}", "value": (\d+)', text)
        for name in ("query_count", "samples_per_query")
    ]
    return int(np.prod([int(found[1]) for found in counts])) if all(counts) else -1  # type: ignore[index]


def complaints_of_run(
    world: World, ended: Ended, out: Path, mode: str, scenario: str = "server"
) -> list[str]:
    """Check all that holds for a run after any fault."""
    found = complaints_of_ended(ended)
    for folder in (out, out / "aborted"):
        if not (folder / RUN_RECORD).is_file():
            continue
        verdict = outcome(world, folder, mode, scenario)
        try:
            odd = conservation(folder)
        except Exception as error:  # whatever a half-written file brings
            odd = [f"unreadable: {error!r}"]
        failures = 0
        if not odd:
            failures = RunRecord.read(folder / RUN_RECORD).load.failures
        if verdict == "VALID" and (odd or failures):
            found.append(f"VALID with {failures} failures; {'; '.join(odd)}")
        if folder == out and ended.code == 0:
            found += odd
            if not odd and not failures and verdict != "VALID":
                found.append(f"{verdict}, though every request was answered")
    if ended.code == 0 and not (out / RUN_RECORD).is_file():
        found.append("exit 0 without run.json")
    return found + complaints_of_files(out)
