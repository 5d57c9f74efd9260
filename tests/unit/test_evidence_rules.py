"""The evidence of single requests in a tree: carried as it is, compared with its hashes, told if left out."""

import json
import logging
import shutil
from pathlib import Path

import pytest
from tree_evidence import CLOSED, build, inputs_in, write_judged, write_tree

from weighbridge.records.run_record import AUDIT_CONFIG
from weighbridge.submission import evidence
from weighbridge.submission.checker import check_submission
from weighbridge.submission.evidence import EVIDENCE

FILES = [
    # An audit.config is of a compliance run: tests/unit/test_token_tree.py has one.
    *(("performance", name) for name in EVIDENCE if name != AUDIT_CONFIG),
    ("accuracy", "requests.parquet"),
    ("accuracy", "errors.jsonl"),
]
RECORDS = "closed/Me/src/qwen3-vl-235b-a22b/records/box"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tree with the evidence of all its requests; tests must not change it."""
    return write_tree(tmp_path_factory.mktemp("good"))


@pytest.fixture
def tree(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "tree"))


def _said(tree: Path) -> dict[str, str]:
    return {each.file: f"{each.level}: {each.said}" for each in check_submission(tree, CLOSED).complaints}


def test_a_tree_carries_the_evidence_of_each_run_byte_for_byte(good: Path) -> None:
    for scenario in ("Offline", "Server"):
        for mode, name in FILES:
            carried = good / RECORDS / scenario / mode / name
            original = good.parent / "results" / scenario.lower() / mode / name
            assert carried.read_bytes() == original.read_bytes()
    assert check_submission(good, CLOSED, strict=True).complaints == ()


@pytest.mark.parametrize(("mode", "name"), FILES)
def test_evidence_that_was_edited_is_an_error(tree: Path, mode: str, name: str) -> None:
    path = tree / RECORDS / "Server" / mode / name
    path.write_bytes(path.read_bytes() + b"\n")
    wanted = f"error: is not the file that {mode}.json of the records names by its hash"
    assert _said(tree) == {f"{RECORDS}/Server/{mode}/{name}": wanted}


def test_evidence_that_is_missing_is_a_warning_of_a_submittable_round_alone(tree: Path) -> None:
    (tree / RECORDS / "Server" / "performance" / "requests.parquet").unlink()
    [(file, said)] = _said(tree).items()
    assert file == f"{RECORDS}/Server/performance.json"
    assert said.startswith("warning: names requests.parquet, which is not in the tree")
    demonstration = CLOSED.model_copy(update={"submittable": False})
    told = check_submission(tree, demonstration).complaints
    assert not [each for each in told if "requests.parquet" in each.said]


def test_a_file_that_no_hash_names_is_a_warning(tree: Path) -> None:
    path = tree / RECORDS / "Server" / "accuracy.json"
    record = json.loads(path.read_text())
    del record["logs"]["requests.parquet"]
    path.write_text(json.dumps(record))
    assert _said(tree) == {
        f"{RECORDS}/Server/accuracy/requests.parquet": "warning: is named by no hash in accuracy.json of the "
        "records"
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"log_sha256": "0" * 64},
            "error: scores another accuracy log than accuracy.json of the records names",
        ),
        ({"value": 0.99}, "error: has other scores than accuracy.txt: f1"),
        ({"value": "x"}, "error: 'value' is"),
    ],
)
def test_a_score_that_was_edited_is_an_error(tree: Path, changes: dict[str, object], said: str) -> None:
    path = tree / RECORDS / "Server" / "score.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    assert _said(tree)[f"{RECORDS}/Server/score.json"].startswith(said)


def test_errors_stay_out_of_the_tree_and_so_does_what_is_too_large(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = inputs_in(tmp_path)
    write_judged(tmp_path, inputs)
    run = tmp_path / "results" / "server" / "performance"
    (run / "errors.jsonl").write_text('{"error": "http://node7: /home/me said hf_nobody-must-know"}\n')
    monkeypatch.setattr(evidence, "LARGEST_FILE_BYTES", (run / "requests.parquet").stat().st_size - 1)
    with caplog.at_level(logging.WARNING):
        tree = build(tmp_path, inputs)
    assert "texts of errors can name machines" in caplog.text
    assert "requests.parquet: stays out of the tree, because it is larger than" in caplog.text
    carried = {path.name for path in (tree / RECORDS / "Server" / "performance").iterdir()}
    assert carried == {"sampled_answers.jsonl"}
