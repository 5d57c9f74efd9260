"""Two recorded sweeps: indicative without an anchor, without the machine with one, and what CI is told."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from recorded_sweeps_files import around, figures, sweep_of, write_sweep

from weighbridge.cli.results import compare
from weighbridge.core.errors import InputError
from weighbridge.records.comparison import ComparisonResult, SweepComparison
from weighbridge.records.verdict import Check
from weighbridge.sweep.compare_sweeps import RecordedSweep, compare_sweeps
from weighbridge.sweep.recorded_sweeps import are_sweeps, read_sweep
from weighbridge.sweep.slowdown_rule import SlowdownRule, summary_of

CELL = ("chat", "closed-8")
FAILED = Check(run="block 1", name="failed requests", value=3, limit="0", passed=False, remedy="Look.")


def _one(value: float, identity: str = "server 1", **options: str) -> SweepComparison:
    return sweep_of({CELL: {"A": figures(qps=around(value))}}, {"A": identity}, **options)


def _two(baseline: float, other: float, identities: tuple[str, str]) -> SweepComparison:
    cell = {"A": figures(qps=around(baseline)), "B": figures(qps=around(other, shift=2))}
    return sweep_of({CELL: cell}, dict(zip("AB", identities, strict=True)))


def _change(old: SweepComparison, new: SweepComparison, **options: bool | float):
    return compare_sweeps(RecordedSweep("old", old), RecordedSweep("new", new), **options)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (9.0, ComparisonResult.INDICATIVE_SLOWER),
        (11.0, ComparisonResult.INDICATIVE_FASTER),
        (10.0, ComparisonResult.INDICATIVE_SAME),
        (9.65, ComparisonResult.INCONCLUSIVE),
    ],
)
def test_without_an_anchor_a_verdict_is_indicative(value: float, expected: ComparisonResult) -> None:
    change = _change(_one(10), _one(value, "server 2"))
    [row] = change.rows
    assert row.result is expected
    assert row.speed_up.ratio == pytest.approx(value / 10)
    assert row.speed_up.low < value / 10 < row.speed_up.high
    assert change.anchor is None


def test_an_anchor_takes_the_machines_share_away() -> None:
    """The machine is 8 % slower today, and B is 4 % faster than it was beside A."""
    change = _change(_two(10, 20, ("same", "b1")), _two(9.2, 20 * 0.92 * 1.10, ("same", "b2")))
    assert change.anchor == "A"
    [row] = change.rows
    assert (row.system, row.result) == ("B", ComparisonResult.FASTER)
    assert row.speed_up.ratio == pytest.approx(1.10)
    assert row.machine == pytest.approx(0.92)
    assert not change.warnings


def test_an_anchor_without_a_version_is_doubted() -> None:
    sweep = _two(10, 20, ("same", "b1"))
    unknown = sweep.systems["A"].model_copy(update={"version": None})
    new = sweep.model_copy(update={"systems": sweep.systems | {"A": unknown}})
    [warning] = _change(sweep, new).warnings
    assert warning.startswith("A reports no version")


def test_what_all_blocks_of_a_sweep_share_with_the_anchor_adds_no_width() -> None:
    drift = (1.0, 1.2, 0.9, 1.1, 1.3, 0.8)
    drifting = sweep_of(
        {CELL: {"A": figures(qps=drift), "B": figures(qps=[2.2 * value for value in drift])}},
        {"A": "same", "B": "b2"},
    )
    [row] = _change(_two(10, 20, ("same", "b1")), drifting).rows
    assert row.speed_up.ratio == pytest.approx(1.1)
    assert row.speed_up.half_width < 0.05


def test_other_servers_share_no_anchor() -> None:
    change = _change(_two(10, 20, ("a1", "b1")), _two(9.2, 18.4, ("a2", "b2")))
    assert change.anchor is None
    assert [row.system for row in change.rows] == ["A", "B"]
    assert {row.result for row in change.rows} == {ComparisonResult.INDICATIVE_SLOWER}


def test_latencies_of_open_loops_count_the_other_way() -> None:
    def at(seconds: float) -> SweepComparison:
        cell = {"A": figures(qps=around(5.0), e2e_p99=around(seconds))}
        return sweep_of({("chat", "poisson-5"): cell}, {"A": "x"})

    [row] = _change(at(1.0), at(1.25)).rows
    assert (row.metric, row.result) == ("e2e.p99", ComparisonResult.INDICATIVE_SLOWER)
    assert row.speed_up.ratio == pytest.approx(0.8)


def test_goodput_goes_before_latency() -> None:
    cell = {"A": figures(qps=around(5), goodput=around(4), e2e_p99=around(1))}
    sweep = sweep_of({("chat", "poisson-5"): cell}, {"A": "x"})
    assert [row.metric for row in _change(sweep, sweep).rows] == ["goodput"]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"digest": "other"}, "other requests of workload chat than old"),
        ({"phase_plan": "other"}, "other numbers of conversations"),
    ],
)
def test_other_work_is_refused_unless_forced(other: dict[str, str], message: str) -> None:
    new = _one(9, **other)
    with pytest.raises(InputError, match=message):
        _change(_one(10), new)
    change = _change(
        _two(10, 20, ("same", "b1")),
        sweep_of({CELL: new.cells[0].systems}, {"A": "same"}, **other),
        force=True,
    )
    assert change.anchor is None
    assert any(each.startswith("Compared by force: new has other") for each in change.warnings)
    assert change.rows[0].result is ComparisonResult.INDICATIVE_SLOWER


def test_nothing_in_common_is_an_input_error() -> None:
    other_level = sweep_of({("chat", "closed-1"): {"A": figures(qps=around(1))}}, {"A": "x"})
    with pytest.raises(InputError, match="no workload and load in common"):
        _change(_one(10), other_level)
    renamed = sweep_of(
        {CELL: {"X": figures(qps=around(9)), "Y": figures(qps=around(9))}}, {"X": "x", "Y": "y"}
    )
    with pytest.raises(InputError, match="no system in common"):
        _change(_one(10), renamed)


def test_single_systems_of_other_names_belong_together() -> None:
    new = sweep_of({CELL: {"new-release": figures(qps=around(9))}}, {"new-release": "x"})
    [row] = _change(_one(10), new).rows
    assert (row.before, row.system, row.result) == ("A", "new-release", ComparisonResult.INDICATIVE_SLOWER)


def test_a_run_with_failures_is_not_compared() -> None:
    new = sweep_of({CELL: {"A": figures(refused=[FAILED], qps=around(9))}}, {"A": "server 1"})
    change = _change(_one(10), new)
    [row] = change.rows
    assert row.result is ComparisonResult.NOT_COMPARABLE
    assert row.reasons == ("new, block 1: failed requests 3, limit 0",)
    assert "no row can be compared" in (SlowdownRule(0.05).broken(change) or "")


def test_blocks_that_the_client_disturbed_are_left_out() -> None:
    disturbed = figures(qps=[1.0, *[10.0] * 5]).model_copy(update={"disturbed": {"w1/b1": "late"}})
    new = sweep_of({CELL: {"A": disturbed}}, {"A": "server 1"})
    [row] = _change(_one(10), new).rows
    assert row.speed_up.ratio == pytest.approx(1.0)
    assert row.speed_up.blocks == 5


def test_an_overloaded_run_has_no_latency_to_compare_but_goodput() -> None:
    def at(**values: tuple[float, ...]) -> SweepComparison:
        cell = figures(qps=around(5), **values).model_copy(update={"overloaded": True})
        return sweep_of({("chat", "poisson-5"): {"A": cell}}, {"A": "x"})

    latency, goodput = at(e2e_p99=around(1)), at(goodput=around(4))
    assert _change(latency, latency).rows[0].reasons[0].startswith("old: it was overloaded")
    assert _change(goodput, goodput).rows[0].result is ComparisonResult.INDICATIVE_SAME


def test_the_rows_share_one_error_rate() -> None:
    def cells(values: dict[str, float]) -> SweepComparison:
        return sweep_of(
            {("chat", level): {"A": figures(qps=around(value))} for level, value in values.items()},
            {"A": "x"},
        )

    alone = _change(cells({"closed-1": 10}), cells({"closed-1": 9.5}), margin=0.001).rows[0]
    levels = [f"closed-{number}" for number in range(1, 13)]
    old, new = cells(dict.fromkeys(levels, 10.0)), cells(dict.fromkeys(levels, 10.0) | {levels[0]: 9.5})
    among = _change(old, new, margin=0.001).rows[0]
    assert alone.speed_up.p == pytest.approx(among.speed_up.p)
    assert among.speed_up.p_adjusted == pytest.approx(12 * among.speed_up.p)
    assert alone.result is ComparisonResult.INDICATIVE_SLOWER
    assert among.result is ComparisonResult.INCONCLUSIVE


@pytest.mark.parametrize("text", ["slower", "slower:5", "slower:x%", "faster:5%", "slower:0%", "slower:100%"])
def test_rules_are_a_word_and_a_percentage(text: str) -> None:
    with pytest.raises(InputError, match="slower:5%"):
        SlowdownRule.parse(text)


@pytest.mark.parametrize(
    ("value", "fails"), [(9.0, True), (9.4, True), (9.6, False), (9.65, False), (11, False)]
)
def test_a_shown_slowdown_above_the_limit_fails(value: float, fails: bool) -> None:
    rule = SlowdownRule.parse("slower:5%")
    broken = rule.broken(_change(_one(10), _one(value, "server 2")))
    assert (broken is not None) == fails
    if broken:
        assert broken.startswith(
            "1 of 1 rows are slower by more than 5 %, the worst A at chat, closed-8: 0.9"
        )


def test_what_is_undecided_is_said() -> None:
    change = _change(_one(10), _one(9.65, "server 2"))
    assert SlowdownRule(0.05).broken(change) is None
    assert summary_of(change).startswith("1 inconclusive; lowest A at chat, closed-8: 0.965 [")
    assert summary_of(change).endswith("not shown to be as fast")


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "weighbridge", "compare", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_fails_a_pipeline_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = str(write_sweep(tmp_path / "old", _one(10)))
    new = str(write_sweep(tmp_path / "new", _one(9, "server 2")))
    output = tmp_path / "change.json"
    done = _run(old, new, "--fail-if", "slower:5%", "--output", str(output))
    assert done.returncode == 4
    assert "1 of 1 rows are slower by more than 5 %" in done.stderr.splitlines()[-1]
    assert "indicative: slower" in done.stdout
    assert json.loads(output.read_text())["rows"][0]["result"] == "indicative: slower"
    compare([Path(new), Path(old)], fail_if=["slower:5%"])
    assert "1 indicative: faster" in capsys.readouterr().out.splitlines()[-1]


def test_a_folder_that_is_neither_is_said(tmp_path: Path) -> None:
    assert not are_sweeps([tmp_path])
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "summary.json").write_text("{}")
    assert not are_sweeps([tmp_path])
    with pytest.raises(InputError, match="is no result of"):
        read_sweep(tmp_path / "results" / "..")
