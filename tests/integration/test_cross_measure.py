"""A finished run of the real official client, sent again by our own client to a simulated server."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from driving import STREAM, small_store
from measuring import HASH
from real_client_runs import SAMPLES, unpack_runs
from run_tables import load_report
from simulating import simulated
from typer.testing import CliRunner, Result

from weighbridge import cli
from weighbridge.endpoints.replayed_phase import ReplayedPhase
from weighbridge.records.cross_measurement import CrossMeasurement
from weighbridge.requests.store import RequestStore
from weighbridge.simulate.behaviour import Behaviour, body_hash

BEHAVIOUR = Behaviour(servers=8, mean_s=0.08, first_token_share=0.5)


def run_record(scenario: str, samples: int) -> dict[str, object]:
    """Return the contents of a run.json of the official client, as far as it is read here."""
    host = {"name": "h", "cpus": 2, "memory_bytes": 1, "platform": "p", "python": "3.12"}
    report = load_report(issued=samples, completed=samples, requested_qps=20, achieved_qps=20)
    load = report.model_dump(mode="json")
    server = {"command": [], "environment": {}, "endpoints": [], "model_name": "tiny", "version": None}
    server |= {"ready_s": 0, "golden": "", "warmup_requests": 0, "warmup_s": 0}
    record = {"round": "r", "submittable": False, "scenario": scenario, "mode": "performance"}
    record |= {"weighbridge_version": "0", "git_revision": None, "code_sha256": HASH, "pins": {}}
    record |= {"store_sha256": HASH, "host": host, "system": {}, "logs": {}, "server": server, "load": load}
    return record


def test_the_same_queries_are_measured_again_and_divided(tmp_path: Path) -> None:
    run = unpack_runs(tmp_path / "runs") / "interactive"
    (run / "run.json").write_text(json.dumps(run_record("interactive", 2 * SAMPLES)))
    streamed = ('{"model":"tiny","messages":', STREAM)
    store = small_store(tmp_path / "store", SAMPLES, streamed=streamed)
    round_file, proof = tmp_path / "round.yaml", tmp_path / "model.json"
    round_file.write_text(
        yaml.safe_dump(
            {
                "extends": "v6.1-endpoints",
                "submittable": False,
                "further_datasets": {"8k": {"samples": SAMPLES, "splits": ["train"], "closed": None}},
            }
        )
    )
    described = {"kind": "model", "folder": str(tmp_path), "repo": None, "revision": None}
    proof.write_text(json.dumps(described | {"manifest_digest": HASH, "files": []}))
    bodies = RequestStore.open(store, streamed=True)
    texts = {body_hash(bodies.sent(sample)): ("right", "wrong") for sample in range(SAMPLES)}
    out, sent = tmp_path / "again", tmp_path / "sent.csv"

    def cross_measure(*more: object) -> Result:
        options = {"run": run, "round": round_file, "model": proof, "store": store, "out": out}
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        return CliRunner().invoke(cli.app, ["cross-measure", *words, *map(str, more)])

    with simulated(BEHAVIOUR, texts, sent_log=sent) as url:
        server = {"model_name": "tiny", "endpoints": [url], "warmup_requests": 1, "golden": None}
        measured = cross_measure("--server", json.dumps(server), "--client", '{"workers": 1}')
    assert measured.exit_code == 0, measured.output
    assert "official" in measured.output
    assert "before the server" not in measured.output  # nothing is known of the server yet

    rows = pq.read_table(out / "requests.parquet").to_pandas().sort_values("number")
    replayed = ReplayedPhase.of(run)
    assert rows["sample"].tolist() == replayed.phase.sample.tolist()
    due = rows["planned_ns"].to_numpy()
    assert (due - due[0] == replayed.due_ns - replayed.due_ns[0]).all()

    again = cross_measure("--sent-log", sent, "--sent-log", run / "sent.csv", "--json")
    assert again.exit_code == 0, again.output
    found = CrossMeasurement.parse_json(again.stdout, "the output")
    for client in (found.official, found.own):
        assert client.times is not None
        assert client.times.paired == client.queries == 2 * SAMPLES
        parts = (client.times.before, client.times.server, client.times.after)
        assert client.latency.mean_s == pytest.approx(sum(part.mean_s for part in parts))
        assert client.ttft is not None
        assert client.times.before.p50_s > 0
        assert client.times.after.p50_s > 0
    assert found.own.times is not None
    assert found.own.times.server.p50_s >= BEHAVIOUR.mean_s
    assert (out / "cross-measurement.json").is_file()

    (run / "client" / "sample_idx_map.json").write_text('{"performance": {}}')
    assert cross_measure().exit_code == 1
