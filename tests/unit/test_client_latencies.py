"""Where the latencies of two clients come from, by a server's log of when it sent its answers."""

import json
from pathlib import Path

import numpy as np
import pytest
from client_files import client_record
from hypothesis import given
from hypothesis import strategies as st
from real_client_runs import SAMPLES, TARGET_QPS, round_of_runs, unpack_runs

from weighbridge.config.scenario_rules import Mode
from weighbridge.core.errors import InputError
from weighbridge.endpoints.replayed_phase import ReplayedPhase
from weighbridge.endpoints.schedule import delays_s
from weighbridge.records.cross_measurement import PairedTimes, TimeSpread
from weighbridge.records.run_record import RUN_RECORD
from weighbridge.report.client_latencies import ServerTimes, TimedQueries, cross_measurement, pairs
from weighbridge.simulate.sent_times import read_sent_logs


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = unpack_runs(tmp_path_factory.mktemp("real"))
    for run in folder.iterdir():
        name = "offline" if run.name == "offline" else "interactive"
        round_ = round_of_runs(name)
        record = client_record(round_, round_.scenario(name), Mode.PERFORMANCE)
        (run / RUN_RECORD).write_text(json.dumps(record))
    return folder


def made(sample: list[int], issued: list[int], before: int, server: int, after: int) -> TimedQueries:
    issued_ns = np.array(issued, dtype=np.int64)
    end_ns = issued_ns + before + server + after
    return TimedQueries(
        "a client", len(sample), np.array(sample, dtype=np.int64), issued_ns, end_ns, end_ns, streamed=False
    )


def log_of(queries: TimedQueries, before: int, server: int, order: list[int]) -> ServerTimes:
    arrived_ns = (queries.from_ns + before)[order]
    return ServerTimes(queries.sample[order], arrived_ns, arrived_ns + server, arrived_ns + server)


@given(st.data())
def test_each_query_is_paired_with_its_answer(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 30))
    sample = data.draw(st.lists(st.integers(0, 5), min_size=count, max_size=count))
    issued = data.draw(st.lists(st.integers(0, 1000), min_size=count, max_size=count, unique=True))
    order = data.draw(st.permutations(range(count)))
    queries = made(sample, issued, before=3, server=50, after=7)
    log = log_of(queries, 3, 50, list(order))
    # An answer of another phase, later than the last end, belongs to no query.
    late = np.array([int(queries.end_ns.max()) + 1])
    log = ServerTimes(
        np.append(log.sample, sample[0]),
        *(np.append(each, late) for each in (log.arrived_ns, log.first_ns, log.end_ns)),
    )
    ours, theirs = pairs(queries, log)
    assert sorted(ours.tolist()) == list(range(count))
    assert (queries.sample[ours] == log.sample[theirs]).all()
    assert (log.arrived_ns[theirs] - queries.from_ns[ours] == 3).all()


@given(lost=st.integers(0, 8))
def test_a_sample_with_an_answer_too_few_is_left_out(lost: int) -> None:
    queries = made([0, 1, 2] * 3, list(range(0, 900, 100)), before=3, server=50, after=7)
    log = log_of(queries, 3, 50, [place for place in range(9) if place != lost])
    ours, _ = pairs(queries, log)
    assert len(ours) == 6
    assert lost % 3 not in queries.sample[ours]


def of(times: PairedTimes | None) -> PairedTimes:
    assert times is not None
    return times


def test_a_real_run_is_divided_into_its_parts(runs: Path) -> None:
    replayed = ReplayedPhase.of(runs / "interactive")
    log = read_sent_logs([runs / "interactive" / "sent.csv"])
    # The log has the warm-up and the accuracy phase, too.
    assert len(log.sample) == 4 + 3 * SAMPLES
    official = TimedQueries.of_official(replayed)
    ours, theirs = pairs(official, log)
    assert len(ours) == len(replayed.phase) == 2 * SAMPLES
    assert (log.arrived_ns[theirs] > official.from_ns[ours]).all()
    assert (log.first_ns[theirs] < official.first_ns[ours]).all()
    assert (log.end_ns[theirs] < official.end_ns[ours]).all()
    # Its own client would have measured the same: each part is the same, and adds up.
    compared = cross_measurement(replayed, official, log)
    found = compared.official
    parts = of(found.times)
    assert parts.paired == len(ours)
    assert found.latency.mean_s == pytest.approx(
        parts.before.mean_s + parts.server.mean_s + parts.after.mean_s
    )
    assert isinstance(found.ttft, TimeSpread)
    assert parts.server_first is not None
    assert parts.after_first is not None
    assert found.ttft.mean_s == pytest.approx(
        parts.before.mean_s + parts.server_first.mean_s + parts.after_first.mean_s
    )
    assert found.late is not None
    assert found.late.p50_s == np.percentile(
        delays_s(replayed.phase.issued_ns, replayed.due_ns), 50, method="lower"
    )
    assert compared.own.late is None
    assert compared.own.times == parts


def test_failed_queries_are_counted_and_left_out(runs: Path) -> None:
    replayed = ReplayedPhase.of(runs / "offline")
    log = read_sent_logs([runs / "offline" / "sent.csv"])
    official = TimedQueries.of_official(replayed)
    found = cross_measurement(replayed, official, log).official
    assert found.failed == len(replayed.phase) - int(replayed.phase.answered.sum()) > 0
    assert 0 < of(found.times).paired <= found.queries - found.failed
    assert found.ttft is None
    assert found.late is None


def test_our_client_is_given_the_same_samples_at_the_same_times(runs: Path) -> None:
    replayed = ReplayedPhase.of(runs / "interactive")
    assert replayed.target_qps == TARGET_QPS
    assert replayed.streamed
    plan = replayed.issuer().plan
    assert (plan.scenario, plan.expected, plan.scheduled) == ("interactive", 2 * SAMPLES, True)
    assert plan.schedule_s == pytest.approx(replayed.due_ns[-1] / 1e9)
    offline = ReplayedPhase.of(runs / "offline")
    assert not offline.due_ns.any()
    assert not offline.issuer().plan.scheduled


def test_what_cannot_be_sent_again_is_said_in_a_sentence(runs: Path, tmp_path: Path) -> None:
    config = runs / "cut" / "client" / "config.yaml"
    text = config.read_text()
    config.write_text(text.replace("type: poisson", "type: concurrency"))
    with pytest.raises(InputError, match="queries have no due times"):
        ReplayedPhase.of(runs / "cut")
    config.unlink()
    with pytest.raises(InputError, match="no run of the official client"):
        ReplayedPhase.of(runs / "cut")
    config.write_text(text)
    log = tmp_path / "sent.csv"
    for content in ("", "a,b\n1,2\n", (runs / "cut" / "sent.csv").read_text()[:-30] + ",x\n"):
        log.write_text(content)
        with pytest.raises(InputError, match=r"simulate --sent-log"):
            read_sent_logs([log])
