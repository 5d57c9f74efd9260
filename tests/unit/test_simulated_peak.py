"""Expected times of tokens, and the peak rate under limits on them, against a queue computed by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.round import Round
from weighbridge.core.errors import InputError
from weighbridge.core.openai_api import Api
from weighbridge.loadgen.early_stopping import max_over_latency
from weighbridge.loadgen.work_size import server_schedule_s
from weighbridge.records.store_manifest import StoreOrigin
from weighbridge.requests.store import RequestStore, write_store
from weighbridge.simulate.behaviour import Behaviour, OutcomeDraws, body_hash, predict
from weighbridge.simulate.oracle import latencies, peak_qps

SAMPLES, REQUESTS = 50, 1500
BEHAVIOUR = Behaviour(servers=6, ttft_s=0.1, tpot_s=0.01, distribution="lognormal", sigma=0.2)
TOKENS = np.random.default_rng(1).integers(2, 60, SAMPLES)


def round_of(folder: Path, **limits: float) -> Round:
    path = folder / "round.yaml"
    server = {"limits": {name: {"limit_s": limit} for name, limit in limits.items()} | {"latency": None}}
    changes = {"extends": "demo", "loadgen": {"token_latencies": True}, "scenarios": {"server": server}}
    path.write_text(yaml.safe_dump(changes))
    return load_round(str(path))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store whose requests are streamed with another envelope than they have in it."""
    origin = StoreOrigin(
        benchmark="b",
        api=Api.COMPLETIONS,
        model_name="m",
        prefix='{"prompt":',
        suffix="}",
        streamed=('{"prompt":', ',"stream":true}'),
    )
    bodies = (b'{"prompt":[%d]}' % number for number in range(SAMPLES))
    write_store(tmp_path / "store", bodies, lambda: origin)
    return tmp_path / "store"


def written_run(folder: Path, *, streamed: bool = True, late_s: float = 0.0) -> tuple[Path, pd.DataFrame]:
    """Write a run's requests: each sample again and again, 20 queries/s, TTFT 0.2 s and TPOT 0.02 s."""
    sample = np.arange(REQUESTS) % SAMPLES
    planned_ns = (np.arange(REQUESTS) * 5e7).astype(np.int64)
    first_ns = planned_ns + int((0.2 + late_s) * 1e9)
    end_ns = first_ns + ((TOKENS[sample] - 1) * 2e7).astype(np.int64)
    rows = pd.DataFrame(
        {
            "sample": sample,
            "tokens": TOKENS[sample],
            "planned_ns": planned_ns,
            "first_ns": first_ns if streamed else end_ns,
            "last_ns": end_ns,
            "end_ns": end_ns,
        }
    )
    rows.sample(frac=1, random_state=1).to_parquet(folder / "requests.parquet")
    return folder, rows


def slow(store: Path, rows: pd.DataFrame, rate: float, seed: int, limits: dict[str, float]) -> dict[str, int]:
    """Count the requests over each limit at a rate, from the definitions."""
    requests, outcome = RequestStore.open(store, streamed=True), OutcomeDraws(BEHAVIOUR)
    times = [
        outcome.service(body_hash(requests.sent(sample)), tokens)
        for sample, tokens in zip(rows["sample"], rows["tokens"], strict=True)
    ]
    first_s, total_s = np.array(times).T
    due_s = server_schedule_s(len(rows), 1.0, seed) / rate
    waits_s = predict(due_s, total_s, BEHAVIOUR.servers) - total_s
    each_s = {"ttft": waits_s + first_s, "tpot": (total_s - first_s) / (rows["tokens"] - 1)}
    return {name: int((each_s[name] > limit).sum()) for name, limit in limits.items()}


@pytest.mark.parametrize("limits", [{"ttft": 0.5}, {"ttft": 1.0, "tpot": 0.05}])
def test_the_peak_is_the_highest_rate_within_all_limits(
    limits: dict[str, float], store: Path, tmp_path: Path
) -> None:
    run, rows = written_run(tmp_path)
    round_ = round_of(tmp_path, **limits)
    peak = peak_qps(run, store, BEHAVIOUR, round_, "server")
    allowed = max_over_latency(REQUESTS)
    assert allowed is not None
    seed = round_.loadgen_rules.seeds.schedule
    assert max(slow(store, rows, peak, seed, limits).values()) <= allowed
    assert max(slow(store, rows, peak * 1.001, seed, limits).values()) > allowed


def test_limits_that_no_rate_or_every_rate_keeps(store: Path, tmp_path: Path) -> None:
    run, _ = written_run(tmp_path)
    assert peak_qps(run, store, BEHAVIOUR, round_of(tmp_path, ttft=5, tpot=0.01), "server") == 0
    unlimited = BEHAVIOUR.model_copy(update={"servers": 0})
    assert peak_qps(run, store, unlimited, round_of(tmp_path, ttft=5), "server") == float("inf")


def test_a_run_that_was_not_streamed_has_no_peak_of_tokens(store: Path, tmp_path: Path) -> None:
    run, _ = written_run(tmp_path, streamed=False)
    with pytest.raises(InputError, match="its answers were not streamed"):
        peak_qps(run, store, BEHAVIOUR, round_of(tmp_path, ttft=5), "server")
    assert [each.name for each in latencies(run, store, BEHAVIOUR)] == ["mean", "p50", "p90", "p99"]
    for change in ({"speed": 2.0}, {"run_noise_cv": 0.1}, {"stall_s": 1.0, "stall_every_s": 9.0}):
        with pytest.raises(InputError, match="computed of a sweep's run alone"):
            latencies(run, store, BEHAVIOUR.model_copy(update=change))


def test_measured_times_of_tokens_stand_beside_the_expected(store: Path, tmp_path: Path) -> None:
    run, rows = written_run(tmp_path, late_s=0.05)
    constant = Behaviour(ttft_s=0.2, tpot_s=0.02)
    found = {each.name: each for each in latencies(run, store, constant)}
    assert found["ttft p99"].expected_s == pytest.approx(0.2)
    assert found["ttft p99"].measured_s == pytest.approx(0.25)
    for name in ("tpot mean", "tpot p50"):
        assert (found[name].expected_s, found[name].measured_s) == pytest.approx((0.02, 0.02))
    total_s = 0.2 + (rows["tokens"] - 1) * 0.02
    assert found["mean"].expected_s == pytest.approx(total_s.mean())
