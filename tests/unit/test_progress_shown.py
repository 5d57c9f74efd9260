"""A run's state as it is shown: panels at the widths of terminals, lines in a log."""

import io

import pytest
from rich.console import Console

from weighbridge.monitor.render import render_line, render_panel
from weighbridge.records.progress_record import Phase, ProgressFigures, State

RUNNING = ProgressFigures(
    scenario="server",
    scheduled=True,
    expected=96578,
    issued=20031,
    completed=19997,
    failed=3,
    target_qps=80.1,
    qps=79.94,
    recent_qps=80.25,
    p50_s=1.214,
    p99_s=9.53,
    limit_s=12,
    left_s=954.2,
)
SERVER_PANEL = """\
╭─ server performance: running ────────────────────────────╮
│ ━━━━━━━━━━                                          20 % │
│ issued     20,031 of 96,578    31 in flight              │
│ completed  19,997              3 failed                  │
│ rate       79.9/s, now 80.2/s  target 80.1/s             │
│ latency    p50 1.21 s          p99 9.53 s (limit 12 s)   │
│ time       4 min 10 s          about 15 min 54 s left    │
╰──────────────────────────────────────────────────────────╯
"""


STALLED = RUNNING.model_copy(
    update={
        "issued": 512,
        "completed": 98,
        "failed": 0,
        "recent_qps": 0.0,
        "p50_s": 14.06,
        "p50_at_least": True,
        "p99_s": 14.06,
        "p99_at_least": True,
        "late": 414,
        "left_s": None,
    }
)
STALLED_PANEL = """\
╭─ server performance: running ────────────────────────────╮
│                                                      0 % │
│ issued     512 of 96,578       414 in flight             │
│ completed  98                  0 failed                  │
│ rate       79.9/s, now 0.00/s  target 80.1/s             │
│ latency    p50 ≥ 14.1 s        p99 ≥ 14.1 s (limit 12 s) │
│ late       414                 80.9 % of those issued    │
│ time       4 min 10 s                                    │
│ no answer for 14 s, 414 requests open                    │
╰──────────────────────────────────────────────────────────╯
"""


def state(**changes: object) -> State:
    plain = {"label": "server performance", "phase": Phase.RUNNING, "detail": "", "elapsed_s": 250.2}
    return State.parse(
        plain | {"figures": RUNNING, "host": "gpu17", "pid": 4711, "beats": 250} | changes, "test"
    )


def drawn(shown: State, width: int, stale_reason: str = "") -> str:
    """Draw as for a terminal without colours."""
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(render_panel(shown, stale_reason=stale_reason))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert {len(row) for row in text.splitlines()} == {width}
    return text


def test_the_panel_of_a_server_run() -> None:
    assert drawn(state(), 60) == SERVER_PANEL


@pytest.mark.parametrize("width", [60, 80, 120])
def test_nothing_is_cut_off_at_any_width(width: int) -> None:
    large = RUNNING.model_copy(
        update={"expected": 482_890, "issued": 400_000, "completed": 300_000, "left_s": 86_000.0}
    )
    text = drawn(state(figures=large, label="probe 10 of at most 10 at 1250.55 queries/s"), width)
    assert "…" not in text
    for words in ("400,000 of 482,890", "99,997 in flight", "(limit 12 s)", "about 23 h 53 min left"):
        assert words in text


def test_a_start_and_its_worries_are_told_in_whole_words() -> None:
    text = drawn(
        state(phase=Phase.STARTING, detail="loading weights: 12 of 48 (25 %)", figures=None, elapsed_s=75),
        60,
        stale_reason="no sign of life for 40 s: the job may have been killed; its host was gpu17, pid 4711",
    )
    words = " ".join(text.replace("│", " ").split())
    assert "starting the server" in words
    assert "loading weights: 12 of 48 (25 %) elapsed 1 min 15 s" in words
    assert "no sign of life for 40 s: the job may have been killed; its host was gpu17, pid 4711" in words


def test_colours_say_what_is_wrong() -> None:
    console = Console(file=io.StringIO(), width=60, force_terminal=True, color_system="standard")
    console.print(render_panel(state(figures=RUNNING.model_copy(update={"failed": 0}))))
    assert "[1;31m" not in console.file.getvalue()  # type: ignore[attr-defined]
    console.print(render_panel(state(figures=RUNNING.model_copy(update={"p99_s": 12.1}))))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "\x1b[1;31m3 failed" in text
    assert "\x1b[1;31mp99 12.1 s" in text


def test_lines_hold_what_the_panel_holds() -> None:
    assert render_line(state()) == (
        "server performance, running, 4 min 10 s: issued 20031 of 96578, completed 19997 (79.9 a second, "
        "now 80.2, target 80.1), in flight 31, failed 3, p50 1.21 s, p99 9.53 s (limit 12 s), "
        "about 15 min 54 s left"
    )
    assert render_line(state(phase=Phase.STARTING, detail="loading weights", figures=None)) == (
        "server performance, starting the server, 4 min 10 s: loading weights"
    )


def test_an_offline_run_has_no_limit_and_says_since_when() -> None:
    offline = RUNNING.model_copy(update={"scenario": "offline", "scheduled": False, "limit_s": None})
    words = render_line(state(label="offline performance", figures=offline))
    assert "expected 80.1), waiting 31, failed 3, p50 1.21 s from sending, p99 9.53 s, about" in words
    assert "p99 9.53 s, from sending" in drawn(state(figures=offline), 60)


def test_a_run_that_is_over_says_how_and_forecasts_nothing() -> None:
    words = render_line(state(phase=Phase.ABORTED, detail="interrupted by SIGINT"))
    assert words.startswith(
        "server performance, aborted, 4 min 10 s: completed 19997 of 96578 (79.9 a second"
    )
    assert words.endswith("; interrupted by SIGINT")
    assert "left" not in words
    assert "left" not in drawn(state(phase=Phase.DONE), 60)


def test_a_stalled_run_shows_its_open_requests_and_forecasts_nothing() -> None:
    stalled = state(figures=STALLED, trouble="no answer for 14 s, 414 requests open")
    assert render_line(stalled) == (
        "server performance, running, 4 min 10 s: issued 512 of 96578, completed 98 (79.9 a second, "
        "now 0.00, target 80.1), in flight 414, failed 0, p50 >= 14.1 s, p99 >= 14.1 s (limit 12 s), "
        "late 414; no answer for 14 s, 414 requests open"
    )
    assert drawn(stalled, 60) == STALLED_PANEL
    long = STALLED.model_copy(update={"p99_s": 1234.5, "p50_s": 1000.1, "limit_s": 12.5})
    assert "p99 ≥ 1234 s (limit 12.5 s)" in " ".join(drawn(state(figures=long), 60).replace("│", "").split())


def test_records_of_earlier_versions_are_still_read() -> None:
    new = ("trouble",), ("p50_at_least", "p99_at_least", "late")
    old = state().model_dump(exclude=set(new[0]))
    old["figures"] = {name: value for name, value in old["figures"].items() if name not in new[1]}
    assert State.parse(old, "test") == state()
