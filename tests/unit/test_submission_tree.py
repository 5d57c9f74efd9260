"""Truncation, layout and assembly of a submission tree."""

import hashlib
import json
import os
import re
import stat
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest
from loadgen_files import small_round, write_results
from request_files import RECORDED

from weighbridge.artifacts.manifest import Manifest, read_lock
from weighbridge.benchmarks.registry import load_benchmark
from weighbridge.config.round import Round
from weighbridge.config.settings import SubmissionSettings
from weighbridge.core.errors import InputError, InvalidRunError
from weighbridge.core.replaced_folder import replaced_folder
from weighbridge.submission import assemble
from weighbridge.submission.sources import copy_benchmark, copy_sources
from weighbridge.submission.system_description import required_fields
from weighbridge.submission.tree import check_tree, truncate_log, with_hash

ROOT = Path(__file__).parents[2]
ROUND = small_round()
SCENARIO_FILES = {
    "user.conf",
    "README.md",
    "measurements.json",
    "performance/run_1/mlperf_log_detail.txt",
    "performance/run_1/mlperf_log_summary.txt",
    "accuracy/mlperf_log_detail.txt",
    "accuracy/mlperf_log_summary.txt",
    "accuracy/mlperf_log_accuracy.json",
    "accuracy/accuracy.txt",
}


SOURCES_OF_A_DEMO = tuple(
    f"src/weighbridge/benchmarks/x/demo/{name}" for name in ("train.py", "config.yaml", "locks/model.json")
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project's root with files that belong into src/, and files that must not be copied."""
    root = tmp_path / "project"
    demo = "src/weighbridge/benchmarks/x/demo"
    for name in ("Snakefile", "src/weighbridge/a.py", "workflow/rules/b.smk", *SOURCES_OF_A_DEMO):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    for name in (
        "src/weighbridge/__pycache__/a.pyc",
        "workflow/.hidden",
        "workflow/two words.txt",
        f"{demo}/model/weights.bin",
        f"{demo}/dataset/data/test.parquet",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / "demo").symlink_to(demo)
    return root


def _assemble(tmp_path: Path, project: Path, round_: Round = ROUND, **settings: Any) -> Manifest:
    return assemble(
        results=tmp_path / "results",
        destination=tmp_path / "results" / "submission",
        originals=tmp_path / "results" / "originals",
        round_=round_,
        settings=SubmissionSettings(submitter="Me", system="box", **settings),
        source=project,
    )


@pytest.mark.parametrize("size", [0, 10, 4096, 8192, 9000, 10_241, 1_000_000])
def test_a_truncated_log_is_its_two_ends(tmp_path: Path, size: int) -> None:
    content = bytes(range(256)) * (size // 256) + bytes(size % 256)
    log, cut = tmp_path / "log", tmp_path / "cut"
    log.write_bytes(content)
    truncate_log(log, cut)
    assert cut.read_bytes() == content[:4096] + b"\n\n...\n\n" + content[-4096:]
    assert cut.stat().st_size <= 10_240
    assert log.read_bytes() == content


def test_the_hash_is_alone_on_one_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"all answers")
    for text in (
        'Results\n\n{"f1": 0.79}\n',
        'Results\n\n{"f1": 0.79}',
        'Results\n\n{"f1": 0.79}\nhash=0123\n',
    ):
        lines = with_hash(text, log).split("\n")
        hashes = [match[1] for line in lines if (match := re.match(r"^hash=([\w\d]+)$", line))]
        assert hashes == [hashlib.sha256(b"all answers").hexdigest()]
        assert '{"f1": 0.79}' in lines
        assert lines[-1] == ""


def test_the_tree_has_the_paths_that_the_checker_reads(tmp_path: Path, project: Path) -> None:
    write_results(tmp_path / "results", ROUND)
    manifest = _assemble(tmp_path, project)
    paths = set(manifest.by_path())
    for scenario in ("Offline", "Server"):
        place = f"closed/Me/results/box/qwen3-vl-235b-a22b/{scenario}/"
        assert {path.removeprefix(place) for path in paths if path.startswith(place)} == SCENARIO_FILES
    others = {path for path in paths if "/results/" not in path}
    source = "closed/Me/src/qwen3-vl-235b-a22b"
    assert others == {
        "closed/Me/DEMONSTRATION.md",
        "closed/Me/systems/box.json",
        "closed/Me/documentation/calibration.md",
        f"{source}/README.md",
        *(
            f"{source}/records/box/{scenario}/{name}"
            for scenario in ("Offline", "Server")
            for name in RECORDED
        ),
        f"{source}/Snakefile",
        f"{source}/src/weighbridge/a.py",
        f"{source}/workflow/rules/b.smk",
        *(f"{source}/{name}" for name in SOURCES_OF_A_DEMO),
    }


def test_originals_stay_whole_read_only_and_proven_by_the_hash_in_the_tree(
    tmp_path: Path, project: Path
) -> None:
    results = tmp_path / "results"
    write_results(results, ROUND)
    manifest = _assemble(tmp_path, project)
    listed = read_lock(results / "originals" / "originals.json").files
    assert len(listed) == 2
    for entry in listed:
        original = results / "originals" / entry.path
        assert stat.S_IMODE(original.stat().st_mode) == 0o400
        assert hashlib.sha256(original.read_bytes()).hexdigest() == entry.sha256
        truncated = results / "submission" / entry.path
        assert truncated.stat().st_size == 8199
        assert f"\nhash={entry.sha256}\n" in (truncated.parent / "accuracy.txt").read_text()
    for scenario in ROUND.scenarios:
        log = results / scenario / "accuracy" / "mlperf_log_accuracy.json"
        assert log.read_bytes() == next(
            (results / "originals" / entry.path).read_bytes()
            for entry in listed
            if f"/{ROUND.scenarios[scenario].folder}/" in entry.path
        )
        assert "hash=" not in (results / scenario / "accuracy.txt").read_text()
    assert read_lock(results / "originals" / "manifest.json") == manifest


def test_a_tree_built_twice_is_the_same_bytes(tmp_path: Path, project: Path) -> None:
    write_results(tmp_path / "results", ROUND)
    first = _assemble(tmp_path, project)
    (tmp_path / "results" / "submission" / "stale").write_text("left over")
    assert _assemble(tmp_path, project) == first
    left = {path.name for path in (tmp_path / "results").iterdir()}
    assert left == {
        "offline",
        "server",
        "submission",
        "submission.tar.gz",
        "submission.sha256",
        "originals",
    }


@pytest.mark.parametrize("folder", ["submission", "originals"])
def test_a_folder_of_something_else_is_not_replaced(folder: str, tmp_path: Path, project: Path) -> None:
    write_results(tmp_path / "results", ROUND)
    notes = tmp_path / "results" / folder / "notes.txt"
    notes.parent.mkdir()
    notes.write_text("mine")
    with pytest.raises(InputError, match=f"{folder}: holds other files, which would be lost"):
        _assemble(tmp_path, project)
    assert notes.read_text() == "mine"


def test_the_archive_is_the_same_bytes_again_and_its_checksums_hold(tmp_path: Path, project: Path) -> None:
    results = tmp_path / "results"
    write_results(results, ROUND)
    manifest = _assemble(tmp_path, project)
    archive = (results / "submission.tar.gz").read_bytes()
    for path in (results / "submission").rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    time.sleep(1.1)  # so that a creation time within the archive would differ
    _assemble(tmp_path, project)
    assert (results / "submission.tar.gz").read_bytes() == archive
    with tarfile.open(results / "submission.tar.gz") as tar:
        assert tar.getnames() == [f"submission/{entry.path}" for entry in manifest.files]
        assert {(member.mtime, member.uid, member.mode) for member in tar} == {(0, 0, 0o644)}
    lines = (results / "submission.sha256").read_text().splitlines()
    for line in lines:
        sha256, _, name = line.partition("  ")
        assert hashlib.sha256((results / name).read_bytes()).hexdigest() == sha256
    assert len(lines) == len(manifest.files) + 1


def test_the_open_division_accepts_a_failed_run_and_lists_its_checks(tmp_path: Path, project: Path) -> None:
    results = tmp_path / "results"
    write_results(results, ROUND)
    path = results / "server" / "verdict.json"
    verdict = json.loads(path.read_text())
    verdict["checks"][0]["passed"] = False
    pins = {"value": "model=1 | model=2", "limit": "equal\nin both", "passed": False}
    verdict["checks"][1] |= pins
    verdict["checks"][2] |= {"value": None, "limit": "known", "passed": None}
    _edit(path, checks=verdict["checks"], outcome="INVALID")
    with pytest.raises(InvalidRunError):
        _assemble(tmp_path, project)
    _assemble(tmp_path, project, division="open")
    submitter = results / "submission" / "open" / "Me"
    mapping = json.loads((submitter / "model_mapping.json").read_text())
    assert mapping == {"qwen3-vl-235b-a22b": "qwen3-vl-235b-a22b"}
    readme = submitter / "results" / "box" / "qwen3-vl-235b-a22b" / "Server" / "README.md"
    assert "| scenario (performance) | Server | Server |" in readme.read_text()
    assert "| model=1 \\| model=2 | equal in both |\n" in readme.read_text()
    assert "| not known | known |\n" in readme.read_text()
    assert json.loads((submitter / "systems" / "box.json").read_text())["division"] == "open"


def test_the_readme_shows_what_every_request_contains(tmp_path: Path, project: Path) -> None:
    results = tmp_path / "results"
    write_results(results, ROUND)
    for scenario, guided in (("offline", False), ("server", True)):
        path = results / scenario / "performance" / "run.json"
        envelope = ['{"model":"m","messages":', f',"guided":{guided}}}']
        _edit(path, requests={"guided_decoding": guided}, envelope=envelope)
    _assemble(tmp_path, project)
    of = results / "submission" / "closed" / "Me" / "results" / "box" / "qwen3-vl-235b-a22b"
    offline, server = ((of / folder / "README.md").read_text() for folder in ("Offline", "Server"))
    assert "Guided decoding: not used." in offline
    assert "Guided decoding: used, every request demands the JSON schema below." in server
    assert '\n{"model":"m","messages":PROMPT,"guided":True}\n' in server


def test_a_demonstration_is_marked_wherever_its_numbers_are(tmp_path: Path, project: Path) -> None:
    write_results(tmp_path / "results", ROUND)
    _assemble(tmp_path, project)
    submitter = tmp_path / "results" / "submission" / "closed" / "Me"
    marked = [
        path
        for path in submitter.rglob("*")
        if path.name in {"README.md", "DEMONSTRATION.md", "calibration.md"}
    ]
    marked += [submitter / "systems" / "box.json", *submitter.rglob("measurements.json")]
    assert len(marked) == 8
    for path in marked:
        assert "not submittable" in path.read_text().lower(), path


def test_a_real_round_has_no_mark_and_needs_all_statements(tmp_path: Path, project: Path) -> None:
    real = small_round(submittable=True)
    write_results(tmp_path / "results", real)
    with pytest.raises(InputError, match="weight_data_types"):
        _assemble(tmp_path, project, real)
    stated = {"weight_data_types": "fp8", "weight_transformations": "quantisation"}
    with pytest.raises(InputError, match="weights were transformed"):
        _assemble(tmp_path, project, real, measurements=stated)
    calibration = tmp_path / "how.md"
    calibration.write_text("Quantised to fp8 without data.\n")
    with pytest.raises(InputError, match="fields are not known"):
        _assemble(tmp_path, project, real, measurements=stated, calibration=calibration)
    assert not (tmp_path / "results" / "submission").exists()

    description = tmp_path / "system.yaml"
    description.write_text(json.dumps(_complete()))
    _assemble(
        tmp_path, project, real, measurements=stated, system_description=description, calibration=calibration
    )
    submitter = tmp_path / "results" / "submission" / "closed" / "Me"
    assert (submitter / "documentation" / "calibration.md").read_text() == calibration.read_text()
    own = [path for path in submitter.rglob("*") if path.is_file() and "accuracy" not in path.parts]
    assert not any(b"demonstration" in path.read_bytes().lower() for path in own)


def _complete() -> dict[str, str]:
    fields = {name: field.example for name, field in required_fields().items()}
    return {name: value for name, value in fields.items() if name not in {"division", "submitter"}}


def _edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_no_tree_is_built_from_a_scenario_that_failed_a_gate(tmp_path: Path, project: Path) -> None:
    results = tmp_path / "results"
    write_results(results, ROUND)
    path = results / "server" / "verdict.json"
    verdict = json.loads(path.read_text())
    verdict["checks"][0]["passed"] = False
    verdict["checks"][1]["passed"] = None
    _edit(path, checks=verdict["checks"])
    with pytest.raises(InvalidRunError, match="server run: scenario failed; the verdict lists"):
        _assemble(tmp_path, project)
    assert not (results / "submission").exists()
    assert not (results / "originals").exists()
    assert path.exists()


def test_files_of_another_run_or_round_are_refused_and_the_old_tree_is_kept(
    tmp_path: Path, project: Path
) -> None:
    results = tmp_path / "results"
    write_results(results, ROUND)
    _assemble(tmp_path, project)
    tree = results / "submission" / "closed"
    with (results / "offline" / "accuracy" / "mlperf_log_accuracy.json").open("a") as log:
        log.write("\n")
    with pytest.raises(InputError, match=r"is not the log that accuracy\.json scored"):
        _assemble(tmp_path, project)
    _edit(results / "offline" / "verdict.json", round="v6.0")
    with pytest.raises(InputError, match=r"belongs to round v6\.0, not small"):
        _assemble(tmp_path, project)
    (results / "offline" / "verdict.json").unlink()
    with pytest.raises(InputError, match=r"verdict\.json: cannot be read"):
        _assemble(tmp_path, project)
    assert tree.is_dir()
    assert not [path for path in results.iterdir() if path.name.startswith(".")]


def test_a_verdict_of_an_edited_round_of_the_same_name_makes_no_tree(tmp_path: Path, project: Path) -> None:
    real = small_round(submittable=True)
    write_results(tmp_path / "results", small_round(not_submittable_because="it was edited"))
    with pytest.raises(InputError, match=r"verdict\.json: was judged by another .* \(it was edited\)"):
        _assemble(tmp_path, project, real)


@pytest.mark.parametrize("name", ["performance/user.conf", "performance/mlperf_log_summary.txt"])
def test_a_missing_file_is_named(tmp_path: Path, project: Path, name: str) -> None:
    write_results(tmp_path / "results", ROUND)
    (tmp_path / "results" / "offline" / name).unlink()
    with pytest.raises(InputError, match=f"{name}: cannot be copied"):
        _assemble(tmp_path, project)


def test_the_project_s_own_sources_are_small_and_without_demo_data(tmp_path: Path) -> None:
    copy_sources(ROOT, tmp_path)
    copied = {path.relative_to(tmp_path).as_posix(): path for path in tmp_path.rglob("*") if path.is_file()}
    demo = "src/weighbridge/benchmarks/qwen3_vl/demo"
    assert {"Snakefile", "src/weighbridge/cli/__init__.py", f"{demo}/config.yaml"} <= copied.keys()
    assert [name for name in copied if name.startswith(("demo/", f"{demo}/model/", f"{demo}/dataset/"))] == []
    assert not {Path(name).suffix for name in copied} & {".safetensors", ".parquet"}
    assert sum(path.stat().st_size for path in copied.values()) < 6 * 2**20


def test_without_a_checkout_the_installed_package_and_its_versions_are_copied(tmp_path: Path) -> None:
    copy_sources(None, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"LICENSE", "requirements.txt", "src"}
    assert (tmp_path / "src" / "weighbridge" / "benchmarks" / "qwen3_vl" / "rounds" / "v6.0.yaml").is_file()
    assert not list(tmp_path.rglob("*.safetensors"))
    assert re.search(r"^numpy==\d", (tmp_path / "requirements.txt").read_text(), re.MULTILINE)
    check_tree(tmp_path)


def test_without_a_checkout_no_text_names_a_file_that_is_not_there(tmp_path: Path) -> None:
    write_results(tmp_path / "results", ROUND)
    assemble(
        results=tmp_path / "results",
        destination=tmp_path / "tree",
        originals=tmp_path / "originals",
        round_=ROUND,
        settings=SubmissionSettings(submitter="Me", system="box"),
        source=None,
    )
    source = tmp_path / "tree" / "closed" / "Me" / "src" / "qwen3-vl-235b-a22b"
    readmes = [source / "README.md", *(tmp_path / "tree").rglob("results/**/README.md")]
    assert len(readmes) == 3
    for path in readmes:
        text = path.read_text()
        assert "pip install -r requirements.txt" in text
        assert "make setup" not in text
        assert "snakemake" not in text
        assert "requirements/" not in text
    assert (source / "requirements.txt").is_file()
    assert not re.search(r"^weighbridge==", (source / "requirements.txt").read_text(), re.MULTILINE)
    assert (source / "src" / "weighbridge" / "__main__.py").is_file()


def test_the_code_of_a_benchmark_from_elsewhere_is_copied_too(tmp_path: Path) -> None:
    for name in ("rounds/r.yaml", "task.py", "__pycache__/task.pyc", "demo/model/weights.bin"):
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).touch()
    copy_benchmark(tmp_path / "mine", tmp_path / "tree")
    copied = {str(path.relative_to(tmp_path / "tree")) for path in (tmp_path / "tree").rglob("*.*")}
    assert copied == {"src/mine/rounds/r.yaml", "src/mine/task.py"}
    copy_benchmark(load_benchmark("qwen3-vl-235b-a22b").folder, tmp_path / "empty")
    assert not (tmp_path / "empty").exists()


def test_a_source_folder_that_is_no_project_is_refused(tmp_path: Path) -> None:
    write_results(tmp_path / "results", ROUND)
    with pytest.raises(InputError, match="has no Snakefile"):
        _assemble(tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("a/.hidden", "starts with a dot"),
        ("a/two words", "contains a space"),
        ("a/__pycache__/x", "__pycache__"),
        ("a/big", "50 MB"),
    ],
)
def test_what_a_tree_must_not_hold(tmp_path: Path, name: str, complaint: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True)
    with (tmp_path / name).open("wb") as file:
        file.truncate(51 * 2**20 if name == "a/big" else 1)
    with pytest.raises(InputError, match=complaint):
        check_tree(tmp_path)


def test_links_and_empty_folders_must_not_be_in_a_tree(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(InputError, match="a: it is an empty folder"):
        check_tree(tmp_path)
    (tmp_path / "a" / "link").symlink_to(tmp_path)
    with pytest.raises(InputError, match="a/link: it is a symbolic link"):
        check_tree(tmp_path)


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "target"
    with replaced_folder(target) as new:
        (new / "one").write_text("1")
    with pytest.raises(ZeroDivisionError):
        _fail_within(target)
    assert [path.name for path in target.iterdir()] == ["one"]
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


@pytest.mark.parametrize("place", [".", "/", "/dev/null", "file"])
def test_only_a_folder_is_replaced(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("mine")
    with pytest.raises(InputError, match="a folder cannot take its place"), replaced_folder(Path(place)):
        raise AssertionError("it must be refused before anything is written")
    assert Path("file").read_text() == "mine"


def _fail_within(target: Path) -> None:
    with replaced_folder(target) as new:
        (new / "two").write_text(str(1 / 0))
