"""The command that judges the published systems: what it takes from a repository, and what it compares."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from loadgen_files import small_round, write_published

from weighbridge.benchmarks.rounds import load_round
from weighbridge.core.errors import InputError
from weighbridge.records.check_record import CheckReport, Complaint
from weighbridge.report.compare_runs import Published

ROOT = Path(__file__).parents[2]
ROUND = small_round()
BENCHMARK = ROUND.benchmark
# A checkout or git directory of the published v6.0 results; nothing of it belongs to this project.
REPOSITORY = os.environ.get("WEIGHBRIDGE_PUBLISHED_RESULTS")


def _program() -> ModuleType:
    sys.path.append(str(ROOT / "bench"))  # as for a program that is started there
    spec = importlib.util.spec_from_file_location("published_program", ROOT / "bench" / "published.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


PROGRAM = _program()
PUBLISHED = Published.model_validate(
    {
        "benchmark": BENCHMARK,
        "round": "v6.0",
        "results": [
            {
                "submitter": "ACME",
                "system": "8x",
                "scenarios": {"offline": {"rate": 24.0, "score": 0.78836}, "server": {"rate": 19.5}},
            },
            {
                "submitter": "ACME",
                "system": "1x",
                "scenarios": {"offline": {"rate": 3}, "server": {"rate": 2}},
            },
            {"submitter": "Other", "system": "8x", "scenarios": {"offline": {"rate": 24.1}}},
        ],
    }
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder like a published repository: two submitters, code, an open division."""
    root = tmp_path / "published"
    for submitter in ("ACME", "Other"):
        place = root / "closed" / submitter
        write_published(place / "results" / "box" / BENCHMARK, ROUND)
        for name in (
            "systems/box.json",
            "systems/unused.json",
            "documentation/calibration.md",
            f"src/{BENCHMARK}/run.py",
            "src/other/run.py",
            "results/box/whisper/Offline/user.conf",
            "Makefile",
        ):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(name)
    shutil.copytree(root / "closed" / "ACME", root / "open" / "ACME")
    return root


@pytest.fixture
def repository(folder: Path, tmp_path: Path) -> Path:
    """Return a bare git directory with the same files."""
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.org", "-C", str(folder)]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "results"]):
        subprocess.run([*git, *command], check=True, capture_output=True)
    subprocess.run(["git", "clone", "-q", "--bare", str(folder), str(tmp_path / "bare")], check=True)
    shutil.rmtree(folder / ".git")
    return tmp_path / "bare"


def test_of_each_submitter_only_the_parts_of_the_benchmark_are_taken(folder: Path) -> None:
    parts = PROGRAM.parts_of(PROGRAM.Repository(folder).paths, {BENCHMARK})
    acme = [path.removeprefix("closed/ACME/") for path in parts if path.startswith("closed/ACME/")]
    results = f"results/box/{BENCHMARK}/"
    assert [path for path in acme if not path.startswith(results)] == [
        "documentation/calibration.md",
        f"src/{BENCHMARK}/run.py",
        "systems/box.json",
    ]
    assert f"{results}Server/performance/run_1/mlperf_log_detail.txt" in acme
    assert len(parts) == 2 * len(acme)
    with pytest.raises(InputError, match="no results of whisper-99 in closed"):
        PROGRAM.parts_of(PROGRAM.Repository(folder).paths, {"whisper-99"})


def test_a_git_directory_a_checkout_and_a_folder_give_the_same_files(
    folder: Path, repository: Path, tmp_path: Path
) -> None:
    subprocess.run(["git", "clone", "-q", str(repository), str(tmp_path / "checkout")], check=True)
    trees = []
    for number, source in enumerate((folder, repository, tmp_path / "checkout")):
        opened = PROGRAM.Repository(source)
        opened.extract(PROGRAM.parts_of(opened.paths, {BENCHMARK}), tmp_path / str(number))
        files = (path for path in (tmp_path / str(number)).rglob("*") if path.is_file())
        trees.append({str(path.relative_to(tmp_path / str(number))): path.read_bytes() for path in files})
    assert trees[0] == trees[1] == trees[2]
    assert len(trees[0]) > 20


def _report(*complaints: Complaint) -> CheckReport:
    return CheckReport(
        round="small", submittable=False, expected_results=4, originals={}, findings=(), complaints=complaints
    )


def _complaint(tool: str, level: str, file: str) -> Complaint:
    return Complaint.model_validate({"tool": tool, "level": level, "file": file, "said": "x", "remedy": "y"})


def test_each_result_stands_beside_its_published_figures_and_complaints(folder: Path) -> None:
    offline = f"closed/ACME/results/box/{BENCHMARK}/offline"
    complaints = (
        _complaint("weighbridge", "warning", offline),
        _complaint("weighbridge", "error", f"{offline}/accuracy"),
        _complaint("submission_checker_old", "error", f"{offline}/accuracy/accuracy.txt"),
        _complaint("weighbridge", "error", f"{offline}-2"),
    )
    rows = PROGRAM.rows_of(folder / "closed", ROUND, PROGRAM.figures_of(PUBLISHED), _report(*complaints))
    assert [
        (row.system, row.verdict.title, row.published and row.published.rate, row.agrees) for row in rows
    ] == [
        ("ACME/box", "Offline", 24.0, True),
        ("ACME/box", "Server", 19.5, True),
        ("Other/box", "Offline", 24.1, False),
        ("Other/box", "Server", None, False),
    ]
    assert [(row.errors, row.warnings) for row in rows] == [(2, 1), (0, 0), (0, 0), (0, 0)]
    assert PROGRAM.table_of(rows, "f1").row_count == 4
    assert [each.file for each in PROGRAM.errors_of(_report(*complaints))] == [
        f"{offline}/accuracy",
        f"{offline}-2",
    ]


def test_figures_are_read_from_the_summary_of_a_published_round(folder: Path) -> None:
    round_ = load_round("llama3.1-8b/v6.0@edge")
    entry = {
        "Model": round_.folder,
        "Submitter": "ACME",
        "Platform": "box",
        "Scenario": "SingleStream",
        "Performance_Result": 1357.5,
        "Performance_Units": "Latency (ms)",
        "Accuracy": "ROUGE1: 38.3  ROUGE2: 15.9  ROUGEL: 24.3  ROUGELSUM: 35.5  GEN_LEN: 3112369",
    }
    other = entry | {"Model": "llama3.1-8b", "Accuracy": None}
    figures = PROGRAM.figures_in(json.dumps([other, entry]).encode(), round_)
    scores = {"rouge1": 38.3, "rouge2": 15.9, "rougeL": 24.3, "rougeLsum": 35.5, "gen_len": 3112369}
    assert figures == {("ACME/box", "SingleStream"): PROGRAM.Figures(1.3575, scores)}
    single = entry | {
        "Model": BENCHMARK,
        "Performance_Units": "Samples/s",
        "Accuracy": "F1_HIERARCHICAL: 0.79",
    }
    assert PROGRAM.figures_in(json.dumps([single]).encode(), ROUND) == {
        ("ACME/box", "SingleStream"): PROGRAM.Figures(1357.5, {"f1": 0.79})
    }
    for damaged in (b"{", b"[1]", b'[{"Model": "%s"}]' % BENCHMARK.encode()):
        with pytest.raises(InputError, match="not the summary of a published round"):
            PROGRAM.figures_in(damaged, ROUND)


def test_each_published_score_must_agree(folder: Path) -> None:
    [row, *_] = PROGRAM.rows_of(folder / "closed", ROUND, PROGRAM.figures_of(PUBLISHED), _report())
    assert row.agrees
    scores = row.verdict.metrics
    for figures, agrees in (
        (PROGRAM.Figures(24.0, scores), True),
        (PROGRAM.Figures(24.0, {name: value + 1e-5 for name, value in scores.items()}), False),
        (PROGRAM.Figures(24.0, scores | {"unknown": 1.0}), False),
        (PROGRAM.Figures(24.001, scores), False),
        (None, False),
    ):
        assert replace(row, published=figures).agrees == agrees


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["absent"], "no results of qwen3-vl-235b-a22b in closed/"),
        ([".", "--reference", "absent"], "absent: has no tools/submission; pass a checkout"),
    ],
)
def test_a_wrong_repository_or_reference_is_told_in_one_sentence(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_published(tmp_path / "closed/Me/results/box" / BENCHMARK, ROUND)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["published.py", *arguments])
    assert PROGRAM.main() == 2
    told = capsys.readouterr().err
    assert told.startswith("published: ")
    assert said in told
    assert told.count("\n") == 1


@pytest.mark.skipif(
    REPOSITORY is None, reason="needs WEIGHBRIDGE_PUBLISHED_RESULTS, a copy of the published v6.0 results"
)
def test_all_published_systems_are_judged_without_an_error() -> None:
    command = [sys.executable, str(ROOT / "bench" / "published.py"), str(REPOSITORY)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 systems, 16 results: 16 with the published figures, 16 without a failed check" in done.stdout
