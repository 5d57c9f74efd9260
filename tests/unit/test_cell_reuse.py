"""How much of a run's prompts came from caches, and how much its workload explains."""

import pytest
from run_tables import COOLDOWN, MEASURED, WARMUP, Sent, table_of, turns_of

from weighbridge.records.sweep_run import Reuse
from weighbridge.requests.turns import Turns
from weighbridge.sweep.reuse import NOTHING_KNOWN, CacheFacts, reuse_of
from weighbridge.sweep.run_rows import RunRows

# Three turns of 100, 200 and 300 prompt tokens, 20 tokens each answer.
PROMPTS = (100, 200, 300)


def conversations(cached: tuple[int, ...] = (-1, -1, -1)) -> tuple[list[Sent], Turns]:
    sent = [
        Sent(
            number,
            3.0 * number + turn,
            3.0 * number + turn + 1,
            turn=turn,
            prompt=PROMPTS[turn],
            tokens=20,
            cached=cached[turn],
        )
        for number in range(3)
        for turn in range(3)
    ]
    return sent, turns_of([WARMUP, MEASURED, MEASURED], turns=3)


def reuse(
    sent: list[Sent], turns: Turns, facts: CacheFacts = NOTHING_KNOWN, *, live: bool = False, cut_off: int = 0
) -> Reuse:
    return reuse_of(RunRows.of(table_of(sent, turns), turns), facts, live_history=live, cut_off=cut_off)


def test_a_later_turn_repeats_the_prompt_before_it_and_live_answers() -> None:
    recorded, live = reuse(*conversations()), reuse(*conversations(), live=True)
    assert recorded.expected == pytest.approx((0 + 100 + 200) / 600)
    assert live.expected == pytest.approx((0 + 120 + 220) / 600)


def test_what_nobody_tells_is_not_known_and_never_zero() -> None:
    found = reuse(*conversations())
    assert found.share is None
    assert "not known" in found.source


def test_answers_that_leave_a_count_out_have_none() -> None:
    found = reuse(*conversations(cached=(-1, 96, 192)))
    assert found.share == pytest.approx((96 + 192) / 600)
    assert found.source == "usage of the answers"


def test_the_answers_say_more_than_the_counters() -> None:
    counters = CacheFacts(caching="on", queried=1800, hit=900)
    assert reuse(*conversations(cached=(0, 0, 0)), counters).share == 0.0
    found = reuse(*conversations(), counters)
    assert found.share == pytest.approx(0.5)
    assert "counters" in found.source
    assert reuse(*conversations(), CacheFacts(caching="off")).share == 0.0


def test_counters_without_queries_say_nothing() -> None:
    assert reuse(*conversations(), CacheFacts(queried=0, hit=0)).share is None


def test_shared_prefixes_and_templates_explain_first_turns_but_not_the_very_first() -> None:
    turns = turns_of([MEASURED, MEASURED, MEASURED], prefix_share=[0.75, 0.75, 0.0])
    sent = [Sent(number, float(number), number + 1.0, prompt=100) for number in range(3)]
    assert reuse(sent, turns).expected == pytest.approx(75 / 300)
    with_template = reuse(sent, turns, CacheFacts(common_tokens=10))
    assert with_template.expected == pytest.approx((10 + 85 + 10) / 300)


def test_nothing_explains_more_than_the_prompt_has() -> None:
    turns = turns_of([MEASURED, MEASURED], prefix_share=0.9)
    sent = [Sent(number, float(number), number + 1.0, prompt=100) for number in range(2)]
    assert reuse(sent, turns, CacheFacts(common_tokens=500)).expected == pytest.approx(1.0)


def test_a_repeated_filler_may_be_cached_whole() -> None:
    turns = turns_of([MEASURED, COOLDOWN])
    sent = [
        Sent(0, 0.0, 9.0, prompt=100),
        Sent(1, 1.0, 2.0, prompt=100),
        Sent(1, 2.0, 3.0, prompt=100, lap=1),
    ]
    counted = CacheFacts(queried=300, hit=100)
    assert reuse(sent, turns, counted).expected == pytest.approx(1 / 3)
    # A fourth one that was cut off is in the counters, and in no row.
    assert reuse(sent, turns, counted, cut_off=1).expected == pytest.approx(2 / 4)


def test_the_turn_before_a_failed_one_explains_nothing() -> None:
    sent, turns = conversations()
    sent = [each for each in sent if each.conversation != 2]
    sent.append(Sent(2, 6.0, 7.0, outcome="timeout"))
    assert reuse(sent, turns).expected == pytest.approx(300 / 600)
