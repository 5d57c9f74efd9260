"""Trees of a benchmark with token ids, for datacenters and the edge: accepted, and refused by any defect."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from reference_proof import reference_proof
from token_tree import hexadecimal, logged_answers, round_of, write_tree

from weighbridge.config.round import Round
from weighbridge.submission.checker import check_submission

REFERENCE = os.environ.get("WEIGHBRIDGE_REFERENCE", "")
needs_reference = pytest.mark.skipif(
    not REFERENCE, reason="needs mlcommons/inference: WEIGHBRIDGE_REFERENCE=DIR"
)
KINDS = [(name, category) for name in ("v6.0", "v6.1") for category in ("datacenter", "edge")]


@pytest.mark.parametrize(("name", "category"), KINDS)
def test_a_tree_of_each_category_is_accepted(name: str, category: str, tmp_path: Path) -> None:
    round_ = round_of(name, category)
    report = check_submission(write_tree(tmp_path, round_), round_)
    assert [(each.level, each.file) for each in report.complaints] == [("warning", "closed/Me")]
    assert "has no records" in report.complaints[0].said
    assert report.expected_results == len(round_.scenarios)


@needs_reference
@pytest.mark.parametrize(("name", "category"), KINDS)
def test_the_official_checkers_accept_it(name: str, category: str, tmp_path: Path) -> None:
    round_ = round_of(name, category)
    report = check_submission(write_tree(tmp_path, round_), round_, reference=reference_proof(REFERENCE))
    found = [(each.tool, each.accepted, each.results) for each in report.findings]
    tools = ["weighbridge", "submission_checker", *(["submission_checker_old"] if name == "v6.0" else [])]
    assert found == [(tool, True, len(round_.scenarios)) for tool in tools], report.complaints


DATACENTER, EDGE = round_of("v6.1", "datacenter"), round_of("v6.1", "edge")
EDGE_RESULTS = "closed/Me/results/box/llama3.1-8b-edge"
RESULTS = "closed/Me/results/box/llama3.1-8b"
TEST = f"{RESULTS}/Server/TEST06"
Edit = Callable[[Path], None]


def removed(name: str) -> Edit:
    def edit(tree: Path) -> None:
        path = tree / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return edit


def replaced(name: str, old: str, new: str) -> Edit:
    def edit(tree: Path) -> None:
        text = (tree / name).read_text()
        assert old in text
        (tree / name).write_text(text.replace(old, new))

    return edit


def logged(scenario: str, key: str, value: Any, run: str = "performance/run_1") -> Edit:
    """Change a value of a detail log."""

    def edit(tree: Path) -> None:
        [path] = tree.glob(f"closed/Me/results/box/*/{scenario}/{run}/mlperf_log_detail.txt")
        lines = path.read_text().splitlines()
        [at] = [number for number, line in enumerate(lines) if f'"key": "{key}"' in line]
        entry = json.loads(lines[at].removeprefix(":::MLLOG "))
        lines[at] = f":::MLLOG {json.dumps(entry | {'value': value})}"
        path.write_text("\n".join(lines) + "\n")

    return edit


def answered(**changes: Any) -> Edit:
    """Change the first answer of a TEST06 run."""
    return lambda tree: _write(tree / TEST / ANSWERS, logged_answers(100, first=True, **changes))


def _write(path: Path, text: str) -> None:
    path.write_text(text)


ANSWERS = "accuracy/mlperf_log_accuracy.json"
SCORES = f"{RESULTS}/Offline/accuracy/accuracy.txt"
FIRST_TOKEN = "result_first_token_99.00_percentile_latency_ns"
# What the official checker says of each: False, it refuses it; True, it is ours alone to refuse.
DATACENTER_DEFECTS: dict[str, tuple[Edit, bool]] = {
    "no compliance run": (removed(TEST), False),
    "not verified": (removed(f"{TEST}/verify_accuracy.txt"), False),
    "two ends": (
        replaced(f"{TEST}/verify_accuracy.txt", "EOS check pass: True", "EOS check pass: False"),
        False,
    ),
    "no line on lengths": (
        replaced(f"{TEST}/verify_accuracy.txt", "Sample length check pass: True\n", ""),
        False,
    ),
    "first tokens skipped": (
        replaced(f"{TEST}/verify_accuracy.txt", "pass: True\nEOS", "pass: Skipped\nEOS"),
        True,
    ),
    "said to have failed": (replaced(f"{TEST}/verify_accuracy.txt", "complete", "failed"), True),
    "no answers of the compliance run": (removed(f"{TEST}/{ANSWERS}"), True),
    "99 answers": (lambda tree: _write(tree / TEST / ANSWERS, logged_answers(99, first=True)), True),
    "other first token": (answered(token_data=hexadecimal([5])), True),
    "other length": (answered(token_count=5), True),
    "an ordinary run's log": (
        logged("Server", "effective_accuracy_log_sampling_target", 0, "TEST06/performance/run_1"),
        True,
    ),
    "first tokens late in Server": (logged("Server", FIRST_TOKEN, 2_000_000_000), False),
    "first tokens late in Interactive": (logged("Interactive", FIRST_TOKEN, 1_500_000_000), True),
    "no token latencies": (logged("Offline", "requested_use_token_latencies", False), False),
    "score below": (replaced(SCORES, "'rouge2': '15.9075'", "'rouge2': '15.74'"), False),
    "answers too long": (replaced(SCORES, "8167644", "8984409"), False),
    "answers too short": (replaced(SCORES, "8167644", "7350879"), False),
    "a number of NumPy's": (replaced(SCORES, "8167644", "np.int64(8167644)"), False),
    "neither Server nor Interactive": (
        lambda tree: [removed(f"{RESULTS}/{name}")(tree) for name in ("Server", "Interactive")] and None,
        False,
    ),
    "no Offline": (removed(f"{RESULTS}/Offline"), False),
}
EDGE_DEFECTS: dict[str, tuple[Edit, bool]] = {
    "no SingleStream": (removed(f"{EDGE_RESULTS}/SingleStream"), False),
    "early stopping": (logged("SingleStream", "early_stopping_met", False), False),
    "of a datacenter": (
        replaced("closed/Me/systems/box.json", '"system_type": "edge"', '"system_type": "datacenter"'),
        False,
    ),
    "the datacenter's folder": (lambda tree: (tree / EDGE_RESULTS).rename(tree / RESULTS) and None, False),
    "too few samples": (logged("Offline", "effective_accuracy_sample_count", 4999, "accuracy"), False),
}
DEFECTS = [
    *((DATACENTER, name, *defect) for name, defect in DATACENTER_DEFECTS.items()),
    *((EDGE, name, *defect) for name, defect in EDGE_DEFECTS.items()),
]


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> dict[str | None, Path]:
    """Return the undamaged trees by category; every defect is made in a copy."""
    root = tmp_path_factory.mktemp("trees")
    return {of.category: write_tree(root / str(of.category), of) for of in (DATACENTER, EDGE)}


@pytest.mark.parametrize(("round_", "name", "edit", "officially"), DEFECTS, ids=[each[1] for each in DEFECTS])
def test_every_defect_is_refused(
    trees: dict[str | None, Path], round_: Round, name: str, edit: Edit, officially: bool, tmp_path: Path
) -> None:
    damaged = Path(shutil.copytree(trees[round_.category], tmp_path / "tree"))
    edit(damaged)
    report = check_submission(damaged, round_, reference=reference_proof(REFERENCE) if REFERENCE else None)
    assert not report.accepted, name
    assert any(each.level == "error" and each.tool == "weighbridge" for each in report.complaints)
    if REFERENCE:
        assert [(each.tool, each.accepted) for each in report.findings[1:]] == [
            ("submission_checker", officially)
        ]


def test_one_of_server_and_interactive_is_enough(trees: dict[str | None, Path], tmp_path: Path) -> None:
    for name in ("Server", "Interactive"):
        tree = Path(shutil.copytree(trees["datacenter"], tmp_path / name))
        removed(f"{RESULTS}/{name}")(tree)
        assert check_submission(tree, DATACENTER).accepted


def test_what_does_not_belong_to_a_compliance_run_is_told(
    trees: dict[str | None, Path], tmp_path: Path
) -> None:
    tree = Path(shutil.copytree(trees["datacenter"], tmp_path / "tree"))
    (tree / TEST / "notes.md").write_text("x")
    report = check_submission(tree, DATACENTER)
    assert report.accepted
    assert [each.file for each in report.complaints if "no records" not in each.said] == [f"{TEST}/notes.md"]


def test_the_open_division_needs_no_compliance_run(trees: dict[str | None, Path], tmp_path: Path) -> None:
    tree = Path(shutil.copytree(trees["datacenter"], tmp_path / "tree"))
    (tree / "closed").rename(tree / "open")
    replaced("open/Me/systems/box.json", '"division": "closed"', '"division": "open"')(tree)
    (tree / "open" / "Me" / "model_mapping.json").write_text('{"llama3.1-8b": "llama3.1-8b"}')
    for scenario in ("Offline", "Server", "Interactive"):
        removed(f"open/Me/results/box/llama3.1-8b/{scenario}/TEST06")(tree)
    assert check_submission(tree, DATACENTER).accepted
