"""One store of token ids, measured by a session: each scenario is streamed as its rules need, and says so."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from driving import small_round
from simulating import ids_of, simulated, token_answers, token_store

from weighbridge.artifacts.proof import Proof
from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.scenario_rules import Mode
from weighbridge.config.server_settings import ServerSettings
from weighbridge.core.errors import InputError, SetupError
from weighbridge.loadgen.loadgen_issuer import LoadGenIssuer
from weighbridge.records.run_record import RUN_RECORD, RunRecord
from weighbridge.requests.store import RequestStore
from weighbridge.run.execute import execute
from weighbridge.run.preparation import spread
from weighbridge.run.session import Setup
from weighbridge.simulate.behaviour import Behaviour

SAMPLES, LENGTHS = 20, (2, 5, 9)


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    folder = tmp_path_factory.mktemp("streams")
    store = token_store(folder / "store", SAMPLES)
    proof = Proof(kind="model", folder=folder, repo=None, revision=None, manifest_digest="0" * 64, files=())
    behaviour = Behaviour(servers=4, ttft_s=0.01, tpot_s=0.002)
    with simulated(behaviour, known=token_answers(store, LENGTHS)) as url:
        server = ServerSettings(model_name="tiny", endpoints=(url,), warmup_requests=3)
        round_ = small_round(SAMPLES, token_latencies=True)
        yield Setup(round_, server, ClientSettings(), proof, store)


@pytest.mark.parametrize(("scenario", "streamed"), [("offline", False), ("server", True)])
@pytest.mark.parametrize("mode", Mode)
def test_a_run_records_what_it_sent_and_measures_its_tokens(
    setup: Setup, scenario: str, streamed: bool, mode: Mode, tmp_path: Path
) -> None:
    rules = setup.round_.scenarios[scenario]
    assert setup.round_.streams(rules) == streamed
    execute(replace(setup, streamed=streamed), LoadGenIssuer(setup.round_, rules, mode, 100), tmp_path)
    record = RunRecord.read(tmp_path / RUN_RECORD)
    manifest = RequestStore.open(setup.store).manifest
    assert record.load.failures == 0
    assert record.requests is not None
    assert record.requests.stream == streamed
    assert record.envelope == (manifest.streamed if streamed else (manifest.prefix, manifest.suffix))
    assert record.sent_sha256 == record.store_sha256 == manifest.bodies_sha256
    rows = pd.read_parquet(tmp_path / "requests.parquet")
    assert (rows["tokens"] == [LENGTHS[sample % 3] for sample in rows["sample"]]).all()
    assert (rows["first_ns"] < rows["last_ns"]).any() == streamed
    assert record.load.settings["use_token_latencies"] is True
    assert record.load.settings.get("server_ttft_latency_ns") == (2e9 if streamed else None)
    if mode is Mode.ACCURACY:
        entries = json.loads((tmp_path / "mlperf_log_accuracy.json").read_text())
        for entry in entries:
            ids = ids_of(entry["qsl_idx"], LENGTHS[entry["qsl_idx"] % 3])
            assert bytes.fromhex(entry["data"]) == b"".join(each.to_bytes(4, "little") for each in ids)
            assert entry["token_count"] == len(ids)
    else:
        lines = (tmp_path / "sampled_answers.jsonl").read_text().splitlines()
        kept = {line["sample"]: line["tokens"] for line in map(json.loads, lines)}
        assert kept == {sample: ids_of(sample, LENGTHS[sample % 3]) for sample in range(SAMPLES)}


def test_the_warm_up_is_sent_as_the_run_will_be(setup: Setup) -> None:
    for streamed in (False, True):
        requests = RequestStore.open(setup.store, streamed=streamed)
        bodies = spread(requests, 4)
        assert [json.loads(body).get("stream", False) for body in bodies] == [streamed] * 4
        assert [len(requests.sent(number)) for number in range(SAMPLES)] == requests.sent_sizes().tolist()
        assert [json.loads(body)["prompt"][1] for body in bodies] == [5, 10, 15, 20]


def test_a_session_for_whole_answers_times_no_tokens(setup: Setup, tmp_path: Path) -> None:
    issuer = LoadGenIssuer(setup.round_, setup.round_.scenarios["server"], Mode.PERFORMANCE, 100)
    with pytest.raises(InputError, match="opened for answers that are not streamed"):
        execute(setup, issuer, tmp_path)


def test_a_server_that_returns_no_token_ids_is_refused_before_the_run(setup: Setup, tmp_path: Path) -> None:
    store = token_store(tmp_path / "store", SAMPLES, asks_for_ids=False)
    issuer = LoadGenIssuer(setup.round_, setup.round_.scenarios["offline"], Mode.PERFORMANCE, 100)
    with pytest.raises(SetupError, match="returns no token_ids and no prompt_token_ids"):
        execute(replace(setup, store=store), issuer, tmp_path / "run")
