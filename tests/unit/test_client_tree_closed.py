"""A tree of the closed division with the official client's results and the proofs of all inputs."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from client_files import (
    SAMPLES,
    client_evaluation,
    client_round,
    seal_client_run,
    write_client_run,
)
from loadgen_files import judged_runs
from request_files import PROMPT
from tree_evidence import RULES, build, inputs_in, recorded, write_project

from weighbridge.config.dataset_rules import DatasetRules
from weighbridge.config.round_of_scenario import round_of_scenario
from weighbridge.config.scenario_rules import Mode
from weighbridge.gates import Inputs
from weighbridge.gates.closed_checks import DatasetInputs
from weighbridge.records.client_rows import ClientRows
from weighbridge.records.verdict import Verdict, write_verdict
from weighbridge.submission.checker import check_submission
from weighbridge.system.identity import code_sha256_of

ROUND = client_round(
    submittable=True,
    checker_options=(),
    closed=RULES,
    further_datasets={
        "8k": DatasetRules(samples=SAMPLES, splits=("train", "test"), closed=RULES.dataset),
    },
)
RECORDS = "closed/Me/src/qwen3-vl-235b-a22b/records/box"


def _with_rows(inputs: Inputs) -> Inputs:
    """Return inputs with the proofs of the client's rows, and of Interactive's own dataset."""
    assert inputs.dataset is not None
    proofs = {}
    for name in ("offline", "interactive"):
        drive = ROUND.scenario(name).endpoints
        assert drive is not None
        proofs[name] = ClientRows(
            preset=drive.dataset,
            path="rows.parquet",
            rows=SAMPLES,
            sha256="f" * 64,
            dataset_sha256=inputs.dataset.manifest_digest,
            client_commit=ROUND.endpoints_rules.commits[0],
        )
    further = {"8k": DatasetInputs(inputs.dataset, inputs.store, proofs["interactive"])}
    return replace(inputs, rows=proofs["offline"], further=further)


def _write_judged(results: Path, name: str, inputs: Inputs, code: Path) -> Verdict:
    """Write a scenario's runs as made from these inputs by this code, with score and verdict."""
    write_client_run(results, ROUND, name)
    for mode in Mode:
        folder = results / name / mode
        record = json.loads((folder / "run.json").read_text())
        record |= recorded(inputs, record["server"]) | {"code_sha256": code_sha256_of(code)}
        record["server"]["command"].append("--no-enable-prefix-caching")
        seal_client_run(folder, record)
    answers = results / name / "accuracy" / "answers.jsonl"
    evaluation = client_evaluation(round_of_scenario(ROUND, name), answers)
    (results / name / "accuracy.json").write_text(evaluation.model_dump_json())
    of_scenario = replace(inputs.of_dataset(ROUND.scenario(name).dataset), prompt=PROMPT)
    verdict = judged_runs(results, ROUND, name, evaluation, of_scenario)
    write_verdict(verdict, results / name / "verdict.json")
    return verdict


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the tree and its originals."""
    folder = tmp_path_factory.mktemp("closed")
    code = write_project(folder)
    inputs = _with_rows(inputs_in(folder))
    for name in ("offline", "interactive"):
        assert _write_judged(folder / "results", name, inputs, code).outcome == "VALID"
    build(folder, inputs, ROUND)
    return folder


def test_a_tree_with_all_proofs_leaves_nothing_to_say(whole: Path) -> None:
    report = check_submission(whole / "tree", ROUND, originals=whole / "originals", strict=True)
    assert report.complaints == ()
    assert report.submittable
    for name in ("client-rows.json", "client-rows-8k.json", "dataset-8k.json", "requests-8k.json"):
        assert (whole / "tree" / RECORDS / name).is_file()


def test_other_rows_than_the_run_read_are_told(whole: Path) -> None:
    path = whole / "tree" / RECORDS / "client-rows-8k.json"
    known = path.read_text()
    path.write_text(known.replace("f" * 64, "0" * 64))
    try:
        said = {each.said for each in check_submission(whole / "tree", ROUND).complaints}
    finally:
        path.write_text(known)
    assert said == {"names other rows than client-rows-8k.json of the records"}
