"""What a run of a sweep measured, against values computed by hand and against laws that always hold."""

import itertools
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_tables import COOLDOWN, MEASURED, WARMUP, Sent, load_report, queued, table_of, turns_of

from weighbridge.config.load_level import LoadLevel
from weighbridge.config.workload import Slo, Workload
from weighbridge.core.errors import InputError
from weighbridge.records.sweep_run import CellFigures
from weighbridge.requests.turns import Turns
from weighbridge.sweep.cell_figures import figures_of
from weighbridge.sweep.cell_window import Window, window_of
from weighbridge.sweep.latency_figures import percentiles
from weighbridge.sweep.run_rows import RunRows
from weighbridge.sweep.throughput_figures import arrived_tokens

CLOSED, OPEN = LoadLevel(closed=2), LoadLevel(poisson=10.0)
WORKLOAD = Workload(name="chat")
# Two at once: a warm-up request from 0, measured ones from 1 to 4.5, the first cool-down one at 5.
PHASES = [WARMUP, WARMUP, MEASURED, MEASURED, MEASURED, COOLDOWN, COOLDOWN]
SENT = [
    Sent(0, 0.0, 1.0),
    Sent(1, 0.0, 2.0, first=0.5, last=1.5, tokens=11),
    Sent(2, 1.0, 3.0, first=1.25, last=2.75, tokens=16, target=16, chunks=4),
    Sent(3, 2.0, 5.0, first=2.5, last=4.5, tokens=11, chunks=11),
    Sent(4, 3.0, 6.0, first=4.0, last=6.0, tokens=1, chunks=1),
    Sent(5, 5.0, 7.0),
]


def measured(
    sent: list[Sent],
    turns: Turns,
    level: LoadLevel = CLOSED,
    workload: Workload = WORKLOAD,
) -> CellFigures:
    figures = figures_of(table_of(sent, turns), turns, level, workload, load_report())
    assert figures is not None
    return figures


def test_a_closed_run_computed_by_hand() -> None:
    figures = measured(SENT, turns_of(PHASES, target_tokens=[10, 10, 16, 11, 10, 10, 10]))
    assert figures.window_s == pytest.approx(4.0)  # 1.0 to 5.0
    assert (figures.requests, figures.conversations, figures.failed) == (3, 3, 0)
    # Ends at 1.0, 2.0 and 3.0 lie in the window; 5.0 is its end, and no part of it.
    assert figures.qps == figures.conversations_per_s == pytest.approx(3 / 4)
    assert figures.sent_qps == pytest.approx(3 / 4)
    assert figures.qps_whole_run == pytest.approx(3 / 5)  # 1.0 to 6.0
    # 0.9 to 1.0 lies before the window; half of 11 from 0.5 to 1.5; all of 16 and of 11; half of 1.
    assert figures.output_tps == pytest.approx((0 + 5.5 + 16 + 11 + 0.5) / 4)
    assert figures.concurrency == pytest.approx(2.0)
    assert figures.ttft is not None
    assert figures.ttft.mean == pytest.approx((0.25 + 0.5 + 1.0) / 3)
    assert figures.ttft.p50 == pytest.approx(0.5)
    assert figures.e2e is not None
    assert (figures.e2e.samples, figures.e2e.p50) == (3, pytest.approx(3.0))
    assert figures.e2e.p90 == pytest.approx(3.0)
    assert figures.tpot is not None
    assert figures.tpot.samples == 2  # one answer has a single token
    assert figures.tpot.mean == pytest.approx((1.5 / 15 + 2.0 / 10) / 2)
    assert figures.chunk_gap is not None
    assert figures.chunk_gap.mean == pytest.approx((1.5 / 3 + 2.0 / 10) / 2)
    assert figures.norm_latency is not None
    assert figures.norm_latency.mean == pytest.approx((2 / 16 + 3 / 11 + 3 / 1) / 3)
    assert figures.tokens_per_chunk == pytest.approx(28 / 16)
    assert figures.prompt_tokens == pytest.approx(100)
    assert figures.output_tokens == pytest.approx(28 / 3)
    assert figures.other_length_share == pytest.approx(1 / 3)
    assert figures.previous_turns == 0
    assert figures.client_busy == 0.2
    assert figures.offered_qps is None
    assert not figures.overloaded


def test_latencies_of_an_open_run_count_from_due_times() -> None:
    late = [Sent(each.conversation, each.start, each.end, late=0.25) for each in SENT]
    turns = turns_of(PHASES, due_s=[0.0, 0.0, 1.0, 2.0, 3.0, 5.0, 5.0])
    closed, opened = measured(late, turns), measured(late, turns, OPEN)
    for name in ("ttft", "e2e"):
        from_sending, from_due = getattr(closed, name).mean, getattr(opened, name).mean
        assert from_due == pytest.approx(from_sending + 0.25)
    assert opened.schedule_delay_p99_s == pytest.approx(0.25)
    # The window too: 0.75 to 4.75, in which requests were due as often as they were sent.
    assert opened.window_s == pytest.approx(4.0)
    assert opened.offered_qps == pytest.approx(3 / 4)
    assert opened.sent_qps == pytest.approx(3 / 4)


def test_an_answer_in_one_piece_has_no_token_times_and_counts_at_its_end() -> None:
    workload = WORKLOAD.model_copy(update={"stream": False})
    figures = measured(SENT, turns_of(PHASES), workload=workload)
    assert (figures.ttft, figures.tpot, figures.chunk_gap, figures.tokens_per_chunk) == (None,) * 4
    assert figures.output_tps == pytest.approx((10 + 11 + 16) / 4)


def test_failures_and_what_they_prevented_count_as_failed() -> None:
    turns = turns_of([MEASURED, MEASURED], turns=3)
    sent = [
        Sent(0, 0.0, 1.0),
        Sent(0, 1.0, 2.0, turn=1, outcome="http_status"),  # its third turn is never sent
        *(Sent(1, float(turn), turn + 1.0, turn=turn) for turn in range(3)),
    ]
    figures = measured(sent, turns)
    assert (figures.requests, figures.failed, figures.conversations) == (6, 2, 2)
    assert figures.previous_turns == 2
    assert figures.e2e is not None
    assert figures.e2e.samples == 4
    # The window of a run without cool-down ends with its last measured request, which is no part of it.
    assert (figures.window_s, figures.qps) == (pytest.approx(3.0), pytest.approx(3 / 3))


def test_a_conversation_is_in_progress_while_its_user_thinks() -> None:
    turns = turns_of([MEASURED, COOLDOWN], turns=2)
    sent = [Sent(0, 0.0, 1.0), Sent(0, 3.0, 4.0, turn=1), Sent(1, 4.0, 5.0)]
    assert measured(sent, turns, LoadLevel(closed=1)).concurrency == pytest.approx(1.0)


def test_repeated_fillers_are_conversations_of_their_own() -> None:
    turns = turns_of([MEASURED, MEASURED, COOLDOWN])
    sent = [Sent(0, 0.0, 9.0), Sent(1, 0.0, 2.0), Sent(2, 2.0, 3.0), Sent(2, 8.0, 9.0, lap=1)]
    rows = RunRows.of(table_of(sent, turns), turns)
    assert rows.held.tolist() == [0, 1, 2, 5]
    assert rows.lap.tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("fillers", [SENT[5:], []])
def test_the_window_ends_where_the_first_filler_began_even_if_it_was_cut_off(fillers: list[Sent]) -> None:
    due = [0.0, 0.0, 1.0, 2.0, 3.0, 4.5, 5.0]
    turns = turns_of(PHASES, due_s=due)
    table = table_of([*SENT[:5], *fillers], turns)
    rows = RunRows.of(table, turns)
    for level, end_s in ((CLOSED, 5.0), (OPEN, 4.5)):
        window = window_of(rows, level)
        assert window is not None
        assert window.seconds == pytest.approx(end_s - 1.0)


def test_fewer_conversations_than_are_kept_going_have_no_window() -> None:
    turns = turns_of(PHASES)
    assert window_of(RunRows.of(table_of(SENT, turns), turns), LoadLevel(closed=6)) is None


@pytest.mark.parametrize(
    ("slo", "share"),
    [
        ({"e2e_ms": 2500.0}, 1 / 3),
        ({"ttft_ms": 500.0}, 2 / 3),
        ({"tpot_ms": 150.0}, 2 / 3),  # 0.1 s; a single token passes; 0.2 s does not
        ({"tpot_ms": 150.0, "ttft_ms": 500.0}, 1 / 3),
    ],
)
def test_goodput_counts_requests_that_started_in_the_window_and_met_all(
    slo: dict[str, float], share: float
) -> None:
    workload = WORKLOAD.model_copy(update={"slo": Slo.model_validate(slo)})
    figures = measured(SENT, turns_of(PHASES), workload=workload)
    assert figures.goodput_share == pytest.approx(share)
    assert figures.goodput == pytest.approx(share * 3 / 4)


def test_a_failed_request_is_never_good() -> None:
    workload = WORKLOAD.model_copy(update={"slo": Slo(e2e_ms=1e6)})
    sent = [*SENT[:3], Sent(3, 2.0, 5.0, outcome="timeout"), *SENT[4:]]
    assert measured(sent, turns_of(PHASES), workload=workload).goodput_share == pytest.approx(2 / 3)
    assert measured(SENT, turns_of(PHASES)).goodput is None


def test_an_answer_without_text_has_no_first_token_and_its_tokens_arrive_at_its_end() -> None:
    turns = turns_of([MEASURED, MEASURED, COOLDOWN])
    sent = [Sent(0, 0.0, 1.0), Sent(1, 1.0, 3.0, tokens=12), Sent(2, 4.0, 5.0)]
    table = table_of(sent, turns)
    textless = table["sample"].to_numpy() == turns["request"][1]
    for name in ("first_ns", "last_ns"):
        column = table.schema.get_field_index(name)
        table = table.set_column(column, name, pa.array(np.where(textless, 0, table[name].to_numpy())))
    figures = figures_of(table, turns, LoadLevel(closed=1), WORKLOAD, load_report())
    assert figures is not None
    assert figures.ttft is not None
    assert figures.ttft.samples == 1
    assert figures.e2e is not None
    assert figures.e2e.samples == 2
    # The window ends where the last measured one does, whose tokens arrive then.
    assert figures.output_tps == pytest.approx(10 / 3)
    assert figures.out_of_order == 0


def test_answers_without_usage_have_no_tokens_and_are_of_another_length() -> None:
    sent = [Sent(each.conversation, each.start, each.end, tokens=-1, prompt=0) for each in SENT]
    figures = measured(sent, turns_of(PHASES))
    assert (figures.output_tps, figures.output_tokens, figures.prompt_tokens) == (None, None, None)
    assert (figures.tpot, figures.norm_latency) == (None, None)
    assert figures.other_length_share == 1.0
    assert figures.failed == 0


def test_an_objective_is_met_by_exactly_its_limit() -> None:
    sent = [Sent(each.conversation, each.start, each.end, first=each.end - 0.9) for each in SENT]
    limits = {"e2e_ms": 3000.0, "ttft_ms": 2100.0, "tpot_ms": 100.0}
    workload = WORKLOAD.model_copy(update={"slo": Slo.model_validate(limits)})
    assert measured(sent, turns_of(PHASES), workload=workload).goodput_share == 1.0
    for name in limits:
        tighter = Slo.model_validate(limits | {name: limits[name] * 0.999})
        workload = WORKLOAD.model_copy(update={"slo": tighter})
        assert measured(sent, turns_of(PHASES), workload=workload).goodput_share != 1.0


def test_percentiles_are_left_out_where_samples_are_few() -> None:
    ramp = np.arange(10_000, dtype=np.float64)
    few, many, most = (percentiles(ramp[:count]) for count in (999, 1_000, 10_000))
    assert few is not None
    assert many is not None
    assert most is not None
    assert (few.p99, few.p999) == (None, None)
    assert few.p50 == pytest.approx(499.0)
    assert (many.p99, many.p999) == (pytest.approx(989.01), None)
    assert most.p999 == pytest.approx(9989.001)
    assert percentiles(np.array([np.nan])) is None


def test_times_that_cannot_follow_each_other_are_counted() -> None:
    turns = turns_of(PHASES)
    good = [Sent(each.conversation, each.start, each.end) for each in SENT]
    assert measured(good, turns).out_of_order == 0
    good[2].first = good[2].end + 0.5
    assert measured(good, turns).out_of_order == 1


def test_a_table_that_is_not_of_the_slice_is_refused() -> None:
    turns = turns_of(PHASES)
    table = table_of(SENT, turns)
    with pytest.raises(InputError, match="not of its slice"):
        RunRows.of(table, turns_of(PHASES[:3]))
    with pytest.raises(InputError, match="'number'"):
        RunRows.of(table.drop_columns(["number"]), turns)
    nothing = figures_of(table.slice(0, 0), turns, CLOSED, WORKLOAD, load_report())
    assert nothing is None


def _closed(seed: int, count: int, at_once: int, servers: int) -> tuple[list[Sent], Turns]:
    service = np.random.default_rng(seed).exponential(0.1, count)
    spans = queued(at_once, service, servers)
    third = count // 3
    phases = [WARMUP] * third + [MEASURED] * third + [COOLDOWN] * (count - 2 * third)
    sent = [
        Sent(place, start, end, first=start + 0.6 * (end - start)) for place, (start, end) in enumerate(spans)
    ]
    return sent, turns_of(phases)


@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 6))
def test_a_closed_loop_keeps_its_number_and_obeys_littles_law(seed: int, at_once: int, servers: int) -> None:
    sent, turns = _closed(seed, 120, at_once, servers)
    figures = measured(sent, turns, LoadLevel(closed=at_once))
    assert figures.concurrency == pytest.approx(at_once)
    # L = X R holds exactly of the time that requests spend within the window.
    rows = RunRows.of(table_of(sent, turns), turns)
    window = window_of(rows, LoadLevel(closed=at_once))
    assert window is not None
    spent = np.minimum(rows.end_ns, window.end_ns) - np.maximum(rows.sent_ns, window.start_ns)
    assert figures.concurrency == pytest.approx(np.maximum(spent, 0).sum() / 1e9 / window.seconds)
    # Each end begins the next one, so that a window has as many of both: the measured ones.
    assert figures.qps * window.seconds == pytest.approx(40)
    assert window.end_ns == rows.sent_ns[rows.turn("phase") == COOLDOWN].min()


@given(st.integers(0, 2**32), st.lists(st.floats(0.0, 1.0), max_size=6), st.booleans())
def test_parts_of_a_window_have_all_its_tokens(seed: int, cuts: list[float], streamed: bool) -> None:
    sent, turns = _closed(seed, 60, 4, 2)
    rows = RunRows.of(table_of(sent, turns), turns)
    window = window_of(rows, LoadLevel(closed=4))
    assert window is not None
    bounds = [
        window.start_ns,
        *sorted(window.start_ns + int(cut * (window.end_ns - window.start_ns)) for cut in cuts),
        window.end_ns,
    ]
    parts = [
        arrived_tokens(rows, Window(low, high), streamed=streamed).sum()
        for low, high in itertools.pairwise(bounds)
    ]
    assert math.fsum(parts) == pytest.approx(arrived_tokens(rows, window, streamed=streamed).sum())
    ever = Window(0, int(rows.end_ns.max()) + 1)
    assert arrived_tokens(rows, ever, streamed=streamed).sum() == pytest.approx(rows.tokens.sum())


@given(st.randoms(use_true_random=False))
def test_the_order_of_the_table_does_not_matter(random: object) -> None:
    sent, turns = _closed(1, 60, 4, 2)
    table = table_of(sent, turns)
    order = list(range(len(table)))
    random.shuffle(order)  # type: ignore[attr-defined]
    assert figures_of(table.take(order), turns, CLOSED, WORKLOAD, load_report()) == figures_of(
        table, turns, CLOSED, WORKLOAD, load_report()
    )
