"""Thousands of defects of a tree: whatever an official tool refused when the table was made, ours refuses."""

import os
import random
import shutil
from pathlib import Path

import pytest
from mutations.all import CRASHED, all_mutations, judge_ourselves
from mutations.base import ROUND, accepted_tree, recorded_tree
from mutations.verdicts import EXCEPTIONS, judge_officially, kept_verdicts
from reference_proof import reference_proof
from request_files import RECORDED
from tree_evidence import RULES, inputs_in

from weighbridge.submission.checker import check_submission
from weighbridge.submission.checker.official import run_official

REFERENCE = os.environ.get("WEIGHBRIDGE_REFERENCE", "")
SAMPLE = 40
MUTATIONS = {mutation.name: mutation for mutation in all_mutations()}
needs_reference = pytest.mark.skipif(
    not REFERENCE, reason="needs mlcommons/inference: WEIGHBRIDGE_REFERENCE=DIR"
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the undamaged tree; every mutation is made in a copy."""
    return accepted_tree(tmp_path_factory.mktemp("accepted"))


def test_the_undamaged_tree_is_accepted_and_only_its_missing_records_are_told(tree: Path) -> None:
    report = check_submission(tree, ROUND)
    assert report.accepted
    assert [each.level for each in report.complaints] == ["warning"]
    assert "has no records" in report.complaints[0].said


def test_the_kept_verdicts_are_of_the_mutations_that_there_are() -> None:
    names = [mutation.name for mutation in all_mutations()]
    assert len(names) == len(set(names))
    assert set(names) == kept_verdicts().keys() - {"nothing"}, "run `make mutations REFERENCE=DIR`"
    assert sum(name.startswith("structure:") for name in names) >= 100


def test_whatever_an_official_tool_refuses_ours_refuses(tree: Path) -> None:
    refused = [name for name, verdicts in kept_verdicts().items() if not verdicts.accepted]
    assert len(refused) > 900
    ours = {each.name: said for each, said in judge_ourselves(tree, [MUTATIONS[name] for name in refused])}
    assert sorted(name for name, said in ours.items() if not said) == sorted(EXCEPTIONS)
    assert [name for name, said in ours.items() if said.startswith(CRASHED)] == []


@needs_reference
def test_the_official_tools_say_today_what_was_kept(tree: Path) -> None:
    kept = kept_verdicts()
    sample = random.Random(0).sample(sorted(MUTATIONS), SAMPLE)
    measured = judge_officially(tree, [MUTATIONS[name] for name in sample], Path(REFERENCE))
    assert {each.name: verdicts for each, verdicts in measured} == {name: kept[name] for name in sample}


@needs_reference
def test_both_official_tools_accept_a_tree_with_all_its_records(tmp_path: Path) -> None:
    round_ = ROUND.model_copy(update={"closed": RULES})
    tree = recorded_tree(tmp_path, round_, inputs_in(tmp_path, samples=round_.samples))
    [records] = tree.glob("closed/Me/src/*/records/box")
    assert len([path for path in records.rglob("*") if path.is_file()]) == 4 + 2 * len(RECORDED)
    report = check_submission(tree, round_, reference=reference_proof(REFERENCE), strict=True)
    assert report.complaints == ()
    assert [(each.accepted, each.results) for each in report.findings] == 3 * [(True, 2)]


SERVER = "closed/Me/results/box/qwen3-vl-235b-a22b/Server"
LOG = f"{SERVER}/performance/run_1/mlperf_log_detail.txt"


@needs_reference
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("system: cooling removed", "closed/Me/systems/box.json"),
        ("system: byte-order mark", "closed/Me/systems/box.json"),
        ("Server accuracy.txt: score below", f"{SERVER}/accuracy/accuracy.txt"),
        ("Server performance detail: effective_min_duration_ms one less", LOG),
        ("Server performance detail: effective_qsl_rng_seed doubled with another value first", LOG),
        ("structure: Server missing", "closed/Me/results/box/qwen3-vl-235b-a22b"),
        ("structure: Server/user.conf empty", SERVER),
    ],
)
def test_one_defect_is_one_complaint_of_each_official_tool(
    tree: Path, tmp_path: Path, name: str, file: str
) -> None:
    damaged = Path(shutil.copytree(tree, tmp_path / "tree"))
    MUTATIONS[name].edit(damaged)
    for finding, complaints in run_official(damaged, ROUND, reference_proof(REFERENCE), 2):
        assert finding.accepted is False
        assert [(each.file, each.level) for each in complaints] == [(file, "error")]
