"""Runs against the simulated server, computed without a network: against queueing theory, and by hand."""

import json
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from weighbridge.client.conversation_schedule import TURN_BITS
from weighbridge.client.frames import RequestOutcome
from weighbridge.client.planned_conversations import planned_conversations
from weighbridge.client.request_log import Records
from weighbridge.config.load_level import LoadLevel
from weighbridge.config.workload import Workload
from weighbridge.core.errors import InputError
from weighbridge.requests.turns import TURN_TYPE, RunPhase, Turns
from weighbridge.simulate.behaviour import Behaviour
from weighbridge.simulate.queueing_theory import ClosedLoop, OpenLoop, ThinkingLoop
from weighbridge.simulate.run_replay import BodyOf, replay, replayed_figures

EXPONENTIAL = Behaviour(servers=8, mean_s=0.1, distribution="exponential")
WORKLOAD = Workload.parse({"name": "w", "output_tokens": 10, "stream": False}, "test")
COUNTS = (500, 10_000, 500)  # warm-up, measured, cool-down


def turns_of(
    counts: tuple[int, int, int],
    *,
    each: int = 1,
    due_s: np.ndarray | None = None,
    think_s: Callable[[int], np.ndarray] | None = None,
) -> Turns:
    """Return the turns of a slice: warm-up, measured and cool-down conversations of `each` turns."""
    conversations = sum(counts)
    turns = np.zeros(conversations * each, dtype=TURN_TYPE)
    turns["request"] = np.arange(len(turns))
    turns["conversation"] = np.repeat(np.arange(conversations), each)
    turns["turn"] = np.tile(np.arange(each), conversations)
    turns["phase"] = np.repeat([RunPhase.WARMUP, RunPhase.MEASURED, RunPhase.COOLDOWN], counts).repeat(each)
    turns["due_s"] = np.nan if due_s is None else np.repeat(due_s, each)
    turns["think_s"] = 0 if think_s is None else think_s(len(turns))
    turns["target_tokens"] = 10
    return turns


def body(request: int, *, stream: bool = False, tokens: int = 10, text: str = "") -> bytes:
    content = {"messages": [{"role": "user", "content": text or str(request)}], "max_tokens": tokens}
    return json.dumps({**content, "stream": stream}, separators=(",", ":")).encode()[1:]


def replayed(turns: Turns, closed: int, body_of: BodyOf, behaviour: Behaviour, *, run: int = 0) -> Records:
    conversations = planned_conversations(turns, LoadLevel(closed=closed))
    return replay(conversations, closed, body_of, behaviour, run=run)


def poisson_s(rate: float, count: int, seed: int) -> np.ndarray:
    """Return arrival times; their rate over the whole is the one asked for, as in a workload's store."""
    times = np.cumsum(np.random.default_rng(seed).exponential(1, count))
    return times * (count / rate / times[-1])


@pytest.mark.parametrize(
    ("rate", "spread"),
    [(40, 0.012), (64, 0.046)],  # standard deviation of one run's mean latency at this length
)
def test_open_loops_match_queueing_theory(rate: float, spread: float) -> None:
    turns = turns_of(COUNTS, due_s=poisson_s(rate, sum(COUNTS), seed=3))
    figures = replayed_figures(turns, LoadLevel(poisson=rate), WORKLOAD, body, EXPONENTIAL)
    assert figures is not None
    assert figures.e2e is not None
    theory = OpenLoop(rate, 10, 8)
    assert figures.qps == pytest.approx(rate, rel=0.03)
    assert figures.e2e.samples == 10_000
    assert figures.e2e.mean == pytest.approx(theory.mean_s, rel=3 * spread)
    assert figures.e2e.p50 == pytest.approx(theory.quantile_s(0.5), rel=3 * spread)
    assert figures.e2e.p99 == pytest.approx(theory.quantile_s(0.99), rel=3 * spread + 0.03)


@pytest.mark.parametrize("clients", [4, 16, 32])
def test_closed_loops_match_queueing_theory(clients: int) -> None:
    figures = replayed_figures(turns_of(COUNTS), LoadLevel(closed=clients), WORKLOAD, body, EXPONENTIAL)
    assert figures is not None
    assert figures.e2e is not None
    theory = ClosedLoop(clients, 10, 8)
    assert figures.qps == pytest.approx(theory.throughput, rel=0.03)  # 3 sd of 10,000 service times
    assert figures.e2e.mean == pytest.approx(theory.mean_s, rel=0.03)
    assert figures.e2e.p50 == pytest.approx(theory.quantile_s(0.5), rel=0.04)
    assert figures.e2e.p99 == pytest.approx(theory.quantile_s(0.99), rel=0.08)
    assert figures.concurrency == pytest.approx(clients, rel=1e-3)


def test_think_times_between_turns_match_queueing_theory() -> None:
    """Conversations of many turns, so that almost all requests follow a think time."""
    generator = np.random.default_rng(9)
    turns = turns_of((16, 320, 32), each=32, think_s=lambda count: generator.exponential(0.2, count))
    turns["think_s"][turns["turn"] == 0] = 0
    records = replayed(turns, 32, body, EXPONENTIAL)
    spread_s = (records["end_ns"].max() - records["end_ns"].min()) / 1e9
    latency_s = (records["end_ns"] - records["sent_ns"])[records["id"] & 31 > 0] / 1e9
    theory = ThinkingLoop(32, 10, 8, 0.2)
    assert len(records) / spread_s == pytest.approx(theory.throughput, rel=0.03)
    assert latency_s.mean() == pytest.approx(theory.mean_s, rel=0.1)


def test_turns_follow_each_other_after_their_think_times() -> None:
    turns = turns_of((0, 20, 0), each=3, think_s=lambda count: np.tile([0.0, 0.05, 0.25], count // 3))
    records = np.sort(replayed(turns, 4, body, EXPONENTIAL), order="id")
    assert len(records) == 60
    for before, after in pairwise(records):
        if after["id"] >> TURN_BITS == before["id"] >> TURN_BITS:
            turn = int(after["id"] & 3)
            assert after["sent_ns"] - before["end_ns"] == [0, 50_000_000, 250_000_000][turn]
    # Four at once: a conversation begins when one ends.
    begins = np.sort(records["sent_ns"][records["id"] & 3 == 0])
    ends = np.sort(records["end_ns"][records["id"] & 3 == 2])
    assert (begins[:4] == begins[0]).all()
    assert (begins[4:] == ends[:16]).all()


def test_streamed_answers_have_times_of_their_contents() -> None:
    each = Behaviour(ttft_s=0.2, tpot_s=0.01)
    [row] = replayed(turns_of((0, 1, 0)), 1, lambda _: body(0, stream=True), each)
    seconds = [(row[name] - row["sent_ns"]) / 1e9 for name in ("first_byte_ns", "first_ns", "last_ns")]
    assert seconds == pytest.approx([0, 0.2, 0.29])
    assert row["chunks"] == row["tokens"] == 10
    whole = Behaviour(mean_s=1.0)
    [row] = replayed(turns_of((0, 1, 0)), 1, lambda _: body(0, stream=True), whole)
    assert row["chunks"] == 4
    assert [row["first_ns"] - row["sent_ns"], row["last_ns"] - row["sent_ns"]] == [250_000_000, 700_000_000]
    assert row["end_ns"] - row["sent_ns"] == 10**9


def test_failed_requests_end_their_conversation() -> None:
    failing = Behaviour(mean_s=0.1, failures={"status_500": 0.3})
    turns = turns_of((0, 50, 0), each=2)
    records = replayed(turns, 5, body, failing)
    failed = records["outcome"] != RequestOutcome.OK
    first = records["id"] & 1 == 0
    assert 0 < (failed & first).sum() < 50
    assert (~first).sum() == 50 - (failed & first).sum()
    rejecting = Behaviour(lengths="rejected")
    forced = body(0).replace(b'"max_tokens"', b'"ignore_eos":true,"max_tokens"')
    assert (replayed(turns, 5, lambda _: forced, rejecting)["outcome"] != 0).all()
    with pytest.raises(InputError, match="never ends"):
        replayed(turns, 5, body, Behaviour(failures={"hang": 0.1}))


def test_a_prefix_cache_shortens_the_time_to_the_first_token() -> None:
    cached = Behaviour(ttft_s=1.0, tpot_s=0.0, prefix_cache=True)
    turns = turns_of((0, 2, 0))
    one, other = replayed(turns, 1, lambda _: body(0, text="a" * 6_400), cached)
    assert one["cached_tokens"] == 0
    assert other["cached_tokens"] > 1_590
    assert other["end_ns"] - other["sent_ns"] < 0.02e9
    assert one["end_ns"] - one["sent_ns"] == 10**9


def test_another_run_has_another_factor() -> None:
    noisy = EXPONENTIAL.model_copy(update={"run_noise_cv": 0.2})
    turns = turns_of((0, 20, 0))

    def latencies(run: int) -> np.ndarray:
        records = np.sort(replayed(turns, 1, body, noisy, run=run), order="id")
        return records["end_ns"] - records["sent_ns"]

    ratios = latencies(1) / latencies(0)
    assert ratios == pytest.approx(ratios[0], rel=1e-6)
    assert abs(ratios[0] - 1) > 0.01


def test_equal_capacities_differ_over_a_short_whole_run_and_not_in_the_window() -> None:
    """A server of 32 slots, and one of 16 that are twice as fast; lengths as in DashInfer's script."""
    slots = (Behaviour(servers=32, tpot_s=0.01), Behaviour(servers=16, tpot_s=0.01, speed=2))
    level = LoadLevel(closed=32)

    def ratios(counts: tuple[int, int, int], seed: int) -> tuple[float, float]:
        lengths = np.random.default_rng(seed).integers(88, 153, sum(counts)).tolist()
        one, other = (
            replayed_figures(
                turns_of(counts),
                level,
                WORKLOAD,
                lambda request: body(request, tokens=lengths[request]),
                each,
            )
            for each in slots
        )
        assert one is not None
        assert other is not None
        return other.qps_whole_run / one.qps_whole_run, other.qps / one.qps

    short = [ratios((0, 100, 0), seed)[0] for seed in range(12)]
    assert 1.07 < np.mean(short) < 1.14
    assert np.mean([ratios((64, 1_000, 64), seed)[1] for seed in range(3)]) == pytest.approx(1, abs=0.005)
