"""A run is called lost when no later answer can make it pass, and only then: tried on all continuations."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from loadgen_files import small_round

from weighbridge.benchmarks.rounds import load_round
from weighbridge.client.frames import RequestOutcome
from weighbridge.client.issuer import IssuePlan
from weighbridge.client.request_log import RECORD_TYPE, Records
from weighbridge.client.sample_counts import SampleCounts
from weighbridge.config.official_client_rules import EndpointsDrive
from weighbridge.config.scenario_rules import LatencyLimit, Limits, Mode
from weighbridge.core.percentiles import percentile_of_sorted
from weighbridge.loadgen.early_stopping import discarded, few_over_probability, min_queries
from weighbridge.records.run_record import REQUESTS_BINARY
from weighbridge.search.lost_run import LateSamples, LostRunWatch, allowed_late

MS = 1_000_000
LIMIT_MS = 100
LIMITS = {"latency": LatencyLimit(limit_s=LIMIT_MS / 1000, percentile=0.9)}
TTFT = {"ttft": LatencyLimit(limit_s=LIMIT_MS / 1000, percentile=0.9)}


def passes(
    late: int, queries: int, percentile: float, *, early_stopping: bool, estimated: bool = False
) -> bool:
    """Judge a finished run as its driver and the gate do, from its latencies."""
    latencies = sorted([1.0] * (queries - late) + [9.0] * late)
    within = percentile_of_sorted(latencies, percentile) <= 5.0
    if estimated:
        beyond = discarded(queries, percentile)
        return within and (beyond is None or latencies[-1 - beyond] <= 5.0)
    if not early_stopping or queries < min_queries(0, percentile):
        return within
    return within and few_over_probability(late, queries, percentile) < 0.01


@given(st.integers(1, 400), st.sampled_from([0.5, 0.9, 0.99]), st.booleans())
def test_so_many_late_pass_and_one_more_does_not(queries: int, percentile: float, stopping: bool) -> None:
    allowed = allowed_late(queries, percentile, early_stopping=stopping)
    assert passes(allowed, queries, percentile, early_stopping=stopping)
    assert not passes(allowed + 1, queries, percentile, early_stopping=stopping)


@given(st.integers(1, 1500), st.sampled_from([0.9, 0.99]))
def test_so_many_late_pass_where_the_estimate_is_compared(queries: int, percentile: float) -> None:
    allowed = allowed_late(queries, percentile, early_stopping=True, estimated=True)
    assert passes(allowed, queries, percentile, early_stopping=True, estimated=True)
    assert not passes(allowed + 1, queries, percentile, early_stopping=True, estimated=True)


@given(st.integers(1, 2000), st.sampled_from([0.5, 0.9, 0.99]))
def test_a_longer_run_may_have_as_many_late_or_more(queries: int, percentile: float) -> None:
    allowed = [allowed_late(count, percentile, early_stopping=False) for count in (queries, queries + 1)]
    assert allowed == sorted(allowed)


@dataclass(frozen=True)
class Query:
    """A query: when it was issued, begun and ended, in ms; after the present: not yet."""

    issued: int
    first: int
    end: int


def records(queries: Sequence[Query], outcome: RequestOutcome = RequestOutcome.OK) -> Records:
    found = np.zeros(len(queries), dtype=RECORD_TYPE)
    for name, field in (("planned_ns", "issued"), ("first_ns", "first"), ("end_ns", "end")):
        found[name] = [getattr(query, field) * MS for query in queries]
    found["tokens"], found["outcome"] = 2, outcome
    return found


def counts_at(queries: Sequence[Query], now: int) -> SampleCounts:
    return SampleCounts(
        issued=sum(query.issued <= now for query in queries),
        completed=sum(query.end <= now for query in queries),
        failed=0,
        first_tokens=sum(query.first <= now for query in queries),
        at_ns=now * MS,
    )


@st.composite
def histories(draw: st.DrawFn) -> list[Query]:
    """Draw queries at distinct times after 0, which records take for never."""
    issued = sorted(draw(st.sets(st.integers(1, 400), min_size=1, max_size=9)))
    waits = [(draw(st.integers(1, 250)), draw(st.integers(0, 250))) for _ in issued]
    return [Query(at, at + first, at + first + rest) for at, (first, rest) in zip(issued, waits, strict=True)]


def continuations(queries: Sequence[Query], now: int) -> Iterator[list[Query]]:
    """Yield what may become of a run: each open query ends now, or far too late; so does its first token."""

    def of(query: Query) -> list[Query]:
        if query.end <= now:
            return [query]
        if query.first <= now:
            return [replace(query, end=end) for end in (now, now + 1000)]
        ends = [(now, now), (now, now + 1000), (now + 1000, now + 1000)]
        return [replace(query, first=first, end=end) for first, end in ends]

    yield from map(list, itertools.product(*(of(query) for query in queries if query.issued <= now)))


@given(histories(), st.lists(st.integers(1, 700), min_size=1, max_size=4))
def test_what_is_counted_late_is_late_in_every_continuation_and_of_latencies_nothing_is_left_out(
    queries: list[Query], looks: list[int]
) -> None:
    late, seen = LateSamples(LIMITS | TTFT), set[int]()
    for now in sorted(looks):
        ended = [number for number, query in enumerate(queries) if query.end <= now and number not in seen]
        seen |= set(ended)
        late.add(records([queries[number] for number in ended]))
        found = late.late(counts_at(queries, now))
    finished = list(continuations(queries, now))
    least = {
        "latency": min(sum(each.end - each.issued > LIMIT_MS for each in run) for run in finished),
        "ttft": min(sum(each.first - each.issued > LIMIT_MS for each in run) for run in finished),
    }
    assert found["ttft"] <= least["ttft"]
    assert found["latency"] <= least["latency"]
    # Issues are told apart by the looks: of what was issued since the look before, the age is not known.
    known = LateSamples(LIMITS)
    for tick in range(now + 1):
        known.add(records([query for query in queries if query.end == tick]))
        exact = known.late(counts_at(queries, tick))
    assert exact["latency"] == least["latency"]


def watch(
    folder: Path, *, stop: bool, drive: EndpointsDrive | None = None, **changes: object
) -> tuple[LostRunWatch, list[str]]:
    """Return a watch on a run of 50 queries, of which 5 may be late, and what it tells."""
    round_ = small_round()
    rules = round_.loadgen_rules.model_copy(update={"early_stopping": False})
    round_ = round_.model_copy(update={"loadgen": rules})
    limits = {"limits": Limits.model_validate(LIMITS), "endpoints": drive}
    scenario = round_.scenarios["server"].model_copy(update=limits)
    plan = IssuePlan("server performance", "server", Mode.PERFORMANCE, True, 40, 50, 1.0, 0.1)
    told: list[str] = []
    plan = replace(plan, **changes)  # type: ignore[arg-type]
    return LostRunWatch(plan, round_, scenario, folder, told.append, stop=stop), told


def write_records(folder: Path, found: Records) -> None:
    with (folder / REQUESTS_BINARY).open("ab") as file:
        file.write(found.tobytes())


LATE = [Query(10 * number, 10 * number + 50, 10 * number + 150) for number in range(1, 31)]


@pytest.mark.parametrize("stop", [True, False])
def test_it_is_said_once_with_figures_and_a_rate_and_ends_the_run_where_that_is_asked_for(
    tmp_path: Path, stop: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weighbridge.search.lost_run._LOOK_EVERY_S", 0)
    looked, told = watch(tmp_path, stop=stop)
    write_records(tmp_path, records(LATE[:4]))
    assert looked(counts_at(LATE[:4], 200)) is None
    assert looked.lost is None
    write_records(tmp_path, records(LATE[4:]))
    reason = looked(counts_at(LATE, 500))
    assert looked(counts_at(LATE, 600)) == reason
    assert looked.lost is not None
    said = (
        "the run cannot pass any more after 0 s: 30 of 30 queries are over the limit of 0.1 s (latency), and "
        "of all 50 only 4 may be"
    )
    assert looked.lost.reason == said
    assert (reason == said) is stop
    assert looked.lost.suggested_target_qps == 38  # 100 a second were served
    [sentence] = told
    assert sentence.startswith(f"{said}; {'it is ended' if stop else 'it goes on to its end'}")
    assert "Lower scenarios.server.target_qps from 40 (try 38), or set it to 'auto'" in sentence
    looked.close()


def test_no_search_is_proposed_where_the_rate_cannot_be_searched_for(tmp_path: Path) -> None:
    drive = load_round("v6.1-endpoints").scenarios["server"].endpoints
    looked, told = watch(tmp_path, stop=True, drive=drive)
    write_records(tmp_path, records(LATE))
    assert looked(counts_at(LATE, 600))
    assert "Lower scenarios.server.target_qps from 40 (try 38)." in told[0]
    looked.close()


def test_a_failed_request_loses_any_run_and_late_ones_no_accuracy_run(tmp_path: Path) -> None:
    looked, _ = watch(tmp_path, stop=True, mode=Mode.ACCURACY)
    write_records(tmp_path, records(LATE))
    assert looked(counts_at(LATE, 500)) is None
    looked.close()
    looked, told = watch(tmp_path, stop=True, mode=Mode.ACCURACY)
    write_records(tmp_path, records(LATE[:1], RequestOutcome.RESET))
    assert looked(counts_at(LATE, 500)) == (
        "the run cannot pass any more after 0 s: 1 request of 30 failed, and none may"
    )
    assert told[0].endswith("it is ended. Find the cause in errors.jsonl.")
    looked.close()


def test_what_the_end_of_a_run_makes_of_its_open_requests_loses_no_run(tmp_path: Path) -> None:
    looked, told = watch(tmp_path, stop=True)
    write_records(tmp_path, records(LATE, RequestOutcome.ABORTED))
    assert looked(replace(counts_at(LATE, 500), completed=30, failed=30)) is None
    assert (looked.lost, told) == (None, [])
    looked.close()


def test_a_run_whose_log_cannot_be_read_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / REQUESTS_BINARY).mkdir()
    looked, told = watch(tmp_path, stop=True)
    assert looked(counts_at(LATE, 500)) is None
    assert "whether the run can still pass is not watched; the run goes on" in caplog.text
    assert told == []
