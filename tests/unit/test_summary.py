"""The summary: its table and its file, for valid, failed and demonstration runs."""

import io
import json
from pathlib import Path

import pytest
from loadgen_files import detail_values, small_round, write_detail, write_results
from probes import peak, probe
from rich.console import Console

from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode
from weighbridge.core.errors import InputError
from weighbridge.gates import judge
from weighbridge.records.search_record import Peak
from weighbridge.records.verdict import write_verdict
from weighbridge.report.summary import Summary, schema_text, summarise, write_summary
from weighbridge.report.summary_tables import render_summary, summary_markdown

ROUND = small_round()


def _text(summary: Summary) -> str:
    output = io.StringIO()
    Console(width=200, file=output).print(render_summary(summary))
    return output.getvalue()


def _spoil_server(results: Path, round_: Round) -> None:
    folder = results / "server"
    late = detail_values(round_, "server", Mode.PERFORMANCE) | {"result_overlatency_query_count": 99}
    write_detail(folder / "performance" / "mlperf_log_detail.txt", late)
    verdict = judge(
        performance=folder / "performance",
        accuracy=folder / "accuracy",
        evaluation=None,
        round_=round_,
        scenario=round_.scenarios["server"],
    )
    write_verdict(verdict, folder / "verdict.json")


def test_each_scenario_is_a_line_with_its_rate_score_verdict_and_folder(tmp_path: Path) -> None:
    write_results(tmp_path, ROUND)
    text = _text(summarise(tmp_path))
    offline, server = (line for line in text.splitlines() if "VALID" in line)
    for part in ("Offline", "24 samples/s", "no limit", "0.7900"):
        assert part in offline
    for part in ("Server", "20 queries/s", "8.00 s", "0.7900"):
        assert part in server
    assert f"Offline: {tmp_path / 'offline'}\nServer: {tmp_path / 'server'}\n" in text


def test_limits_of_tokens_and_many_scores_have_columns_of_their_own(tmp_path: Path) -> None:
    write_results(tmp_path, ROUND)
    path = tmp_path / "server" / "verdict.json"
    scores = {"one": 38.7792, "two": 15.9, "three": 8167644.0}
    latencies = {
        "ttft": {"p99_s": 1.25, "limit_s": 2},
        "tpot": {"p99_s": 0.0421, "limit_s": 0.1},
    }
    path.write_text(json.dumps(json.loads(path.read_text()) | latencies | {"metrics": scores}))
    found = summarise(tmp_path)
    results, timings, table = _text(found).split("Verdict")[1].split("Scenario")
    assert "1.25 s (<= 2 s)" in timings
    assert "42.1 ms (<= 100 ms)" in timings
    assert "38.7792" not in results
    [server] = [line for line in table.splitlines() if line.split()[:1] == ["Server"]]
    assert server.split() == ["Server", "0.7900", "38.7792", "15.9000", "8167644"]
    page = summary_markdown(found)
    assert page.startswith("# model, round small: DEMONSTRATION, NOT SUBMITTABLE")
    assert "| Server | 0.7900 | 38.7792 | 15.9000 | 8167644 |" in page
    assert all(line.count("|") in (0, 4, 5, 6) for line in page.splitlines())


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


def test_requests_without_an_answer_are_told_beside_loadgens_figures(tmp_path: Path) -> None:
    write_results(tmp_path, ROUND)
    assert "no answer" not in _text(summarise(tmp_path))
    path = tmp_path / "server" / "performance" / "run.json"
    record = json.loads(path.read_text())
    record["load"] |= {"completed": record["load"]["issued"] - 51}
    path.write_text(json.dumps(record))
    assert "Server: performance run: 51 of 1,200 requests got no answer" in _text(summarise(tmp_path))


def _peak() -> Peak:
    found = peak(probe(1, 19.0, 8.0, full_length=True))
    return found.model_copy(update={"round": ROUND.name})


@pytest.fixture(params=["complete", "spoilt, without runs"])
def written(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    write_results(tmp_path, ROUND)
    if request.param == "complete":
        (tmp_path / "server" / "peak.json").write_text(_peak().model_dump_json())
    else:
        _spoil_server(tmp_path, ROUND)
        for record in tmp_path.rglob("run.json"):
            record.unlink()
    write_summary(summarise(tmp_path), tmp_path / "summary.json")
    return tmp_path / "summary.json"


def test_the_file_holds_the_same(written: Path) -> None:
    assert Summary.parse_json(written.read_text(), "summary.json") == summarise(written.parent)


def test_a_machine_finds_figures_versions_and_paths(tmp_path: Path) -> None:
    write_results(tmp_path, ROUND)
    (tmp_path / "server" / "peak.json").write_text(_peak().model_dump_json())
    summary = summarise(tmp_path)
    offline, server = summary.scenarios
    assert (offline.p50_latency_s, offline.p90_latency_s, offline.p99_latency_s) == (None, None, None)
    assert (server.p50_latency_s, server.p90_latency_s, server.p99_latency_s) == (3.0, 5.0, 8.0)
    assert (server.accuracy, server.floor, server.unparsable) == (0.79, ROUND.metrics["f1"].floor, 3)
    assert (server.over_latency, server.target_qps) == (1, 20)
    run = server.runs[Mode.PERFORMANCE]
    assert run.folder == str(tmp_path / "server" / "performance")
    assert (run.server_version, run.loadgen_version) == ("0.12.0", ROUND.loadgen_rules.versions[-1])
    assert run.git_revision == "0" * 40
    assert run.pins["model"] == "a" * 64
    assert summary.peak is not None
    assert (summary.peak.peak_qps, summary.peak.probes) == (19.0, 1)


def test_the_published_schema_is_that_of_the_models(root: Path) -> None:
    schema = (root / "src" / "weighbridge" / "schemas" / "summary.schema.json").read_text()
    assert schema == schema_text(), "run `make schema`"


def test_every_property_of_the_schema_is_described() -> None:
    schema = json.loads(schema_text())
    assert schema["$id"]
    assert schema["description"]
    for name, model in {"Summary": schema, **schema["$defs"]}.items():
        assert model["description"], name
        for key, value in model.get("properties", {}).items():
            assert value.get("description"), f"{name}.{key}"


def test_the_file_is_valid_by_the_published_schema(written: Path, root: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema comes with snakemake")
    schema = json.loads((root / "src" / "weighbridge" / "schemas" / "summary.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    summary = json.loads(written.read_text())
    assert [*validator.iter_errors(summary)] == []
    assert [*validator.iter_errors(summary | {"schema_version": 2})]
    del summary["scenarios"][0]["rate"]
    assert [*validator.iter_errors(summary)]


def test_no_verdict_or_verdicts_of_several_rounds_are_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no scenario has a verdict yet"):
        summarise(tmp_path)
    write_results(tmp_path, ROUND)
    path = tmp_path / "server" / "verdict.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"round": "v6.0"}))
    with pytest.raises(InputError, match=r"different rounds \(.*small, .*v6\.0\)"):
        summarise(tmp_path)
