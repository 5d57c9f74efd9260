"""Time beforehand and afterwards: durations by hand, and where the time of servers went."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from loadgen_files import record_values, small_round
from probes import probe
from rich.console import Console

from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.scenario_rules import Mode
from weighbridge.config.settings import SearchSettings
from weighbridge.core.errors import InputError
from weighbridge.report.expected_time import ExpectedTime, expected_run, expected_search
from weighbridge.report.planned_jobs import first_outputs
from weighbridge.report.run_plan import PlanRow, RunPlan, hours
from weighbridge.report.spent_time import Spending, spent_time, start_times_s
from weighbridge.report.time_tables import render_plan, render_spent

V6 = load_round("v6.0")
OFFLINE, SERVER = V6.scenarios["offline"], V6.scenarios["server"]
PERFORMANCE = OFFLINE.runs["performance"]


def shown(content: Any) -> str:
    console = Console(width=200, record=True)
    console.print(content)
    return "\n".join(map(str.strip, console.export_text().splitlines()))


def test_a_run_takes_its_samples_at_its_rate() -> None:
    # 18/s for 600 s and a tenth more is below one pass of 48,289.
    assert expected_run(V6, OFFLINE, PERFORMANCE, 18) == ExpectedTime.exactly(48289 / 18)
    assert expected_run(V6, OFFLINE, PERFORMANCE, 80) == ExpectedTime.exactly(2 * 48289 / 80)
    # LoadGen's random gaps make a run a little shorter or longer than queries / rate.
    server = expected_run(V6, SERVER, PERFORMANCE, 11, probe_s=60)
    assert server.least_s == server.most_s == pytest.approx(60 + 48289 / 11, rel=0.01)


def test_a_search_is_a_range_of_its_budgets() -> None:
    full_s = expected_run(V6, SERVER, PERFORMANCE, 14.4).least_s
    found = expected_search(V6, SERVER, SearchSettings(), 14.4)
    # ln 1.25 / ln 1.02 = 11.3, which takes 4 halvings: 2 + 4 probes and one confirmation at least.
    assert found.least_s == pytest.approx(6 * 300 + full_s)
    assert found.most_s == pytest.approx(10 * 300 + 4 * full_s)
    few = expected_search(V6, SERVER, SearchSettings(max_probes=3, max_confirmations=1, probe_s=100), 14.4)
    assert few == ExpectedTime.exactly(3 * 100 + full_s)


def test_times_add_up_and_are_worded() -> None:
    both = ExpectedTime.exactly(2700) + ExpectedTime(1800, 7200)
    assert both == ExpectedTime(4500, 9900)
    assert str(both) == "1 h 15 min to 2 h 45 min"
    assert str(ExpectedTime.exactly(45)) == "45 s"
    assert ExpectedTime(60, 120) * 3 == ExpectedTime(180, 360)
    assert hours(ExpectedTime(1800, 7200), 8) == (4, 16)
    assert hours(ExpectedTime(1800, 7200), 0) == (0.5, 2)


def test_a_plan_is_a_table_with_its_sum_and_what_is_unknown() -> None:
    rows = (
        PlanRow("fetch model", "to do", "download", None, on_server=False),
        PlanRow("server start", "to do", "1 start", None),
        PlanRow("offline performance", "to do", "48,289 samples", ExpectedTime.exactly(3600)),
        PlanRow("server peak search", "to do", "probes", ExpectedTime(1800, 3600)),
        PlanRow("offline accuracy", "done", "48,289 samples", ExpectedTime.exactly(7200)),
    )
    lines = shown(render_plan(RunPlan(rows, gpus=8))).splitlines()
    [total] = [line for line in lines if line.startswith("in all, at least")]
    assert "1 h 30 min to 2 h" in total
    assert total.rstrip().endswith("12.0 to 16.0")
    [done] = [line for line in lines if line.startswith("offline accuracy")]
    assert done.split() == ["offline", "accuracy", "done", "48,289", "samples", "2", "h"]
    assert lines[-1].strip() == "Not counted, because nobody knows it: server start."


def test_a_dry_run_is_read_job_by_job() -> None:
    text = """
rule benchmark:
    input: resources/server.json
    output: results/offline/performance/run.json, results/offline/performance/user.conf
    jobid: 1

[Mon Nov 30 16:04:59 2026]
localrule fetch:
    input: resources/preflight.json
    output: resources/model.json
    wildcards: kind=model

rule search_peak:
    output: results/server/peak.json
    wildcards: scenario=server
"""
    assert first_outputs(text + text) == [
        ("benchmark", Path("results/offline/performance/run.json")),
        ("fetch", Path("resources/model.json")),
        ("search_peak", Path("results/server/peak.json")),
    ]
    assert first_outputs("Nothing to be done") == []


def at(seconds: float) -> str:
    return (
        f"2026-11-30T{int(10 + seconds // 3600):02}:{int(seconds % 3600 // 60):02}:{seconds % 60:06.3f}+00:00"
    )


def write_life(results: Path, name: str, **changes: Any) -> None:
    """A life of 8 GPUs and 2,000 s: 600 s of start, 1,340 s with two uses, 60 s of stop."""
    uses = [
        {
            "label": "offline performance",
            "folder": "results/offline/performance",
            "began": at(0),
            "ended": at(1000),
        },
        {
            "label": "server performance",
            "folder": "results/server/performance",
            "began": at(1005),
            "ended": at(1900),
        },
    ]
    life = {
        "id": name,
        "gpus": 8,
        "started": at(0),
        "ready": at(600),
        "uses": uses,
        "stages": {"loading": 500.0},
    }
    life |= {"stopping": at(1940), "ended": at(2000), "reason": "no run can need it"}
    (results / "lives" / name).mkdir(parents=True)
    (results / "lives" / name / "life.json").write_text(json.dumps(life | changes))


def write_measured(
    folder: Path, scenario: str, begin: float, end: float, life: tuple[str, int] | None, **load: Any
) -> None:
    record = record_values(small_round(), scenario, Mode.PERFORMANCE)
    record["load"] |= {"started": at(begin), "ended": at(end), **load}
    record["server"]["warmup_s"] = 10.0
    if life is not None:
        record["server"]["life"] = {"id": life[0], "number": life[1]}
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(record))


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """One life with an Offline run of 380 s, a probe of 60 s, a Server run of 700 s, and a copy of that."""
    results = tmp_path / "results"
    write_life(results, "one")
    write_measured(results / "offline" / "performance", "offline", 615, 995, ("one", 1))
    server = results / "server" / "performance"
    write_measured(server / "probe", "server", 1020, 1080, ("one", 2))
    (server / "probe" / "probe.json").write_text(probe(1, 11.0, 5.0).model_dump_json())
    (server / "run.json").parent.mkdir(exist_ok=True)
    write_measured(results / "copied", "server", 1100, 1800, ("one", 2))
    (server / "run.json").write_text((results / "copied" / "run.json").read_text())
    return results


def test_the_time_of_a_life_is_divided_without_a_rest(results: Path) -> None:
    [life] = spent_time(results).lives
    assert life.spent_s == {
        Spending.START: 600,
        Spending.WARM_UP: 20,  # once for each use
        Spending.MEASURED: 380 + 700,
        Spending.PROBES: 60,
        Spending.IDLE: 1340 - 20 - 1080 - 60,
        Spending.STOP: 60,
    }
    assert life.total_s == 2000
    assert not life.goes_on


def test_gpu_hours_and_shares_are_in_the_table(results: Path) -> None:
    (results.parent / "benchmarks").mkdir()
    (results.parent / "benchmarks" / "fetch-model.tsv").write_text("s\th:m:s\n905.2\t0:15:05\n")
    spent = spent_time(results)
    assert spent.unit == "GPU h"
    assert spent.hours() == pytest.approx(8 * 2000 / 3600)
    assert spent.outside_share == pytest.approx(1 - 1080 / 2000)
    text = shown(render_spent(spent))
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "Start 10 min 1.33 30.0 %" in lines
    assert "Measured 18 min 2.4 54.0 %" in lines
    assert "In all 33 min 20 s 4.44 100 %" in lines
    assert "Outside measured runs: 46.0 % of 4.44 GPU h." in text
    assert "Start of one: loading 8 min 20 s." in text
    assert "Fetching and verifying, no GPU time: model 15 min 05 s." in text


def test_a_life_whose_end_is_not_recorded_lasts_until_its_last_use(tmp_path: Path) -> None:
    write_life(tmp_path / "results", "one", ended=None, stopping=None)
    [life] = spent_time(tmp_path / "results").lives
    assert life.goes_on
    assert life.spent_s == {Spending.START: 600, Spending.IDLE: 1300}


def test_a_start_that_failed_is_all_start(tmp_path: Path) -> None:
    write_life(tmp_path / "results", "one", ready=None, uses=[])
    [life] = spent_time(tmp_path / "results").lives
    assert life.spent_s == {Spending.START: 2000}


def test_what_was_replaced_or_ended_early_took_time_too(results: Path) -> None:
    write_life(results, "two")
    write_measured(results.parent / "replaced" / "a", "offline", 700, 800, ("two", 1))
    write_measured(
        results / "offline" / "accuracy" / "aborted", "offline", 900, 950, ("two", 2), aborted="Ctrl-C"
    )
    _, life = spent_time(results).lives
    assert (life.spent_s[Spending.MEASURED], life.spent_s[Spending.ABORTED]) == (100, 50)


def test_runs_without_a_recorded_life_are_named_and_still_tell_how_long_a_start_takes(tmp_path: Path) -> None:
    write_measured(tmp_path / "results" / "offline" / "performance", "offline", 0, 10, None)
    spent = spent_time(tmp_path / "results")
    assert spent.lives == ()
    assert spent.outside_share is None
    assert "Not recorded: the servers of 1 runs of an earlier release" in shown(render_spent(spent))
    assert start_times_s(tmp_path / "results") == [20.0]


def test_a_record_that_cannot_be_read_is_named_and_hides_no_other(results: Path) -> None:
    (results.parent / "replaced" / "b").mkdir(parents=True)
    (results.parent / "replaced" / "b" / "run.json").write_text("{}")
    spent = spent_time(results)
    assert spent.not_recorded == (str(results.parent / "replaced" / "b"),)
    assert len(spent.lives) == 1


def test_a_tree_that_is_being_made_is_left_alone(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unfinished = results / ".submission.a1b2"
    (unfinished / "run").mkdir(parents=True)
    (unfinished / "run" / "run.json").write_text("{}")
    (results / "submission").mkdir()
    scandir = os.scandir

    def finished_meanwhile(path: object) -> object:
        if str(path) == str(results / "submission"):
            shutil.rmtree(results / "submission")  # between its being listed and its being read
        return scandir(path)

    monkeypatch.setattr(os, "scandir", finished_meanwhile)
    assert spent_time(results).not_recorded == ()


def test_recorded_lives_tell_how_long_a_start_takes(results: Path) -> None:
    assert start_times_s(results) == [600.0]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder; pass --results"):
        spent_time(tmp_path / "results")
