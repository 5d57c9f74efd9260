"""The table: what it says of valid, failed and demonstration runs."""

import io
import json
from pathlib import Path

import pytest
from loadgen_files import detail_values, small_round, write_detail, write_results
from rich.console import Console

from weighbridge.errors import InputError
from weighbridge.gates import judge, write_verdict
from weighbridge.rounds import Round
from weighbridge.summary import Summary, render, summarise, write_summary
from weighbridge.terms import Mode, Scenario

ROUND = small_round()


def _text(summary: Summary) -> str:
    output = io.StringIO()
    Console(width=200, file=output).print(render(summary))
    return output.getvalue()


def _spoil_server(results: Path, round_: Round) -> None:
    folder = results / "server"
    late = detail_values(round_, Scenario.SERVER, Mode.PERFORMANCE) | {"result_overlatency_query_count": 99}
    write_detail(folder / "performance" / "mlperf_log_detail.txt", late)
    verdict = judge(
        performance=folder / "performance",
        accuracy=folder / "accuracy",
        evaluation=None,
        round_=round_,
        scenario=Scenario.SERVER,
    )
    write_verdict(verdict, folder / "verdict.json")


def test_each_scenario_is_a_line_with_its_rate_score_verdict_and_folder(tmp_path: Path) -> None:
    write_results(tmp_path, ROUND)
    offline, server = (line for line in _text(summarise(tmp_path)).splitlines() if "VALID" in line)
    for part in ("Offline", "24 samples/s", "no limit", "0.790000", str(tmp_path / "offline")):
        assert part in offline
    for part in ("Server", "19.5 queries/s", "8.000 s", "0.790000", str(tmp_path / "server")):
        assert part in server


@pytest.mark.parametrize("submittable", [True, False])
def test_a_demonstration_is_labelled_and_a_result_is_not_claimed_as_verified(
    tmp_path: Path, submittable: bool
) -> None:
    write_results(tmp_path, small_round(submittable=submittable))
    text = _text(summarise(tmp_path))
    assert ("DEMONSTRATION, NOT SUBMITTABLE" in text) == (not submittable)
    assert ("Not verified by MLCommons" in text) == submittable


def test_a_failed_gate_is_named_with_what_to_do_next(tmp_path: Path) -> None:
    write_results(tmp_path, ROUND)
    _spoil_server(tmp_path, ROUND)
    summary = summarise(tmp_path)
    server = summary.scenarios[1]
    assert server.outcome == "INVALID"
    assert {"early stopping", "each sample answered once", "logs as LoadGen left them"} == set(server.failed)
    assert "INVALID" in _text(summary)
    assert "lower scenarios.server.target_qps from 20" in _text(summary)


def test_the_file_holds_the_same(tmp_path: Path) -> None:
    write_results(tmp_path, ROUND)
    summary = summarise(tmp_path)
    write_summary(summary, tmp_path / "summary.json")
    assert Summary.parse_json((tmp_path / "summary.json").read_text(), "summary.json") == summary


def test_no_verdict_or_a_mixture_of_rounds_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no scenario has a verdict yet"):
        summarise(tmp_path)
    write_results(tmp_path, ROUND)
    path = tmp_path / "server" / "verdict.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"round": "v6.0"}))
    with pytest.raises(InputError, match=r"different rounds \(small, v6\.0\)"):
        summarise(tmp_path)
