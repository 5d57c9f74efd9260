"""The client's stamps of first and last tokens against the times at which a simulated server sent them."""

from pathlib import Path
from typing import Any

import pytest
from driving import STREAM, run_against, small_store
from simulating import simulated, stamps_and_truth, token_answers

from weighbridge.config.scenario_rules import Mode
from weighbridge.core.openai_api import AnswerKind, Api
from weighbridge.simulate.behaviour import Behaviour
from weighbridge.simulate.oracle import latencies

SAMPLES = 80
LENGTHS = (2, 20, 60)
BEHAVIOUR = Behaviour(servers=12, ttft_s=0.1, tpot_s=0.004, distribution="lognormal", sigma=0.3)
# As chat answers are streamed, and as completions with token ids are by a store that serves Offline as well.
KINDS: tuple[dict[str, Any], ...] = (
    {"api": Api.CHAT, "answers": AnswerKind.TEXT, "stream": True},
    {
        "api": Api.COMPLETIONS,
        "answers": AnswerKind.TOKENS,
        "streamed": ('{"model":"tiny","prompt":', ',"return_token_ids":true' + STREAM),
    },
)
# How close stamps and truth come is a figure of a quiet machine, which bench/streams.py measures. Here,
# beside other work on two cores, they must be in order, and near each other in the middle.
MEDIAN_BOUND_NS = 250e6


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind["answers"].value)
def test_tokens_are_stamped_after_they_were_sent_and_soon(kind: dict[str, Any], tmp_path: Path) -> None:
    # The run writes the same store again: bodies depend on nothing else.
    known = token_answers(small_store(tmp_path / "known", SAMPLES, **kind), LENGTHS)
    log = tmp_path / "sent.csv"
    with simulated(BEHAVIOUR, known=known, sent_log=log) as url:
        run = run_against(
            [url],
            tmp_path,
            SAMPLES,
            scenario="server",
            mode=Mode.PERFORMANCE,
            target_qps=40,
            token_latencies=True,
            **kind,
        )
    assert run.report.failed == {}
    rows = stamps_and_truth(run.out, log)
    assert len(rows) == SAMPLES
    for name in ("first", "last"):
        late_ns = rows[f"{name}_ns"] - rows[f"true_{name}_ns"]
        assert late_ns.min() > 0
        assert late_ns.median() < MEDIAN_BOUND_NS
    assert (rows["tokens"] == rows["true_tokens"]).all()
    added_s = {
        each.name: each.measured_s - each.expected_s
        for each in latencies(run.out, tmp_path / "store", BEHAVIOUR)
    }
    assert {"p50", "ttft p50", "ttft p99", "tpot p50", "tpot p99"} <= set(added_s)
    # Never early; a stalled machine sends the tokens that are late together, so TPOT has no such bound.
    assert added_s["p50"] > -0.005
    assert added_s["ttft p50"] > -0.005
