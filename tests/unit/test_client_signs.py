"""What tells a slow official client from one that hangs: its log of events is behind, its bar is not."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest

from weighbridge.endpoints.client_signs import ClientSigns
from weighbridge.endpoints.event_tail import EventTail

LIMIT_S = 0.3


@pytest.fixture
def idle() -> Iterator[int]:
    """A process that computes nothing."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process.pid
        process.kill()


@pytest.mark.parametrize("answers", [False, True])
def test_answers_of_the_bar_are_signs_of_life_while_the_log_is_empty(
    tmp_path: Path, idle: int, answers: bool
) -> None:
    log, printed = tmp_path / "events.jsonl", tmp_path / "client.log"
    log.touch()
    printed.touch()
    tail = EventTail(log, tmp_path / "requests.bin", printed)
    signs = ClientSigns({0: "the supervisor", idle: "the client"}, LIMIT_S, target_qps=10_000)
    # Without answers it ends, on a busy machine a little later.
    until, count, ended = monotonic() + (3 * LIMIT_S if answers else 60), 0, None
    while monotonic() < until and ended is None:
        signs.heard()
        if answers:
            count += 1
            printed.write_text(f"model (Streaming: False):  1%| | {count}/1024 [00:0{count}<10:00]\r")
        tail.look_at_bar()
        found = signs.look(tail)
        ended = found if found is not None and found.over else None
        sleep(LIMIT_S / 6)
    tail.close()
    assert (ended is None) == answers
    assert ended is None or "computes nothing, and counts no answer" in ended.sentence
