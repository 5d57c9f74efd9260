"""`gate --logs`: logs of any origin are found by their contents, judged and printed."""

import io
import shutil
from pathlib import Path

import pytest
from loadgen_files import detail_values, small_round, write_detail, write_published, write_results, write_run
from rich.console import Console, Group

from weighbridge.benchmarks.rounds import load_round
from weighbridge.cli.judge_runs import gate
from weighbridge.config.scenario_rules import Mode
from weighbridge.core.errors import InputError, InvalidRunError
from weighbridge.gates import judge_logs, render_systems, render_verdict
from weighbridge.gates.find_loadgen_runs import find_runs
from weighbridge.records.verdict import Verdict

ROUND = small_round()
PUBLISHED = Path(__file__).parents[3] / "shared" / "data" / "published-q3vl-v6.0"


def _text(verdict: Verdict) -> str:
    return _shown(render_verdict(verdict))


def _shown(what: Group) -> str:
    output = io.StringIO()
    Console(width=160, file=output).print(what)
    return output.getvalue()


def test_a_run_directory_of_our_own_is_valid_in_both_scenarios(tmp_path: Path) -> None:
    write_results(tmp_path, ROUND)
    assert [(v.scenario, v.outcome) for v in judge_logs(tmp_path, ROUND).verdicts] == [
        ("offline", "VALID"),
        ("server", "VALID"),
    ]


def test_runs_are_found_under_any_folder_name(tmp_path: Path) -> None:
    shutil.move(write_run(tmp_path / "a", ROUND, "server", Mode.PERFORMANCE), tmp_path / "x")
    [verdict] = judge_logs(tmp_path / "x", ROUND).verdicts
    assert (verdict.scenario, verdict.outcome) == ("server", "UNPROVEN")
    assert "add the logs of the accuracy run" in _text(verdict)


def test_replaced_runs_are_ignored(tmp_path: Path) -> None:
    write_results(tmp_path / "results", ROUND)
    folder = write_run(tmp_path, ROUND, "server", Mode.PERFORMANCE)
    values = detail_values(ROUND, "server", Mode.PERFORMANCE)
    write_detail(folder / "mlperf_log_detail.txt", values | {"effective_target_qps": 21})
    (tmp_path / "replaced").mkdir()
    folder.parent.rename(tmp_path / "replaced" / "20261125T081503Z-server-performance")
    assert [verdict.outcome for verdict in judge_logs(tmp_path, ROUND).verdicts] == ["VALID", "VALID"]
    [replaced] = judge_logs(tmp_path / "replaced" / "20261125T081503Z-server-performance", ROUND).verdicts
    assert replaced.target_qps == 21


def test_the_probe_before_a_run_is_no_run_of_the_scenario(tmp_path: Path) -> None:
    write_results(tmp_path / "results", ROUND)
    probe = write_run(tmp_path, ROUND, "server", Mode.PERFORMANCE).parent
    values = detail_values(ROUND, "server", Mode.PERFORMANCE)
    write_detail(probe / "performance" / "mlperf_log_detail.txt", values | {"effective_target_qps": 21})
    (probe / "performance" / "probe.json").write_text("{}")
    probe.rename(tmp_path / "results" / "server" / "performance" / "probe")
    assert [verdict.target_qps for verdict in judge_logs(tmp_path, ROUND).verdicts] == [20, 20]
    # Asked for by name, it is judged as any log.
    folder = tmp_path / "results" / "server" / "performance" / "probe" / "performance"
    assert [verdict.target_qps for verdict in judge_logs(folder, ROUND).verdicts] == [21]


def test_duplicate_runs_missing_logs_and_foreign_scenarios_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no mlperf_log_detail"):
        judge_logs(tmp_path, ROUND)
    folder = write_run(tmp_path, ROUND, "server", Mode.PERFORMANCE)
    again = Path(shutil.copytree(folder, tmp_path / "again"))
    (again / "run.json").unlink()
    [found] = find_runs(tmp_path, ROUND).systems.values()
    assert found["server"][Mode.PERFORMANCE] == folder  # a copy is the same run
    values = detail_values(ROUND, "server", Mode.PERFORMANCE)
    write_detail(again / "mlperf_log_detail.txt", values | {"effective_target_qps": 21})
    with pytest.raises(InputError, match="two Server performance runs"):
        judge_logs(tmp_path, ROUND)
    write_detail(folder / "mlperf_log_detail.txt", values | {"effective_scenario": "MultiStream"})
    with pytest.raises(InputError, match="only performance"):
        judge_logs(folder, ROUND)


@pytest.mark.parametrize(
    ("changes", "suggested"),
    [
        ({}, 21.0),  # p99 of 8 s leaves room
        ({"result_99.00_percentile_latency_ns": 11_000_000_000}, None),
        ({"result_overlatency_query_count": 40}, 19.0),
        ({"result_overlatency_query_count": 40, "result_completed_samples_per_sec": 15.0}, 14.25),
    ],
)
def test_the_suggested_target_of_a_server_run(
    tmp_path: Path, changes: dict[str, object], suggested: float | None
) -> None:
    folder = write_run(tmp_path, ROUND, "server", Mode.PERFORMANCE)
    write_detail(folder / "mlperf_log_detail.txt", detail_values(ROUND, "server", Mode.PERFORMANCE) | changes)
    [verdict] = judge_logs(tmp_path, ROUND).verdicts
    assert verdict.suggested_target_qps == suggested
    if suggested:
        assert f"target_qps {suggested:g} instead of 20" in _text(verdict)


def test_early_stopping_is_reported_with_its_counts(tmp_path: Path) -> None:
    folder = write_run(tmp_path, ROUND, "server", Mode.PERFORMANCE)
    late = detail_values(ROUND, "server", Mode.PERFORMANCE) | {"result_overlatency_query_count": 10}
    write_detail(folder / "mlperf_log_detail.txt", late)
    [verdict] = judge_logs(tmp_path, ROUND).verdicts
    assert (verdict.over_latency, verdict.queries_needed) == (10, 2010)
    text = _text(verdict)
    assert "10 of 1200 queries late, 4 allowed" in text
    assert "Passing would take 810 further on-time queries" in " ".join(text.split())


def test_logs_of_another_harness_are_found_and_printed(tmp_path: Path) -> None:
    write_published(tmp_path, ROUND)
    offline, server = judge_logs(tmp_path, ROUND).verdicts
    assert (offline.outcome, offline.failed, server.outcome, server.failed) == (
        "UNPROVEN",
        (),
        "UNPROVEN",
        (),
    )
    assert "Result: 24.0 samples/s" in _text(offline)
    text = _text(server)
    assert "Result: 19.5 queries/s (20.0 scheduled)" in text
    assert "p99 8.00 s; 1 of 1200 queries late, 4 allowed" in text
    assert "f1 0.7884 (checker 0.782397 met" in text


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="needs the published result in ../shared/data")
def test_the_published_result_is_printed_with_its_figures() -> None:
    offline, server = judge_logs(PUBLISHED, load_round("v6.0")).verdicts
    assert (offline.outcome, offline.failed, server.outcome, server.failed) == (
        "UNPROVEN",
        (),
        "UNPROVEN",
        (),
    )
    assert "Result: 43.8 samples/s" in _text(offline)
    text = _text(server)
    assert "Result: 38.0 queries/s (38.2 scheduled)" in text
    assert "p99 11.5 s; 343 of 48289 queries late, 432 allowed" in text
    assert "f1 0.7884 (checker 0.782397 met" in text


SYSTEMS = ("closed/ACME/results/big", "closed/ACME/results/small", "open/Other/results/box")


@pytest.fixture
def division(tmp_path: Path) -> Path:
    """Return a folder with three systems, one in lower case, and what else may lie beside them."""
    for index, system in enumerate(SYSTEMS):
        folder = tmp_path / "all" / system / ROUND.benchmark
        write_published(folder, ROUND, f1=0.786 + index / 1000)
    small = tmp_path / "all" / SYSTEMS[1] / ROUND.benchmark
    for name in ("Offline", "Server"):
        (small / name).rename(small / name.lower())
    acme = tmp_path / "all" / "closed" / "ACME"
    run = acme / "results" / "big" / ROUND.benchmark / "Offline" / "performance" / "run_1"
    shutil.copytree(run, run.with_name("run_2"))
    shutil.copytree(run, run.parents[1] / "TEST07" / "performance" / "run_1")
    for other in ("results/big/resnet50/Offline/performance/run_1", "results/huge/whisper/offline/accuracy"):
        shutil.copytree(run, acme / other)
        log = acme / other / "mlperf_log_detail.txt"
        log.write_text(log.read_text().replace("20", "21"))
    shutil.copytree(run, acme / "src" / "example")
    return tmp_path / "all"


def test_every_system_of_a_tree_is_judged_by_itself(division: Path) -> None:
    judged = judge_logs(division, ROUND)
    assert list(judged.systems) == ["ACME/big", "ACME/small", "open/Other/box"]
    for verdicts, f1 in zip(judged.systems.values(), (0.786, 0.787, 0.788), strict=True):
        assert [(each.title, each.accuracy, each.failed) for each in verdicts] == [
            ("Offline", f1, ()),
            ("Server", f1, ()),
        ]
    assert judged.skipped == (
        "not judged: logs of other benchmarks, resnet50, whisper",
        "not judged: compliance or further runs, 2 logs",
        "not judged: outside of results, 1 log",
    )


@pytest.mark.parametrize(
    ("inside", "systems"),
    [
        ("closed", ["ACME/big", "ACME/small"]),
        ("closed/ACME", ["ACME/big", "ACME/small"]),
        ("closed/ACME/results", ["ACME/big", "ACME/small"]),
        ("closed/ACME/results/big", ["ACME/big"]),
        ("closed/ACME/results/small", ["ACME/small"]),
        ("closed/ACME/results/small/qwen3-vl-235b-a22b", ["ACME/small"]),
        ("open/Other", ["open/Other/box"]),
    ],
)
def test_any_folder_of_a_tree_can_be_passed(division: Path, inside: str, systems: list[str]) -> None:
    judged = judge_logs(division / inside, ROUND)
    assert list(judged.systems) == systems
    assert {len(verdicts) for verdicts in judged.systems.values()} == {2}


def test_a_submitter_without_the_benchmark_is_named_with_what_it_has(division: Path) -> None:
    for system in ("big", "small"):
        shutil.rmtree(division / "closed" / "ACME" / "results" / system)
    with pytest.raises(InputError, match=r"no mlperf_log_detail.txt of qwen3-vl.* benchmarks, whisper"):
        judge_logs(division / "closed", ROUND)


def _spoil(division: Path) -> None:
    """Make the first system's Server run one that did not meet early stopping."""
    place = division / SYSTEMS[0] / ROUND.benchmark / "Server" / "performance" / "run_1"
    log = place / "mlperf_log_detail.txt"
    good = '"early_stopping_met", "value": true'
    assert good in log.read_text()
    log.write_text(log.read_text().replace(good, good.replace("true", "false")))


def test_one_table_shows_all_systems_and_what_failed(division: Path) -> None:
    _spoil(division)
    judged = judge_logs(division, ROUND)
    narrow = _shown(render_systems(judged))
    assert all(f"system {number}: {system}\n" in narrow for number, system in enumerate(judged.systems, 1))
    text = _shown(render_systems(judged, width=100))
    lines = [line for line in text.splitlines() if line.strip().startswith(("ACME", "open"))]
    rows = {tuple(line.split()[:3]): line for line in lines}
    assert len(rows) == 6
    failed = rows["ACME/big", "Server", "INVALID"]
    assert "Rates: Offline samples/s, Server queries/s." in text
    for said in (" 19.5 ", "8.00 s", "0.7860"):
        assert said in failed
    assert failed.split()[-2] == "1"
    assert rows["ACME/small", "Server", "UNPROVEN"].split()[-2] == "0"
    assert "not judged: logs of other benchmarks" in text


def test_the_command_details_what_is_invalid_and_exits_with_4(
    division: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weighbridge.benchmarks.rounds.load_round", lambda _: ROUND)
    gate("small", logs=division)
    shown = capsys.readouterr().out
    assert shown.count("All systems") == 1
    assert "System ACME" not in shown
    gate("small", logs=division, details=True)
    shown = capsys.readouterr().out
    assert [shown.count(f"System {name}\n") for name in ("ACME/big", "ACME/small", "open/Other/box")] == [
        1
    ] * 3
    _spoil(division)
    with pytest.raises(InvalidRunError, match="ACME/big Server INVALID; their failed checks") as raised:
        gate("small", logs=division)
    assert raised.value.exit_code == 4
    shown = capsys.readouterr().out
    assert "System ACME/big" in shown
    assert "System ACME/small" not in shown
    assert "Server, round small" in shown
    assert "Offline, round small" not in shown
    gate("small", logs=division / SYSTEMS[1])
    assert "All systems" not in capsys.readouterr().out


def test_a_tree_beside_its_own_runs_is_the_same_system(tmp_path: Path) -> None:
    results = tmp_path / "run" / "results"
    write_results(results, ROUND)
    folder = results / "submission" / "closed" / "Me" / "results" / "box" / ROUND.benchmark
    for scenario in ("offline", "server"):
        for mode, inner in ((Mode.PERFORMANCE, "performance/run_1"), (Mode.ACCURACY, "accuracy")):
            shutil.copytree(results / scenario / mode, folder / scenario.title() / inner)
            (folder / scenario.title() / inner / "run.json").unlink()
    judged = judge_logs(tmp_path / "run", ROUND)
    assert list(judged.systems) == ["run"]
    assert [verdict.outcome for verdict in judged.verdicts] == ["VALID", "VALID"]
    [system] = judge_logs(results / "submission", ROUND).systems
    assert system == "Me/box"


def test_a_folder_whose_path_only_looks_like_a_trees_is_one_system(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "november" / "big"
    write_results(folder, ROUND)
    assert [verdict.outcome for verdict in judge_logs(folder, ROUND).verdicts] == ["VALID", "VALID"]


def test_a_place_that_is_no_folder_of_logs_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent: no such folder; pass the folder of LoadGen's logs\.$"):
        judge_logs(tmp_path / "absent", ROUND)
    (tmp_path / "logs.tar.gz").write_text("x")
    with pytest.raises(InputError, match=r"gz: is not a folder; unpack an archive first; pass the folder"):
        judge_logs(tmp_path / "logs.tar.gz", ROUND)


@pytest.mark.parametrize("option", ["scenario", "performance", "accuracy", "score", "output"])
def test_logs_are_not_taken_together_with_an_option_that_would_be_ignored(
    option: str, tmp_path: Path
) -> None:
    value = "offline" if option == "scenario" else tmp_path / "x"
    with pytest.raises(InputError, match=f"without .*--{option}"):
        gate("v6.0", logs=tmp_path, **{option: value})
    assert not (tmp_path / "x").exists()
