"""The rules of --fail-if: what is too slow or too bad, what noise covers, and what cannot be judged."""

from hashlib import sha256
from pathlib import Path

import pytest
from history_entries import history_entry, recorded, score, speed

from weighbridge.core.change_limits import ChangeLimits
from weighbridge.core.errors import InputError
from weighbridge.history.fail_rules import JudgedHistory, judge_history
from weighbridge.records.history_entry import HistoryEntry, HistoryMeasure

BOTH = ChangeLimits(slower=0.05, worse=0.01)


def _judge(*entries: HistoryEntry, limits: ChangeLimits = BOTH) -> JudgedHistory:
    return judge_history(recorded(*entries), limits)


def _step(before: HistoryMeasure, after: HistoryMeasure) -> JudgedHistory:
    return _judge(history_entry(0, before), history_entry(1, after))


def test_rules_are_read() -> None:
    assert ChangeLimits.parse(["slower:5%", "worse:0.5%"]) == ChangeLimits(slower=0.05, worse=0.005)
    assert ChangeLimits.parse([]) == ChangeLimits()


@pytest.mark.parametrize(
    "text", ["slower", "slower:5", "faster:5%", "worse:0%", "worse:100%", "worse:-1%", ""]
)
def test_what_is_no_rule_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"slower:5% or worse:1%"):
        ChangeLimits.parse([text])


def test_a_kind_of_rule_is_given_once() -> None:
    with pytest.raises(InputError, match="two rules slower:"):
        ChangeLimits.parse(["slower:5%", "slower:6%"])


@pytest.mark.parametrize(
    ("before", "after", "fails"),
    [
        (speed(100), speed(94.9), True),
        (speed(100), speed(95.1), False),
        (speed(100), speed(200), False),
        (speed(1, better="lower"), speed(1 / 0.949, better="lower"), True),
        (speed(1, better="lower"), speed(1 / 0.951, better="lower"), False),
        (speed(1, better="lower"), speed(0.1, better="lower"), False),
        (score(0.800), score(0.789), True),
        (score(0.800), score(0.791), False),
        (score(0.2, better="lower"), score(0.22, better="lower"), True),
        (score(38.8), score(37.7), True),
        (score(38.8), score(37.9), False),
        (score(8000), score(7900), True),
        (score(8000), score(7950), False),
    ],
    ids=str,
)
def test_limits_of_speeds_are_shares_and_those_of_scores_are_points(
    before: HistoryMeasure, after: HistoryMeasure, fails: bool
) -> None:
    judged = _step(before, after)
    assert judged.compared == 1
    assert bool(judged.broken) == bool(judged.failure) == fails


def test_known_noise_covers_a_change_and_unknown_noise_does_not() -> None:
    noisy = [history_entry(hour, speed(value)) for hour, value in enumerate((100, 110, 95))]
    assert _judge(*noisy, history_entry(9, speed(85))).broken == ()
    quiet = [history_entry(hour, speed(value)) for hour, value in enumerate((100, 100.1, 100))]
    assert len(_judge(*quiet, history_entry(9, speed(85))).broken) == 1
    assert len(_step(speed(100), speed(85)).broken) == 1, "not known"
    wide = {"low": 0.7, "high": 0.9}
    assert _step(score(0.8, **wide), score(0.75, low=0.65, high=0.85)).broken == ()


def test_a_rule_judges_its_own_aspect_alone() -> None:
    entries = (history_entry(0, speed(100), score(0.8)), history_entry(1, speed(50), score(0.5)))
    assert len(_judge(*entries).broken) == 2
    [slower] = _judge(*entries, limits=ChangeLimits(slower=0.05)).broken
    assert slower.startswith("slower than allowed: offline: rate 100 samples/s, then 50.0 samples/s: -50 %")
    [worse] = _judge(*entries, limits=ChangeLimits(worse=0.01)).broken
    assert worse.startswith("worse than allowed: offline: F1 0.800, then 0.500: -0.30 ")


def test_what_cannot_be_judged_has_not_passed() -> None:
    assert "no result has one before it" in str(_judge(history_entry(0, speed(1))).failure)
    assert "no result has one before it" in str(_judge().failure)
    invalid = history_entry(1, speed(100), outcome="INVALID")
    assert "INVALID and does not count" in str(_judge(history_entry(0, speed(100)), invalid).failure)
    gone = _judge(history_entry(0, speed(100), score(0.8)), history_entry(1, speed(100)))
    assert "has no F1 any more" in str(gone.failure)
    only_speeds = _judge(
        history_entry(0, speed(1), score(1)), history_entry(1, speed(1)), limits=ChangeLimits(slower=0.05)
    )
    assert only_speeds.failure is None


def test_a_result_that_could_not_be_recorded_has_not_passed(tmp_path: Path) -> None:
    verdict = tmp_path / "results" / "offline" / "verdict.json"
    verdict.parent.mkdir(parents=True)
    verdict.write_text("as recorded")
    newest = history_entry(1, speed(100), result_sha256=sha256(b"as recorded").hexdigest())
    entries = recorded(history_entry(0, speed(100)), newest, run=str(tmp_path))
    assert judge_history(entries, BOTH).failure is None
    verdict.write_text("made since")
    assert f"{verdict} has no entry; record it" in str(judge_history(entries, BOTH).failure)


def test_each_kind_and_name_is_judged_by_its_own_newest_result() -> None:
    server = [history_entry(hour, speed(10), name="server") for hour in (1, 2)]
    judged = _judge(history_entry(0, speed(100)), *server, history_entry(3, speed(50)))
    assert judged.compared == 2
    assert len(judged.broken) == 1


def test_a_failure_names_the_first_and_counts_the_others() -> None:
    many = [speed(100, f"rate {number}") for number in range(5)]
    slow = [speed(50, f"rate {number}") for number in range(5)]
    failure = str(_judge(history_entry(0, *many), history_entry(1, *slow)).failure)
    assert failure.count("slower than allowed") == 3
    assert failure.endswith("; and 2 more.")
