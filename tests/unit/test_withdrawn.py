"""A round that was withdrawn says why in everything that is made of it, and keeps its finished runs."""

import io
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from loadgen_files import small_round, write_results
from rich.console import Console

from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.server_settings import ServerSettings
from weighbridge.config.settings import SubmissionSettings
from weighbridge.evaluation import evaluate as evaluation
from weighbridge.gates import judge_logs, render_systems, render_verdict
from weighbridge.provenance import CRATE, write_crate
from weighbridge.records.check_record import render_report
from weighbridge.records.verdict import Verdict
from weighbridge.report.compare_runs import compare, render_comparison
from weighbridge.report.inputs import Missing, read_inputs
from weighbridge.report.page import render_page
from weighbridge.report.summary import summarise
from weighbridge.report.summary_tables import render_summary
from weighbridge.run.preflight import check
from weighbridge.submission import assemble
from weighbridge.submission.checker import check_submission

V61 = load_round("v6.1")
WHY = str(V61.withdrawn)
ROUND = small_round(
    name="small v6.1", withdrawn=WHY, not_submittable_because=WHY, one_of=V61.one_of, submittable=False
)


def _text(shown: Any) -> str:
    output = io.StringIO()
    Console(width=400, file=output).print(shown)
    return " ".join(output.getvalue().split())


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("withdrawn") / "results"
    write_results(results, ROUND)
    assemble(
        results=results,
        destination=results / "submission",
        originals=results / "originals",
        round_=ROUND,
        settings=SubmissionSettings(submitter="Me", system="box"),
        source=None,
    )
    return results


def test_the_preflight_warns_before_anything_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weighbridge.run.preflight.check_loadgen", lambda _: "6.0.17")
    server = ServerSettings(model_name="m", endpoints=("http://127.0.0.1:1",), endpoints_timeout_s=9)
    with caplog.at_level(logging.WARNING):
        assert check(V61, server, tmp_path).not_submittable_because == WHY
    assert f"round v6.1: Not submittable: {WHY}." in caplog.text
    caplog.clear()
    assert check(load_round("v6.0"), server, tmp_path).not_submittable_because is None
    assert "submittable" not in caplog.text


def test_verdict_gate_table_summary_and_comparison_say_it(results: Path) -> None:
    verdict = Verdict.read(results / "server" / "verdict.json")
    assert (verdict.submittable, verdict.not_submittable_because) == (False, WHY)
    found = summarise(results)
    assert (found.submittable, found.not_submittable_because) == (False, WHY)
    judged = judge_logs(results, ROUND)
    for shown in (
        render_verdict(verdict),
        render_systems(judged),
        render_summary(found),
        render_comparison(compare([results])),
    ):
        assert WHY in _text(shown)
        assert "not submittable" in _text(shown).lower()


def test_the_report_says_it_first(results: Path) -> None:
    page = render_page(
        read_inputs(results, ROUND), dict.fromkeys(ROUND.scenarios, Missing("not analysed")), []
    )
    assert WHY in page.split('class="banner"')[1].split("</p>")[0]


def test_the_score_says_it() -> None:
    assert WHY in evaluation._accuracy_text('{"f1": 0.79}', ROUND)


def test_every_text_of_the_tree_says_it(results: Path) -> None:
    tree = results / "submission" / "closed" / "Me"
    texts = ["DEMONSTRATION.md", "documentation/calibration.md", "systems/box.json"]
    texts += [f"results/box/qwen3-vl-235b-a22b/{name}" for name in ("Server/README.md", "Offline/README.md")]
    texts += ["results/box/qwen3-vl-235b-a22b/Server/measurements.json"]
    texts += [str(path.relative_to(tree)) for path in tree.glob("src/*/README.md")]
    for name in texts:
        assert WHY in (tree / name).read_text(), name


def test_the_check_says_it(results: Path) -> None:
    report = check_submission(results / "submission", ROUND)
    assert f"Not submittable: {WHY}." in _text(render_report(report))
    assert "accepted. NOT SUBMITTABLE." in _text(render_report(report))


def test_the_crate_says_it_even_of_runs_from_before(results: Path) -> None:
    path = results / "server" / "performance" / "run.json"
    record = json.loads(path.read_text())
    assert "not_submittable_because" not in record
    write_crate(results, [], "ACME")
    assert f"Not submittable: {WHY}." in (results / CRATE).read_text()


def test_its_tree_is_not_taken_for_one_of_a_real_round(results: Path) -> None:
    report = check_submission(results / "submission", small_round(submittable=True))
    assert not report.accepted
