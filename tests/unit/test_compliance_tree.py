"""A third run of a scenario, TEST06: judged, assembled, checked, and judged again from the tree alone."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from loadgen_files import record_values, seal, write_detail
from request_files import request_log, with_products
from token_tree import logged_answers
from tree_evidence import REAL, build, inputs_in, recorded, write_judged

from weighbridge.artifacts.verify import describe
from weighbridge.client.request_log import write_parquet
from weighbridge.config.compliance_rules import ComplianceRules
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode, RunRules
from weighbridge.core.errors import InvalidRunError
from weighbridge.core.files import sha256_of
from weighbridge.gates import Inputs, judge
from weighbridge.gates.token_consistency import verification_text
from weighbridge.provenance.judged_again import differences, evidence_checks_of, judged_again
from weighbridge.provenance.tree_runs import TreeRuns, scenarios_of
from weighbridge.records.score import Evaluation
from weighbridge.records.verdict import Verdict, write_verdict
from weighbridge.submission.checker import check_submission

AUDIT = {
    "mode": 2,
    "accuracy_log_rng_seed": 7,
    "accuracy_log_sampling_target": 100,
    "min_query_count": 100,
    "min_duration": 0,
    "sample_concatenate_permutation": 0,
}
TEST = ComplianceRules.parse({"audit": AUDIT}, "the test")
# The answers of the other runs are texts, which these ids are not as long as.
UNLIKE = {"answer tokens on average", "answer tokens as distribution"}
UNLIKE |= {"answer bytes on average", "answer bytes as distribution"}


def round_with_test() -> Round:
    run = RunRules(mode=Mode.PERFORMANCE, compliance_test="TEST06")
    scenarios = {
        name: rules.model_copy(update={"runs": rules.runs | {"TEST06": run}})
        for name, rules in REAL.scenarios.items()
    }
    return REAL.model_copy(update={"scenarios": scenarios, "compliance_tests": {"TEST06": TEST}})


ROUND = round_with_test()


def write_test06(scenario: Path, inputs: Inputs) -> Path:
    """Write a good TEST06 run beside a scenario's ordinary ones."""
    folder, name = scenario / "TEST06", scenario.name
    folder.mkdir()
    values: dict[str, Any] = {
        entry["key"]: entry["value"]
        for line in (scenario / "performance" / "mlperf_log_detail.txt").read_text().splitlines()
        for entry in [json.loads(line.removeprefix(":::MLLOG "))]
    }
    logged = {"accuracy_log_rng_seed": 7, "accuracy_log_sampling_target": 100, "min_duration_ms": 0}
    values |= {f"effective_{key}": value for key, value in logged.items()}
    values |= {"effective_sample_concatenate_permutation": False, "requested_min_query_count": 100}
    per_query, queries = (100, 1) if name == "offline" else (1, 100)
    values |= {"generated_samples_per_query": per_query, "generated_query_count": queries}
    values |= {"result_query_count": queries}
    write_detail(folder / "mlperf_log_detail.txt", values)
    (folder / "mlperf_log_summary.txt").write_text("Result is : VALID\n")
    (folder / "mlperf_log_accuracy.json").write_text(logged_answers(100, first=name != "offline"))
    first = None if name == "offline" else True
    (folder / "verify_accuracy.txt").write_text(verification_text(first, end=True, length=True))
    (folder / "audit.config").write_text(TEST.audit.text)
    (folder / "errors.jsonl").write_text("")
    log = request_log(REAL.samples, Mode.PERFORMANCE)[:100]
    log["tokens"], log["payload_bytes"] = 4, 16
    log["end_ns"] = log["last_ns"] = log["planned_ns"] + 2 * 10**9
    write_parquet(log, folder / "requests.parquet")
    record = record_values(REAL, name, Mode.PERFORMANCE)
    record["load"] |= {"issued": 100, "completed": 100}
    code = json.loads((scenario / "performance" / "run.json").read_text())["code_sha256"]
    record |= {"compliance_test": "TEST06", "code_sha256": code} | recorded(inputs, record["server"])
    seal(folder, record)
    sealed = json.loads((folder / "run.json").read_text())
    sealed["logs"]["audit.config"] = sha256_of(folder / "audit.config")
    (folder / "run.json").write_text(json.dumps(sealed))
    return folder


def model_with_ends(inputs: Inputs) -> Inputs:
    """Let the model's configuration name the token that ends an answer, and prove it again."""
    assert inputs.model is not None
    path = inputs.model.folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"eos_token_id": 128009}))
    manifest = describe(inputs.model.folder)
    changes = {"manifest_digest": manifest.digest, "files": manifest.files}
    return replace(inputs, model=inputs.model.model_copy(update=changes))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Inputs]:
    """Return a run directory with all three runs of both scenarios, judged; tests must not change it."""
    root = tmp_path_factory.mktemp("root")
    inputs = model_with_ends(inputs_in(root))
    write_judged(root, inputs)
    for name in ("offline", "server"):
        scenario = root / "results" / name
        write_test06(scenario, inputs)
        write_verdict(judged(scenario, inputs), scenario / "verdict.json")
    return root, inputs


def judged(scenario: Path, inputs: Inputs, **changes: Any) -> Verdict:
    return judge(
        performance=scenario / "performance",
        accuracy=scenario / "accuracy",
        evaluation=Evaluation.read(scenario / "accuracy.json"),
        round_=ROUND,
        scenario=ROUND.scenario(scenario.name),
        inputs=with_products(inputs, scenario.parents[1] / "products", ROUND.samples),
        **({"compliance": {"TEST06": scenario / "TEST06"}} | changes),
    )


@pytest.mark.parametrize("scenario", ["offline", "server"])
def test_every_check_of_the_run_names_it_and_passes_but_for_its_short_answers(
    root: tuple[Path, Inputs], scenario: str
) -> None:
    checks = [each for each in judged(root[0] / "results" / scenario, root[1]).checks if each.run == "TEST06"]
    assert len(checks) > 30
    assert {each.name: each.value for each in checks if not each.passed}.keys() <= UNLIKE
    others = [each for each in judged(root[0] / "results" / scenario, root[1]).failed if each.run != "TEST06"]
    assert others == []


def test_without_the_run_the_verdict_is_unproven_and_no_closed_tree_is_built(
    root: tuple[Path, Inputs], tmp_path: Path
) -> None:
    verdict = judged(root[0] / "results" / "server", root[1], compliance={})
    assert verdict.outcome == "UNPROVEN"
    [missing] = [each for each in verdict.unknown if each.run == "TEST06"]
    assert (missing.name, missing.passed) == ("run", None)
    assert "results/server/TEST06/run.json" in str(missing.remedy)
    with pytest.raises(InvalidRunError, match="answer bytes on average failed"):
        build(root[0], root[1], ROUND)


def test_the_tree_carries_the_run_and_it_is_judged_again_from_there(root: tuple[Path, Inputs]) -> None:
    tree = build(root[0], root[1], ROUND, division="open")
    results = tree / "open" / "Me" / "results" / "box" / "qwen3-vl-235b-a22b"
    for scenario in ("Offline", "Server"):
        own = root[0] / "results" / scenario.lower() / "TEST06"
        for inside, name in (
            ("verify_accuracy.txt", "verify_accuracy.txt"),
            ("accuracy/mlperf_log_accuracy.json", "mlperf_log_accuracy.json"),
            ("performance/run_1/mlperf_log_detail.txt", "mlperf_log_detail.txt"),
        ):
            assert (results / scenario / "TEST06" / inside).read_bytes() == (own / name).read_bytes()
        assert "TEST06/verify_accuracy.txt" in (results / scenario / "README.md").read_text()
    report = check_submission(tree, ROUND, originals=root[0] / "originals")
    errors = [f"{each.file}: {each.said}" for each in report.complaints if each.level == "error"]
    assert errors == []
    for scenario_of_tree in scenarios_of(tree, ROUND):
        runs = TreeRuns.read(scenario_of_tree)
        assert list(runs.records) == ["performance", "accuracy", "TEST06"]
        assert all(check.passed for check in evidence_checks_of(runs))
        again = judged_again(runs, None)
        assert differences(again, runs.verdict, without_events=False) == []
        assert {each.name for each in again.failed} <= UNLIKE


def test_an_edited_log_of_the_run_in_the_tree_is_an_error(root: tuple[Path, Inputs], tmp_path: Path) -> None:
    tree = build(root[0], root[1], ROUND, division="open")
    [path] = tree.glob("open/Me/results/*/*/Server/TEST06/accuracy/mlperf_log_accuracy.json")
    path.write_text(logged_answers(100, first=True, token_count=5))
    said = {each.said for each in check_submission(tree, ROUND).complaints if each.level == "error"}
    assert "answers of another length than reported is 1, must be 0" in said
    assert "is not the log that TEST06.json of the records names by its hash" in said
    [runs] = [TreeRuns.read(each) for each in scenarios_of(tree, ROUND) if each.rules.name == "server"]
    failed = {each.name for each in judged_again(runs, None).failed}
    assert {"answers of another length than reported", "logs as LoadGen left them"} <= failed
