"""Prefix caching must be known to be off; a demonstration may leave it open."""

from pathlib import Path

import pytest
from loadgen_files import record_values, seal, small_round, write_run

from weighbridge.gates import judge
from weighbridge.gates.verdict import Check
from weighbridge.terms import Mode, Scenario


def _check(tmp_path: Path, submittable: bool, **server: object) -> Check | None:
    round_ = small_round(submittable=submittable)
    for mode in Mode:
        folder = write_run(tmp_path, round_, Scenario.OFFLINE, mode)
        record = record_values(round_, Scenario.OFFLINE, mode)
        record["server"] |= server
        seal(folder, record)
    verdict = judge(
        performance=tmp_path / "offline" / "performance",
        accuracy=tmp_path / "offline" / "accuracy",
        evaluation=None,
        round_=round_,
        scenario=Scenario.OFFLINE,
    )
    return next((check for check in verdict.checks if check.name == "prefix caching"), None)


@pytest.mark.parametrize(
    ("server", "passed"),
    [
        ({"prefix_caching": "off"}, True),
        ({"prefix_caching": "unknown"}, None),
        (
            {"prefix_caching": "unknown", "command": ["vllm", "serve", "m", "--no-enable-prefix-caching"]},
            True,
        ),
    ],
)
def test_a_real_round_wants_to_know(tmp_path: Path, server: dict[str, object], passed: bool | None) -> None:
    check = _check(tmp_path, True, **server)
    assert check is not None
    assert check.passed is passed


def test_a_demonstration_may_leave_it_open(tmp_path: Path) -> None:
    assert _check(tmp_path, False, prefix_caching="unknown") is None
