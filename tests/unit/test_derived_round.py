"""Derived rounds: how they are referred to, what they change, and what gates then say."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loadgen_files import (
    detail_values,
    evaluation_of,
    judged_runs,
    record_values,
    seal,
    small_round,
    write_detail,
    write_run,
)

from weighbridge.benchmarks.rounds import load_round, round_digest, round_file
from weighbridge.config.derived_round import RoundChanges, limited, strict
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import LoadGenScenario, Mode
from weighbridge.core.errors import InputError
from weighbridge.loadgen.work_size import passes_issued, work_size
from weighbridge.records.verdict import Verdict

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9._-]{0,8}", fullmatch=True)


@given(
    name=NAMES,
    benchmark=NAMES | st.none(),
    category=NAMES | st.none(),
    limit=st.integers(1, 2**31) | st.none(),
    accuracy=st.just("strict") | st.none(),
)
def test_changes_stand_after_the_name_or_at_the_end(
    name: str, benchmark: str | None, category: str | None, limit: int | None, accuracy: Any
) -> None:
    changes = RoundChanges(limit=limit, accuracy=accuracy)
    folder, at = f"{benchmark}/" if benchmark else "", f"@{category}" if category else ""
    plain = f"{folder}{name}{at}"
    for reference in (f"{plain}{changes.suffix}", f"{folder}{name}{changes.suffix}{at}"):
        assert RoundChanges.split(reference) == (plain, changes)


def test_a_file_may_have_any_name(tmp_path: Path) -> None:
    path = tmp_path / "a+limit=3" / "b+limit=4.yaml"
    path.parent.mkdir()
    path.write_text("{}")
    assert RoundChanges.split(str(path)) == (str(path), RoundChanges())
    assert RoundChanges.split(f"{path.parent}/v6.0+limit=5")[1] == RoundChanges(limit=5)


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("v6.0+limit=0", "limit"),
        ("v6.0+limit=many", "limit"),
        ("v6.0+limit=", "limit"),
        ("v6.0+accuracy=lax", "accuracy"),
        ("v6.0+seed=1", "seed"),
        ("v6.0+limit=1+limit=2", "changes 'limit' twice"),
        ("v6.0+limit=48289", "has 48289 samples in all"),
        ("v6.0+limit", "does not exist"),
        ("demo+accuracy=strict", "no metric of round demo has a floor of 99 %"),
    ],
)
def test_what_is_no_change_is_refused(reference: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        load_round(reference)


REAL = ["qwen3-vl-235b-a22b/v6.0", "llama3.1-8b/v6.0@datacenter", "llama3.1-8b/v6.1@edge"]


@pytest.mark.parametrize("name", [*REAL, "demo", "rehearsal"])
def test_a_limited_round_issues_its_samples_once(name: str) -> None:
    whole, round_ = load_round(name), load_round(f"{name}+limit=20")
    assert (round_.samples, round_.of_dataset) == (20, whole.samples)
    assert round_file(f"{name}+limit=20") == round_file(name)
    for scenario in round_.scenarios.values():
        for mode in Mode:
            assert work_size(round_, scenario, mode, 300).samples == 20, scenario.name
        if scenario.loadgen_scenario is not LoadGenScenario.SINGLE_STREAM:
            assert passes_issued(round_, scenario, 300) == 1


@pytest.mark.parametrize("name", [*REAL, "demo", "qwen3-vl-235b-a22b/v6.1"])
def test_a_limited_round_is_marked_and_found_again(name: str) -> None:
    whole, round_ = load_round(name), load_round(f"{name}+limit=20")
    assert not round_.submittable
    assert not round_.held_to_rules
    assert "only the first 20 of" in (round_.not_submittable_because or "")
    assert (whole.not_submittable_because or "") in (round_.not_submittable_because or "")
    assert round_.checker_version is None
    assert load_round(round_.reference) == round_
    assert round_.closed == whole.closed


@pytest.mark.parametrize("name", REAL)
def test_strict_floors_are_those_of_the_reference(name: str) -> None:
    usual, round_ = load_round(name), load_round(f"{name}+accuracy=strict")
    assert round_.submittable
    assert round_.name == usual.name
    changed = {name for name, rules in round_.metrics.items() if rules != usual.metrics[name]}
    assert changed == set(usual.metrics) - {"gen_len"}
    for metric in changed:
        rules, before = round_.metrics[metric], usual.metrics[metric]
        assert rules.floor == pytest.approx(0.999 * (before.reference_mean or 0))
        assert rules.readings["MLPerf"] == before.floor
    assert load_round(round_.reference) == round_


def test_both_changes_go_together() -> None:
    round_ = load_round("v6.0+accuracy=strict+limit=20")
    assert (round_.samples, round_.accuracy) == (20, "strict")
    assert load_round(round_.reference) == round_


def test_the_new_rules_change_no_pinned_round() -> None:
    round_ = load_round("v6.0")
    fields = {"dataset_samples": None, "accuracy": None}
    assert round_digest(round_) == round_digest(round_.model_copy(update=fields))
    assert round_.submittable


def judged(folder: Path, round_: Round, scenario: str, value: float, **detail: Any) -> Verdict:
    for mode in Mode:
        write_run(folder, round_, scenario, mode)
    changed = folder / scenario / Mode.PERFORMANCE
    write_detail(
        changed / "mlperf_log_detail.txt", detail_values(round_, scenario, Mode.PERFORMANCE) | detail
    )
    seal(changed, record_values(round_, scenario, Mode.PERFORMANCE))
    log = folder / scenario / Mode.ACCURACY / "mlperf_log_accuracy.json"
    return judged_runs(folder, round_, scenario, evaluation_of(round_, log, value))


EARLY = {"result_validity": "INVALID", "early_stopping_met": False}


def test_few_samples_are_no_verdict_on_the_score_and_on_early_stopping(tmp_path: Path) -> None:
    verdict = judged(tmp_path, limited(small_round(), 300), "server", 0.2, **EARLY)
    assert {check.name: check.value for check in verdict.not_asked} == {
        "LoadGen's result": "INVALID",
        "f1": 0.2,
    }
    f1 = next(check for check in verdict.not_asked if check.name == "f1")
    assert f1.limit == "not asked: none with 300 of 600 samples (>= 0.782400663 holds for all)"
    assert "early_stopping_met" not in {check.name for check in verdict.checks}
    assert not {"f1", "LoadGen's result"} & {check.name for check in (*verdict.failed, *verdict.unknown)}
    assert verdict.floor is None
    assert verdict.suggested_target_qps is None


def test_a_limit_of_latency_holds_for_few_samples_too(tmp_path: Path) -> None:
    late = EARLY | {
        "result_perf_constraints_met": False,
        "result_99.00_percentile_latency_ns": 13_000_000_000,
    }
    verdict = judged(tmp_path, limited(small_round(), 300), "server", 0.2, **late)
    assert {"result_perf_constraints_met", "99th percentile latency"} <= {
        each.name for each in verdict.failed
    }
    assert verdict.outcome == "INVALID"


@pytest.mark.parametrize(("value", "passes"), [(0.7894, False), (0.7896, True)])
def test_a_strict_floor_is_gated_and_said_not_to_be_mlperfs(
    tmp_path: Path, value: float, passes: bool
) -> None:
    verdict = judged(tmp_path, strict(small_round()), "server", value)
    [f1] = [check for check in verdict.checks if check.name == "f1"]
    assert f1.passed is passes
    assert f1.limit == ">= 0.7895133963 (accuracy: strict, not MLPerf's floor of 0.782401)"
    assert verdict.readings["MLPerf"].passed is True
