"""What a sweep's run should have measured: the bodies that were sent, and which runs are refused."""

import json
import re
from pathlib import Path

import pytest
from sweep_cells import SyntheticSweep, sweep_settings
from test_simulated_server import ask

from weighbridge.config.load_level import LoadLevel
from weighbridge.config.workload import Workload
from weighbridge.core.errors import InputError
from weighbridge.records.sweep_plan import PhaseCounts
from weighbridge.records.sweep_run import CELL_RECORD
from weighbridge.requests.workload_store import SliceSpec, WorkloadStore, build_workload_store
from weighbridge.simulate.asked_lengths import AskedLengths
from weighbridge.simulate.behaviour import Behaviour
from weighbridge.simulate.cell_prediction import compared_figures, predicted_cell, sent_bodies
from weighbridge.simulate.run_conditions import RunConditions
from weighbridge.simulate.run_replay import replayed_figures
from weighbridge.simulate.simulated_server import SimulatedServer

CLOSED = LoadLevel(closed=4)
BEHAVIOUR = Behaviour(servers=2, mean_s=0.1, distribution="exponential")
NOISY = BEHAVIOUR.model_copy(update={"run_noise_cv": 0.1})


def stored(out: Path, **given: object) -> WorkloadStore:
    workload = Workload.parse({"name": "w", "output_tokens": {"uniform": [3, 9]}, **given}, "test")
    counts = PhaseCounts(warmup=4, measured=20, cooldown=4)
    build_workload_store(workload, [SliceSpec(1, 1, CLOSED, counts)], out)
    return WorkloadStore.open(out)


def answer_text(answer: bytes, *, stream: bool) -> str:
    if not stream:
        text: str = json.loads(answer)["choices"][0]["message"]["content"]
        return text
    events = [json.loads(data) for data in re.findall(rb"data: (\{.*\})", answer)]
    return "".join(event["choices"][0]["delta"]["content"] for event in events if event["choices"])


@pytest.mark.parametrize("stream", [True, False])
def test_later_turns_repeat_the_server_s_own_answers(tmp_path: Path, stream: bool) -> None:
    store = stored(tmp_path, turns=3, history="live", stream=stream)
    server = SimulatedServer(BEHAVIOUR.model_copy(update={"mean_s": 0.0}), AskedLengths("m", BEHAVIOUR))
    body_of = sent_bodies(store, BEHAVIOUR)
    said: list[str] = []
    for request in range(3):
        body = b'{"model":"m",' + body_of(request)
        messages = json.loads(body)["messages"]
        assert [each["content"] for each in messages if each["role"] == "assistant"] == said
        said.append(answer_text(ask(server, body), stream=stream))


def test_expected_figures_stand_beside_measured_ones(tmp_path: Path) -> None:
    store = stored(tmp_path)
    found = [
        replayed_figures(
            store.slice(1, CLOSED.name),
            CLOSED,
            store.manifest.workload,
            sent_bodies(store, BEHAVIOUR),
            BEHAVIOUR.model_copy(update={"speed": speed}),
        )
        for speed in (1.0, 2.0)
    ]
    slow, fast = found
    assert slow is not None
    assert fast is not None
    errors = {each.name: each.error for each in compared_figures(slow, fast)}
    assert errors["qps"] == pytest.approx(1.0)
    assert errors["e2e mean"] == errors["ttft p50"] == pytest.approx(-0.5)
    assert "e2e p99" not in errors  # too few requests


def test_a_recorded_run_is_compared_with_its_own_slice(tmp_path: Path) -> None:
    store = stored(tmp_path / "store")
    turns, workload = store.slice(1, CLOSED.name), store.manifest.workload
    figures = replayed_figures(turns, CLOSED, workload, sent_bodies(store, BEHAVIOUR), BEHAVIOUR)
    synthetic = SyntheticSweep(sweep_settings()).cells()[0]
    ran = {"level": CLOSED, "store_sha256": store.manifest.digest, "figures": figures}
    record = tmp_path / CELL_RECORD
    record.write_text(synthetic.model_copy(update=ran).model_dump_json())
    compared = predicted_cell(tmp_path, store.path, BEHAVIOUR)
    assert {each.error for each in compared} == {0.0}
    assert len(compared) > 6
    slower = {each.name: each for each in predicted_cell(tmp_path, store.path, NOISY, run=3)}
    factor = RunConditions(NOISY)
    for _ in range(3):
        factor.begin_run()
    assert slower["e2e mean"].expected / slower["e2e mean"].measured == pytest.approx(factor.slowness(0))
    for changed, why in (({"figures": None}, "no figures"), ({"store_sha256": "2" * 64}, "other requests")):
        record.write_text(synthetic.model_copy(update=ran | changed).model_dump_json())
        with pytest.raises(InputError, match=why):
            predicted_cell(tmp_path, store.path, BEHAVIOUR)


def test_a_run_without_a_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"run\.json"):
        predicted_cell(tmp_path, tmp_path, BEHAVIOUR)
