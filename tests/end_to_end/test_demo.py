"""What `make submission` promises: the demo on the real vLLM, from its artifacts to the tree (minutes)."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from demo_run import BIN, left_running, need_vllm, snakemake

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    need_vllm()
    directory = tmp_path_factory.mktemp("demo")
    snakemake("demo", directory, "submission")
    yield directory
    assert left_running(directory) == []


def test_both_scenarios_are_valid(finished: Path) -> None:
    summary = json.loads((finished / "results" / "summary.json").read_text())
    assert [line["scenario"] for line in summary["scenarios"]] == ["offline", "server"]
    for line in summary["scenarios"]:
        assert line["outcome"] == "VALID", line
        assert line["accuracy"] >= 0.782400663


@pytest.mark.parametrize("scenario", ["offline", "server"])
@pytest.mark.parametrize("mode", ["performance", "accuracy"])
def test_a_run_was_checked_and_answered_whole(finished: Path, scenario: str, mode: str) -> None:
    record = json.loads((finished / "results" / scenario / mode / "run.json").read_text())
    assert record["server"]["golden"] == "as recorded"
    assert record["server"]["version"].startswith("0.12.0")
    assert "--no-enable-prefix-caching" in record["server"]["command"]
    assert record["load"]["failed"] == {} or not any(record["load"]["failed"].values())
    assert record["load"]["completed"] == record["load"]["issued"] >= 512


def test_one_start_of_the_server_served_all_four_runs(finished: Path) -> None:
    [life] = [json.loads(path.read_text()) for path in finished.glob("results/lives/*/life.json")]
    # The last one ended with the life.
    assert [use["ended"] is not None for use in life["uses"]] == [True, True, True, False]
    assert life["ended"] is not None
    records = [json.loads(path.read_text()) for path in finished.glob("results/*/*/run.json")]
    assert sorted(record["server"]["life"]["number"] for record in records) == [1, 2, 3, 4]
    assert {record["server"]["life"]["id"] for record in records} == {life["id"]}


@pytest.mark.parametrize("scenario", ["offline", "server"])
def test_what_the_closed_division_fixes_is_proven_by_vllms_own_report(finished: Path, scenario: str) -> None:
    for mode in ("performance", "accuracy"):
        record = json.loads((finished / "results" / scenario / mode / "run.json").read_text())
        reported = record["server"]["reported_arguments"]
        assert reported["--enable-prefix-caching"] == "False"
        assert reported["--max-model-len"] == "512"
        assert "VLLM_API_KEY" not in record["server"]["inherited"]
    verdict = json.loads((finished / "results" / scenario / "verdict.json").read_text())
    passed = [check["name"] for check in verdict["checks"] if check["passed"]]
    assert passed.count("server arguments") == 2
    assert {"request store", "sampling", "images", "guided decoding"} <= set(passed)


def test_the_table_is_printed(finished: Path) -> None:
    done = subprocess.run(
        [BIN / "weighbridge", "summary", "--results", finished / "results"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.count("VALID") == 2
    assert "NOT SUBMITTABLE" in done.stdout


def test_a_second_run_does_nothing(finished: Path) -> None:
    assert "Nothing to be done" in snakemake("demo", finished, "submission")
