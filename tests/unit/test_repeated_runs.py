"""Several performance runs of a scenario: each is judged, and the median one is the result."""

import itertools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median, stdev
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judged_pair import DEMONSTRATION, Pair
from loadgen_files import detail_values, record_values, seal, write_detail, write_run
from test_performance_first import ACCURACY, LATE, ROUND, SERVER, performance_run

from weighbridge.config.scenario_rules import Mode, ScenarioRules, number_of_repeat
from weighbridge.config.scenario_rules import performance_run as named
from weighbridge.core.errors import InputError
from weighbridge.gates import judge, score_checks
from weighbridge.gates.find_loadgen_runs import find_runs
from weighbridge.gates.performance_first import not_worth_making
from weighbridge.gates.repeated_runs import failures_allowed, repeats_beside, repeats_of, verdict_of_runs
from weighbridge.records.performance_runs import Outcome
from weighbridge.records.verdict import Check, Verdict, outcome_of

RATES = {"performance": 19.5, "performance-2": 18.0, "performance-3": 19.0}


@pytest.fixture
def judged(tmp_path: Path) -> Callable[..., Verdict]:
    """Write a Server scenario with several performance runs of these rates, some late, and judge it."""

    def judge_runs(rates: Mapping[str, float], late: tuple[str, ...] = ()) -> Verdict:
        pair = Pair(tmp_path, DEMONSTRATION)
        values = detail_values(pair.round, "server", Mode.PERFORMANCE)
        folders = {}
        for name, rate in rates.items():
            folder = folders[name] = pair.folder(Mode.ACCURACY).with_name(name)
            if not folder.exists():
                write_run(tmp_path / name, pair.round, "server", Mode.PERFORMANCE).rename(folder)
            rated = values | {"result_completed_samples_per_sec": rate} | (LATE if name in late else {})
            write_detail(folder / "mlperf_log_detail.txt", rated)
            seal(folder, record_values(pair.round, "server", Mode.PERFORMANCE))
        return judge(
            performance=folders.pop("performance"),
            accuracy=pair.folder(Mode.ACCURACY),
            evaluation=pair.evaluation,
            round_=pair.round,
            scenario=pair.round.scenarios["server"],
            repeats=folders,
        )

    return judge_runs


def test_the_median_run_is_the_result_and_all_stand_beside_it(judged: Callable[..., Verdict]) -> None:
    verdict = judged(RATES)
    runs = verdict.performance_runs
    assert runs is not None
    assert (verdict.outcome, verdict.rate, verdict.chosen_run) == ("VALID", 19.0, "performance-3")
    assert {run.run: run.rate for run in runs.runs} == RATES
    assert runs.spread["rate"].model_dump() == {"median": 19.0, "low": 18.0, "high": 19.5}
    assert verdict.rate_error == pytest.approx(stdev(RATES.values()))
    assert {check.run for check in verdict.checks} == {"performance-3", "accuracy", None}
    assert {check.run for check in verdict.repeat_checks} == {"performance", "performance-2"}
    each = {name: [check for check in verdict.repeat_checks if check.run == name] for name in RATES}
    own = [check for check in verdict.checks if check.run == "performance-3"]
    assert {check.name for check in each["performance"]} == {check.name for check in own}
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


def test_the_answers_are_scored_once_for_all_runs(
    judged: Callable[..., Verdict], monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[Path] = []
    score = score_checks.score_checks

    def counted(accuracy: Path, *others: Any) -> list[Check]:
        scored.append(accuracy)
        return score(accuracy, *others)

    monkeypatch.setattr(score_checks, "score_checks", counted)
    assert judged(RATES).outcome == "VALID"
    assert len(scored) == 1


def test_a_single_run_is_judged_as_ever(judged: Callable[..., Verdict]) -> None:
    verdict = judged({"performance": 19.5})
    assert verdict.performance_runs is None
    assert verdict.repeat_checks == ()
    assert verdict.chosen_run == "performance"


def test_a_run_that_fails_is_told_and_takes_a_place(judged: Callable[..., Verdict]) -> None:
    verdict = judged(RATES, late=("performance-3",))
    assert verdict.performance_runs is not None
    assert (verdict.outcome, verdict.chosen_run, verdict.rate) == ("VALID", "performance-2", 18.0)
    [missed] = verdict.performance_runs.not_valid
    assert (missed.run, missed.outcome) == ("performance-3", "INVALID")
    assert "99th percentile latency" in missed.not_passed
    failed = [check for check in verdict.repeat_checks if check.passed is False]
    assert {check.run for check in failed} == {"performance-3"}
    assert all(check.remedy for check in failed)


@pytest.mark.parametrize(
    ("runs", "late"), [(3, ("performance", "performance-3")), (2, ("performance",))], ids=["2 of 3", "1 of 2"]
)
def test_when_the_median_run_fails_the_scenario_does(
    judged: Callable[..., Verdict], runs: int, late: tuple[str, ...]
) -> None:
    verdict = judged(dict(itertools.islice(RATES.items(), runs)), late=late)
    assert verdict.outcome == "INVALID"
    assert verdict.chosen_run in late


def of_run(rate: float | None, outcome: Outcome, unit: str = "queries/s") -> Verdict:
    passed = {"VALID": True, "INVALID": False, "UNPROVEN": None}[outcome]
    check = Check(run="performance", name="a", value=1, limit="1", passed=passed, remedy="-")
    return Verdict.model_construct(
        rate=rate, rate_unit=unit, rate_error=None, checks=(check,), repeat_checks=(), tokens_per_s=None,
        duration_s=None, p50_latency_s=None, p90_latency_s=None, p99_latency_s=None, ttft=None, tpot=None,
        outcome=outcome, performance_runs=None,
    )  # fmt: skip


@given(
    st.lists(
        st.tuples(st.floats(0.1, 1000), st.sampled_from(["VALID", "INVALID", "UNPROVEN"])),
        min_size=2,
        max_size=9,
    )
)
def test_no_run_can_be_picked(runs: list[tuple[float, Outcome]]) -> None:
    verdicts = {named(number): of_run(*run) for number, run in enumerate(runs, 1)}
    found = verdict_of_runs(verdicts)
    assert found.performance_runs is not None
    chosen = next(run for run in found.performance_runs.runs if run.run == found.chosen_run)
    # It passes only with most of the runs, and of those that pass it is never better than the median.
    passed = sorted(rate for rate, outcome in runs if outcome == "VALID")
    if chosen.outcome == "VALID":
        assert len(runs) - len(passed) <= failures_allowed(len(runs))
        assert found.rate is not None
        assert found.rate <= median(passed)
    assert outcome_of(found.checks) == chosen.outcome
    # In whatever order they were made.
    rates = {
        verdict_of_runs({named(n): of_run(*run) for n, run in enumerate(order, 1)}).rate
        for order in itertools.islice(itertools.permutations(runs), 24)
    }
    assert rates == {found.rate}


def test_of_latencies_the_lower_is_the_better() -> None:
    latencies = {
        named(n): of_run(value, "VALID", "s (p90)") for n, value in enumerate([3.0, 1.0, 2.0, 4.0], 1)
    }
    assert verdict_of_runs(latencies).rate == 3.0  # the slower of the middle two


def test_finished_repeats_count_whoever_asks_for_fewer(tmp_path: Path) -> None:
    first = performance_run(tmp_path, late=False, settings_sha256=ACCURACY)
    for number, settings, qps in (
        (2, ACCURACY, 20.0),
        (3, "0" * 64, 20.0),
        (4, ACCURACY, 21.0),
        (10, ACCURACY, 20.0),
    ):
        made = performance_run(
            tmp_path / "other" / str(number), late=False, settings_sha256=settings, requested_qps=qps
        )
        made.rename(first.with_name(named(number)))
    first.with_name("performance-5").mkdir()  # of a run that did not end
    assert list(repeats_beside(first)) == ["performance-2", "performance-10"]
    assert repeats_beside(first.with_name("nothing")) == {}
    [said] = find_runs(first.parent, ROUND).skipped
    assert said == "not judged: performance runs with other settings or rates, 2 logs"


def test_a_repeat_is_no_first_run_and_has_the_rate_and_the_name_of_one(tmp_path: Path) -> None:
    first = performance_run(tmp_path, late=False, settings_sha256=ACCURACY)
    repeats = []
    for number, qps in ((10, 20.0), (2, 20.0), (3, 21.0)):
        made = performance_run(
            tmp_path / str(number), late=False, settings_sha256=ACCURACY, requested_qps=qps
        )
        repeats.append(made.rename(made.with_name(named(number))))
    assert list(repeats_of(first, repeats[:2])) == ["performance-2", "performance-10"]
    with pytest.raises(InputError, match=r"performance-3: was run at 21 queries/s and .* at 20"):
        repeats_of(first, repeats)
    with pytest.raises(InputError, match="is no repeated performance run"):
        repeats_of(first, [first.with_name("again")])
    beside = repeats[0].rename(first.with_name("performance-10"))
    with pytest.raises(InputError, match="is a repeat of"):
        repeats_beside(beside)


def test_runs_end_when_the_median_one_is_lost(tmp_path: Path) -> None:
    missed = performance_run(tmp_path / "a", late=True, settings_sha256=ACCURACY)
    passed = performance_run(tmp_path / "b", late=False, settings_sha256=ACCURACY)

    def refused(folders: list[Path], run: str, of_runs: int) -> str:
        return not_worth_making(folders, ROUND, SERVER, ACCURACY, run, of_runs=of_runs) or ""

    assert refused([missed, passed], "performance-3", 3) == ""
    assert refused([missed], "performance-2", 3) == ""
    said = refused([missed], "performance-2", 2)
    assert "1 of its 2 performance runs do not count, so that the median" in said
    assert "2 of its 3 performance runs do not count" in refused([missed, missed, passed], "accuracy", 3)


def test_names_of_repeats_are_no_other_runs() -> None:
    assert [
        number_of_repeat(name) for name in ("performance", "performance-1", "performance-02", "TEST06")
    ] == [None] * 4
    assert number_of_repeat(named(12)) == 12
    assert SERVER.rules_of("performance-2") == SERVER.runs["performance"]
    taken = json.loads(SERVER.model_dump_json())
    taken["runs"]["performance-2"] = {"mode": "performance", "compliance_test": "TEST06"}
    with pytest.raises(InputError, match="name of a repeated performance run"):
        ScenarioRules.parse(taken, "round")
