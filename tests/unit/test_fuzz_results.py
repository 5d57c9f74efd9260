"""Fuzzing of what jobs write and others read: locks, proofs, records, logs, tables; and the gate on them."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fuzzing import ends_well, few, mutated_bytes, mutated_file, write
from hypothesis import given
from hypothesis import strategies as st
from loadgen_files import record_values, small_round, write_results

from weighbridge.artifacts.manifest import read_lock
from weighbridge.artifacts.proof import Proof
from weighbridge.config.scenario_rules import Mode
from weighbridge.core.dataset_files import DatasetSamples
from weighbridge.core.errors import WeighbridgeError
from weighbridge.core.models import Model
from weighbridge.gates import judge
from weighbridge.loadgen.logs import read_answers, read_detail, read_validity
from weighbridge.records.run_record import RunRecord
from weighbridge.records.score import Evaluation
from weighbridge.records.search_record import Peak
from weighbridge.records.store_manifest import StoreManifest
from weighbridge.records.telemetry_readings import read_telemetry
from weighbridge.records.verdict import Verdict, outcome_of
from weighbridge.report.request_series import read_request_series
from weighbridge.requests.store import RequestStore
from weighbridge.serving.program import ServerProgram
from weighbridge.submission.tree_records import published

ROOT = Path(__file__).parents[2]
ROUND = small_round()
CHANCE = st.integers(min_value=0).map(random.Random)
EVIDENCE = ("mlperf_log_detail.txt", "mlperf_log_summary.txt", "mlperf_log_accuracy.json")
PROBE = {
    "number": 1, "kind": "probe", "target_qps": 1.0, "full_length": False, "passed": True, "reason": "",
    "duration_s": 1.0, "queries": 1, "judged": 1, "over_latency": 0, "over_latency_allowed": 0, "failed": 0,
    "achieved_qps": 1.0, "p50_latency_s": 1.0, "p99_latency_s": None, "growth": None, "cut_off": False,
    "started": "", "folder": "",
}  # fmt: skip
PEAK = {
    "round": "v6.0", "submittable": True, "peak_qps": 1.0, "confirmed_by": "", "lowest_failed_qps": None,
    "offline_qps": 1.0, "tolerance": 0.02, "target_latency_s": 12.0, "probes": [PROBE],
}  # fmt: skip
STORE = {
    "dataset": {"a.parquet": "a" * 64}, "benchmark": "toy", "model_name": "m", "prefix": "{", "suffix": "}",
    "format": 2, "count": 2, "bodies_bytes": 4, "bodies_sha256": "b" * 64,
}  # fmt: skip
PROOF = {
    "kind": "dataset", "folder": "dataset", "folder_starts_at": "proof", "repo": None, "revision": None,
    "manifest_digest": "c" * 64, "files": [{"path": "a/b", "size": 1, "sha256": "d" * 64}],
}  # fmt: skip


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results") / "results"
    write_results(folder, ROUND)
    assert outcome_of(_judged(folder).checks) == "VALID"
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def _records(results: Path) -> dict[str, tuple[bytes, Callable[[Path], object]]]:
    run = record_values(ROUND, "server", Mode.PERFORMANCE)
    lock = (ROOT / "demo" / "locks" / "demo-dataset.json").read_bytes()
    return {
        "lock": (lock, read_lock),
        "proof": (json.dumps(PROOF).encode(), Proof.read),
        "store": (json.dumps(STORE).encode(), StoreManifest.read),
        "run": (json.dumps(run).encode(), lambda path: published(RunRecord.read(path))),
        "score": ((results / "server" / "accuracy.json").read_bytes(), Evaluation.read),
        "verdict": ((results / "server" / "verdict.json").read_bytes(), Verdict.read),
        "peak": (json.dumps(PEAK).encode(), Peak.read),
        "program": (b'{"executable": "bin/vllm", "version": "0.12"}', ServerProgram.read),
    }


@few(300)
@given(st.sampled_from(["lock", "proof", "store", "run", "score", "verdict", "peak", "program"]), CHANCE)
def test_records(results: Path, folder: Path, name: str, chance: random.Random) -> None:
    content, read = _records(results)[name]
    read(write(folder / f"{name}.json", content))  # as it is
    found = ends_well(
        lambda: read(write(folder / f"{name}.json", mutated_file(content, chance, suffix=".json")))
    )
    if isinstance(found, Model):
        json.loads(found.model_dump_json())  # what is taken can be written again


@few(150)
@given(st.sampled_from(EVIDENCE), CHANCE)
def test_logs_of_loadgen(results: Path, folder: Path, name: str, chance: random.Random) -> None:
    content = (results / "server" / "accuracy" / name).read_bytes()
    path = write(folder / name, mutated_bytes(content, chance))

    def read() -> object:
        if name == EVIDENCE[0]:
            log = read_detail(path)
            return [log.count("qsl_reported_total_count"), log.number("effective_target_qps"), log.errors]
        return read_validity(path) if name == EVIDENCE[1] else read_answers(path, ROUND.samples)

    ends_well(read)


def _judged(results: Path) -> Verdict:
    server = results / "server"
    return judge(
        performance=server / "performance",
        accuracy=server / "accuracy",
        evaluation=Evaluation.read(server / "accuracy.json"),
        round_=ROUND,
        scenario=ROUND.scenarios["server"],
    )


FILES = [
    *(
        f"{mode}/{name}"
        for mode in Mode
        for name in (*EVIDENCE, "run.json", "requests.parquet", "errors.jsonl")
    ),
    "performance/sampled_answers.jsonl",
    "accuracy.json",
]


@few(40)
@given(st.sampled_from(FILES), CHANCE)
def test_the_gate_on_a_changed_file(results: Path, folder: Path, name: str, chance: random.Random) -> None:
    kept = results / "server" / name
    content = kept.read_bytes()
    changed = (
        mutated_file(content, chance, suffix=".json")
        if kept.suffix == ".json"
        else mutated_bytes(content, chance)
    )
    try:
        kept.write_bytes(changed)
        found = ends_well(lambda: _judged(results))
    finally:
        kept.write_bytes(content)
    if name.endswith(("run.json", "accuracy.json")) or changed == content:
        return  # what they say is compared with the logs; spaces and order of a record may change
    assert isinstance(found, WeighbridgeError) or (
        isinstance(found, Verdict) and outcome_of(found.checks) != "VALID"
    ), name


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return small Parquet files of every kind that is read."""
    folder = tmp_path_factory.mktemp("tables")
    numbers = list(range(1, 101))
    requests = {
        name: pa.array(numbers, pa.int64())
        for name in ("planned_ns", "sent_ns", "end_ns", "tokens", "sample", "first_ns", "last_ns")
    } | {"outcome": pa.array(["ok"] * 100).dictionary_encode()}
    telemetry = {
        "time_ns": pa.array(numbers, pa.int64()),
        "source": pa.array(["server 0"] * 100).dictionary_encode(),
        "metric": pa.array(["requests_running"] * 100).dictionary_encode(),
        "value": pa.array([float(number) for number in numbers]),
    }
    dataset = {
        "text": pa.array([f"text {number}" * (number % 7) for number in numbers]),
        "image": pa.array([{"bytes": bytes(number % 9) * 50, "path": None} for number in numbers]),
        "labels": pa.array([["é"] * (number % 4) for number in numbers]),
    }
    found = {}
    for name, columns in (("requests", requests), ("telemetry", telemetry), ("train", dataset)):
        path = folder / f"{name}.parquet"
        pq.write_table(pa.table(columns), path, row_group_size=40)
        found[name] = path.read_bytes()
    return found


def _read_table(name: str, path: Path) -> object:
    if name == "requests":
        return read_request_series(path)
    if name == "telemetry":
        return read_telemetry(path, 0, 1.0)
    columns = ["text", "image", "labels"]
    samples = DatasetSamples.of(path.parent, ["train"])
    return samples.frame(columns), samples.rows(columns, [0, 50, 99])


@few(200)
@given(st.sampled_from(["requests", "telemetry", "train"]), CHANCE)
def test_tables(tables: dict[str, bytes], folder: Path, name: str, chance: random.Random) -> None:
    place = folder / name
    place.mkdir(exist_ok=True)
    path = write(place / f"{name}.parquet", mutated_bytes(tables[name], chance))
    ends_well(lambda: _read_table(name, path))


@few(60)
@given(st.sampled_from(["manifest.json", "index.bin", "bodies.bin"]), CHANCE)
def test_stores(folder: Path, name: str, chance: random.Random) -> None:
    place = folder / "store"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    files = {
        "manifest.json": json.dumps(STORE).encode(),
        "index.bin": b"".join(number.to_bytes(8, "little") for number in (0, 2, 4)),
        "bodies.bin": b"{}{}",
    }
    for each, content in files.items():
        write(place / each, content)
    RequestStore.open(place)
    change = mutated_file if name.endswith(".json") else mutated_bytes
    options = {"suffix": ".json"} if name.endswith(".json") else {}
    write(place / name, change(files[name], chance, **options))
    found = ends_well(lambda: RequestStore.open(place))
    if isinstance(found, RequestStore):
        assert sum(len(found.body(index)) for index in range(len(found))) == found.manifest.bodies_bytes
