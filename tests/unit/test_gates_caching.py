"""Prefix caching must be reported as off, except in a demonstration; cache hits are never valid."""

from pathlib import Path

import pytest
from loadgen_files import record_values, seal, small_round, write_run

from weighbridge.config.scenario_rules import Mode
from weighbridge.gates import judge
from weighbridge.records.verdict import Check


def _check(
    tmp_path: Path,
    submittable: bool,
    name: str = "prefix caching",
    telemetry: dict[str, object] | None = None,
    **server: object,
) -> Check | None:
    round_ = small_round(submittable=submittable)
    for mode in Mode:
        folder = write_run(tmp_path, round_, "offline", mode)
        record = record_values(round_, "offline", mode) | {"telemetry": telemetry}
        record["server"] |= server
        seal(folder, record)
    verdict = judge(
        performance=tmp_path / "offline" / "performance",
        accuracy=tmp_path / "offline" / "accuracy",
        evaluation=None,
        round_=round_,
        scenario=round_.scenarios["offline"],
    )
    return next((check for check in verdict.checks if check.name == name), None)


@pytest.mark.parametrize(
    ("server", "passed"),
    [
        ({"prefix_caching": "off"}, True),
        ({"prefix_caching": "unknown"}, None),
        ({"prefix_caching": "on"}, False),
        (
            {"prefix_caching": "unknown", "command": ["vllm", "serve", "m", "--no-enable-prefix-caching"]},
            True,
        ),
    ],
)
def test_a_submittable_round_requires_caching_reported_off(
    tmp_path: Path, server: dict[str, object], passed: bool | None
) -> None:
    check = _check(tmp_path, True, **server)
    assert check is not None
    assert check.passed is passed


def test_a_demonstration_accepts_unknown_but_not_enabled_caching(tmp_path: Path) -> None:
    assert _check(tmp_path / "unknown", False, prefix_caching="unknown") is None
    check = _check(tmp_path / "on", False, prefix_caching="on")
    assert check is not None
    assert check.passed is False


NAMES = {"prefix_cache_hits": "prefix-cache hits", "external_prefix_cache_hits": "external prefix-cache hits"}


def _hits(
    tmp_path: Path, hits: int | None, submittable: bool = True, field: str = "prefix_cache_hits"
) -> Check | None:
    brief = {"samples": 9, "sources": ["server 0"], "cpu_s": 0.1, "cpu_share": 0.001}
    telemetry = brief | {"prefix_cache_hits": 0, "ecc_uncorrected": None} | {field: hits}
    return _check(tmp_path, submittable, NAMES[field], telemetry)


@pytest.mark.parametrize("submittable", [True, False])
@pytest.mark.parametrize(
    ("field", "option"),
    [
        ("prefix_cache_hits", "--no-enable-prefix-caching"),
        ("external_prefix_cache_hits", "--kv-transfer-config"),
    ],
)
def test_a_hit_of_a_prefix_cache_is_never_valid(
    tmp_path: Path, submittable: bool, field: str, option: str
) -> None:
    check = _hits(tmp_path, 48, submittable, field)
    assert check is not None
    assert (check.passed, check.value, check.limit) == (False, 48, "0")
    assert check.remedy is not None
    assert option in check.remedy


def test_zero_hits_pass(tmp_path: Path) -> None:
    check = _hits(tmp_path, 0)
    assert check is not None
    assert check.passed


def test_records_without_hit_counts_have_no_check_of_hits(tmp_path: Path) -> None:
    assert _hits(tmp_path / "silent", None) is None
    assert _check(tmp_path / "old", True, "prefix-cache hits") is None
