"""The log of the official client's events while it grows, what is silence in it, and a key that is masked."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from weighbridge.client.request_log import read_records
from weighbridge.client.sample_counts import DrivenPhase
from weighbridge.endpoints import client_signs, event_tail
from weighbridge.endpoints.client_signs import ClientSigns
from weighbridge.endpoints.event_tail import EventTail
from weighbridge.endpoints.kept_key import hide_key

S = 1_000_000_000


class Log:
    """A log that a test writes, and its tail."""

    def __init__(self, folder: Path) -> None:
        self.events, self.requests, self.printed = (
            folder / name for name in ("events", "requests", "printed")
        )
        for path in (self.events, self.printed):
            path.touch()
        self.tail = EventTail(self.events, self.requests, self.printed)

    def write(self, kind: str, at_s: float, query: str = "") -> None:
        line = {"event_type": kind, "timestamp_ns": round(at_s * S), "sample_uuid": query, "data": ["x"]}
        with self.events.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def begin(self) -> None:
        """Write a warm-up of two queries, whose ends the client does not log, and begin the next phase."""
        for number in range(2):
            self.write("sample.issued", 1 + number, f"w{number}")
            self.write("sample.recv_first", 1.5 + number, f"w{number}")
        self.write("session.start_performance_tracking", 4)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    made = Log(tmp_path)
    yield made
    made.tail.close()


def test_queries_of_both_phases_count_and_those_of_the_warm_up_do_not(log: Log) -> None:
    log.begin()
    for query in "abc":
        log.write("sample.issued", 5, query)
    log.write("sample.recv_first", 5.5, "a")
    log.write("sample.complete", 6, "a")
    log.write("error.generic", 7, "b")
    log.write("sample.complete", 7, "b")
    with log.events.open("ab") as file:  # damaged lines, which whoever reads it after the run tells
        file.write(b'{"event_type": "\xff", "timestamp_ns": 1}\n' + b"[" * 10_000 + b"\n")
    assert log.tail.read()
    assert not log.tail.read()
    counts = log.tail.counts(0.0, None)
    assert (counts.issued, counts.completed, counts.failed, counts.open) == (3, 2, 1, 1)
    assert (counts.phase, counts.at_ns, log.tail.warmed_up) == (DrivenPhase.PERFORMANCE, 7 * S, 2)
    rows = read_records(log.requests, 1)
    assert rows["end_ns"].tolist() == [6 * S, 7 * S]
    assert rows["first_ns"].tolist() == [5.5 * S, 7 * S]
    log.write("session.stop_performance_tracking", 8)
    log.write("sample.issued", 9, "d")
    log.tail.read()
    assert (log.tail.issued, log.tail.phase) == (4, DrivenPhase.ACCURACY)


def test_half_a_line_waits_for_its_rest(log: Log) -> None:
    log.begin()
    log.write("sample.issued", 5, "a")
    content = log.events.read_bytes()
    log.events.write_bytes(content[:-30])
    log.tail.read()
    assert log.tail.issued == 0
    with log.events.open("ab") as file:
        file.write(content[-30:])
    log.tail.read()
    assert log.tail.issued == 1


def test_the_progress_bar_is_ahead_of_the_log(log: Log) -> None:
    log.printed.write_bytes(
        b"simulated:   1%|1   | 7/400 [00:01<00:59]\rsimulated:  10%|##  | 40/400 [00:04<00:36]"
    )
    log.tail.look_at_bar()
    assert log.tail.counts(0.0, None).shown == 40


@pytest.mark.parametrize(
    ("waited_s", "stalls"),
    # 1,100 events that the client may not have written yet are 110 s at 10 queries/s.
    [(100.0, False), (160.0, False), (220.0, True)],
)
def test_silence_counts_from_when_the_log_should_have_grown(
    waited_s: float, stalls: bool, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.begin()
    log.write("sample.issued", 5, "a")
    monkeypatch.setattr(event_tail, "monotonic_ns", lambda: 5 * S)
    log.tail.read()
    log.tail.bar_ns = 0
    monkeypatch.setattr(client_signs, "monotonic_ns", lambda: round((5 + waited_s) * S))
    found = ClientSigns({}, stall_limit_s=100, target_qps=10).look(log.tail)
    assert (found is not None and found.over) == stalls


def test_issued_queries_are_no_sign_of_life_of_the_server(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    log.begin()
    log.write("sample.issued", 5, "a")
    log.write("sample.complete", 6, "a")
    for second in range(7, 120):
        log.write("sample.issued", second, f"q{second}")
    monkeypatch.setattr(event_tail, "monotonic_ns", lambda: 120 * S)
    log.tail.read()
    log.tail.bar_ns = 0
    monkeypatch.setattr(client_signs, "monotonic_ns", lambda: 120 * S)
    found = ClientSigns({}, stall_limit_s=100, target_qps=1).look(log.tail)
    assert found is not None
    assert "no answer to any of 113 open requests for 113 s" in found.sentence


def test_a_key_is_masked_in_files_and_below_folders(tmp_path: Path) -> None:
    inside = tmp_path / "client" / "metrics" / "a.json"
    inside.parent.mkdir(parents=True)
    inside.write_text('{"said": "Bearer abc\\"def"}')
    (tmp_path / "client.log").write_text('no abc"de here\n')
    changed = hide_key('abc"def', [tmp_path / "client.log", tmp_path / "client", tmp_path / "none"])
    assert changed == [inside]
    assert inside.read_text() == '{"said": "Bearer ***"}'
