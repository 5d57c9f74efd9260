"""The checker: a good tree is accepted; each single defect gets a complaint with its file and remedy."""

import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from loadgen_files import detail_values, small_round, write_detail, write_results

from weighbridge.config.scenario_rules import Mode
from weighbridge.config.settings import SubmissionSettings
from weighbridge.core.errors import InputError
from weighbridge.submission import assemble
from weighbridge.submission.checker import CheckReport, check_submission

ROUND = small_round()
SYSTEM = "closed/Me/systems/box.json"
SERVER = "closed/Me/results/box/qwen3-vl-235b-a22b/Server"
OFFLINE = "closed/Me/results/box/qwen3-vl-235b-a22b/Offline"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the results/ of a run directory with a good tree; tests must not change it."""
    root = tmp_path_factory.mktemp("good")
    write_results(root / "results", ROUND)
    (root / "project").mkdir()
    (root / "project" / "Snakefile").write_text("rule all:\n")
    assemble(
        results=root / "results",
        destination=root / "results" / "submission",
        originals=root / "results" / "originals",
        round_=ROUND,
        settings=SubmissionSettings(submitter="Me", system="box"),
        source=root / "project",
    )
    return root / "results"


@pytest.fixture
def tree(good: Path, tmp_path: Path) -> Path:
    """Return a copy of the good tree that a test may damage."""
    return Path(shutil.copytree(good / "submission", tmp_path / "tree"))


def test_a_good_tree_is_accepted_as_a_folder_and_as_its_archive(good: Path) -> None:
    for form in (good / "submission", good / "submission.tar.gz"):
        report = check_submission(form, ROUND, originals=good / "originals")
        assert report.complaints == ()
        assert report.accepted
        assert set(report.originals.values()) == {True}
        assert len(report.originals) == 2
        assert [finding.accepted for finding in report.findings] == [True, None]
        assert "not on disk" in report.findings[1].said


def _json(name: str, **changes: object) -> Callable[[Path], None]:
    def edit(tree: Path) -> None:
        values = json.loads((tree / name).read_text())
        for key, value in changes.items():
            values.pop(key) if value is ... else values.update({key: value})
        (tree / name).write_text(json.dumps(values))

    return edit


def _detail(scenario: str, mode: Mode, *errors: str, **changes: object) -> Callable[[Path], None]:
    def edit(tree: Path) -> None:
        inner = "performance/run_1" if mode is Mode.PERFORMANCE else "accuracy"
        place = tree / (SERVER if scenario == "server" else OFFLINE) / inner
        write_detail(place / "mlperf_log_detail.txt", detail_values(ROUND, scenario, mode) | changes, errors)

    return edit


def _write(name: str, content: str | bytes) -> Callable[[Path], None]:
    def edit(tree: Path) -> None:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    return edit


def _remove(name: str) -> Callable[[Path], None]:
    def edit(tree: Path) -> None:
        shutil.rmtree(tree / name) if (tree / name).is_dir() else (tree / name).unlink()

    return edit


def _rename(name: str, to: str) -> Callable[[Path], None]:
    def edit(tree: Path) -> None:
        (tree / name).rename(tree / to)

    return edit


def _text(name: str, old: str, new: str) -> Callable[[Path], None]:
    def edit(tree: Path) -> None:
        content = (tree / name).read_bytes()
        assert old.encode() in content
        (tree / name).write_bytes(content.replace(old.encode(), new.encode()))

    return edit


def _append_to_last_line(name: str, more: str) -> Callable[[Path], None]:
    def edit(tree: Path) -> None:
        (tree / name).write_bytes((tree / name).read_bytes().rstrip(b"\n") + more.encode() + b"\n")

    return edit


S, F, P, A = "server", "offline", Mode.PERFORMANCE, Mode.ACCURACY
PERFORMANCE_LOG = f"{SERVER}/performance/run_1/mlperf_log_detail.txt"
ACCURACY_LOG = f"{SERVER}/accuracy/mlperf_log_detail.txt"
SCORE = f"{SERVER}/accuracy/accuracy.txt"

# Defects that the official checker overlooks.
OVERLOOKED = [
    (_detail(S, P, result_validity="INVALID"), PERFORMANCE_LOG, "LoadGen's result"),
    (_detail(S, P, result_min_duration_met=False), PERFORMANCE_LOG, "result_min_duration_met"),
    (_detail(S, P, result_min_queries_met=False), PERFORMANCE_LOG, "result_min_queries_met"),
    (_detail(S, P, result_perf_constraints_met=False), PERFORMANCE_LOG, "result_perf_constraints_met"),
    (
        _detail(S, P, **{"result_99.00_percentile_latency_ns": 12_100_000_000}),
        PERFORMANCE_LOG,
        "99th percentile latency",
    ),
    (_detail(S, P, effective_target_latency_percentile=0.9), PERFORMANCE_LOG, "latency percentile set"),
    (_detail(S, P, effective_sample_concatenate_permutation=False), PERFORMANCE_LOG, "equal issue"),
    (_detail(S, P, result_query_count=100), PERFORMANCE_LOG, "issued"),
    (_detail(S, P, "the SUT was slow"), PERFORMANCE_LOG, "LoadGen errors"),
    (_detail(S, A, effective_test_mode="PerformanceOnly"), ACCURACY_LOG, "mode"),
    (_detail(S, A, effective_qsl_rng_seed=0), ACCURACY_LOG, "seeds"),
    (
        _remove(f"{SERVER}/accuracy/mlperf_log_summary.txt"),
        f"{SERVER}/accuracy/mlperf_log_summary.txt",
        "missing",
    ),
    (_write(SCORE, '{"f1": 7e-01}\nhash=ab\n'), SCORE, "not a plain decimal"),
    (_remove("closed/Me/src/qwen3-vl-235b-a22b"), "closed/Me/src", "holds no code"),
    (_remove("closed/Me/documentation"), "closed/Me", "no calibration.md"),
    (
        _write(f"{SERVER}/performance/run_1/notes.txt", "x"),
        f"{SERVER}/performance/run_1/notes.txt",
        "does not belong",
    ),
    (_write("closed/Me/systems/other.json", "{}"), "closed/Me/systems/other.json", "without results"),
    (_write("extra/file", "x"), "extra", "not a division"),
    (_write("closed/notes.txt", "x"), "closed/notes.txt", "beside the submitters"),
]

# Defects that it refuses.
REFUSED = [
    (_detail(S, P, early_stopping_met=False), PERFORMANCE_LOG, "early_stopping_met"),
    (_detail(S, P, effective_target_latency_ns=12_001_000_000), PERFORMANCE_LOG, "latency limit set"),
    (_detail(S, P, effective_min_duration_ms=9_999), PERFORMANCE_LOG, "minimum duration set"),
    (_detail(S, P, effective_schedule_rng_seed=0), PERFORMANCE_LOG, "seeds"),
    (
        _detail(F, P, effective_samples_per_query=599),
        f"{OFFLINE}/performance/run_1/mlperf_log_detail.txt",
        "samples per query",
    ),
    (_detail(S, P, effective_performance_sample_count=599), PERFORMANCE_LOG, "performance sample count"),
    (_detail(S, A, "an error"), ACCURACY_LOG, "LoadGen errors"),
    (_detail(S, A, effective_accuracy_sample_count=599), ACCURACY_LOG, "samples asked"),
    (_text(SCORE, "0.79", "0.7823969"), SCORE, "below"),
    (_text(SCORE, "hash=", "sum="), SCORE, "hash"),
    (_text(SCORE, "hash=", "hash=0 hash="), SCORE, "hash"),
    (_append_to_last_line(SCORE, "\r"), SCORE, "hash"),
    (_append_to_last_line(SCORE, " "), SCORE, "hash"),
    (_text(SCORE, '"f1"', "'f1'"), SCORE, "has no line"),
    (
        _write(f"{SERVER}/accuracy/mlperf_log_accuracy.json", b"x" * 10_241),
        f"{SERVER}/accuracy/",
        "10241 bytes",
    ),
    (_remove(f"{SERVER}/accuracy/mlperf_log_accuracy.json"), f"{SERVER}/accuracy/", "missing"),
    (_remove(SCORE), SCORE, "missing"),
    (_json(f"{SERVER}/measurements.json", retraining=""), f"{SERVER}/measurements.json", "'retraining'"),
    (_json(f"{SERVER}/measurements.json", retraining=...), f"{SERVER}/measurements.json", "'retraining'"),
    (_write(f"{SERVER}/user.conf", ""), f"{SERVER}/user.conf", "is empty"),
    (_remove(f"{SERVER}/README.md"), f"{SERVER}/README.md", "missing"),
    (_rename("closed/Me/src", "closed/Me/code"), "closed/Me/src", "holds no code"),
    (_json(SYSTEM, cooling=...), SYSTEM, "'cooling' is missing"),
    (_json(SYSTEM, cooling=""), SYSTEM, "'cooling' is empty"),
    (_json(SYSTEM, accelerators_per_node=0), SYSTEM, "'accelerators_per_node' is empty"),
    (_json(SYSTEM, is_network="false"), SYSTEM, "'is_network'"),
    (_json(SYSTEM, status="shipping"), SYSTEM, "'status'"),
    (_json(SYSTEM, submitter="You"), SYSTEM, "'submitter'"),
    (_json(SYSTEM, division="open"), SYSTEM, "'division'"),
    (_remove(SERVER), "closed/Me/results/box/qwen3-vl-235b-a22b", "Server is missing"),
    (
        _rename(SERVER, SERVER.lower().replace("closed/me", "closed/Me")),
        "closed/Me/results",
        "not a scenario",
    ),
    (_write("closed/Me/src/.hidden", "x"), "closed/Me/src/.hidden", "starts with a dot"),
    (_write("closed/Me/src/two words", "x"), "closed/Me/src/two words", "contains a space"),
    (_remove("closed"), ".", "holds no result"),
]

# Defects that make it crash.
CRASHES = [
    (_remove(PERFORMANCE_LOG), PERFORMANCE_LOG, "missing"),
    (_write(PERFORMANCE_LOG, "garbage\n"), PERFORMANCE_LOG, "not a LoadGen detail log"),
    (_write(PERFORMANCE_LOG, ':::MLLOG {"key": "a", "val'), PERFORMANCE_LOG, "cut off"),
    (_json(SYSTEM, number_of_nodes="two"), SYSTEM, "'number_of_nodes'"),
    (_json(SYSTEM, system_type="Datacenter"), SYSTEM, "'system_type'"),
    (_json(SYSTEM, system_type="edge"), SYSTEM, "'system_type'"),
    (_remove(SYSTEM), "closed/Me/results/box", "not described"),
    (_write(SYSTEM, "{"), SYSTEM, "not a JSON object"),
    (_write("closed/Me/results/stray/file", "x"), "closed/Me/results/stray", "not described"),
    (
        _write("closed/Me/results/box/resnet/Offline/file", "x"),
        "closed/Me/results/box/resnet",
        "not the round's benchmark",
    ),
]


@pytest.mark.parametrize(("spoil", "file", "said"), [*OVERLOOKED, *REFUSED, *CRASHES])
def test_each_defect_is_caught_named_and_has_a_remedy(
    tree: Path, spoil: Callable[[Path], None], file: str, said: str
) -> None:
    spoil(tree)
    report = check_submission(tree, ROUND)
    assert not report.accepted
    told = [each for each in report.complaints if each.file.startswith(file) and said in each.said]
    assert told, report.complaints
    assert all(each.remedy.strip() for each in report.complaints)


def test_a_demonstration_is_refused_in_a_real_round(tree: Path) -> None:
    real = small_round(submittable=True)
    assert "marks a demonstration" in _said(check_submission(tree, real))
    _remove("closed/Me/DEMONSTRATION.md")(tree)
    assert not check_submission(tree, real).accepted  # tests/unit/test_marks_in_trees.py has all its signs


def test_the_open_division_reports_a_score_and_still_requires_seeds(good: Path, tree: Path) -> None:
    (tree / "closed").rename(tree / "open")
    _json("open/Me/systems/box.json", division="open")(tree)
    _write("open/Me/model_mapping.json", '{"qwen3-vl-235b-a22b": "qwen3-vl-235b-a22b"}')(tree)
    score = SCORE.replace("closed", "open")
    _text(score, "0.79", "0.5")(tree)
    assert check_submission(tree, ROUND).complaints == ()
    _remove("open/Me/model_mapping.json")(tree)
    assert "does not map" in _said(check_submission(tree, ROUND))
    log = tree / PERFORMANCE_LOG.replace("closed", "open")
    write_detail(log, detail_values(ROUND, S, P) | {"effective_qsl_rng_seed": 1})
    assert "seeds is 1" in _said(check_submission(tree, ROUND))


def _said(report: CheckReport) -> str:
    return "; ".join(complaint.said for complaint in report.complaints)


def test_each_full_log_is_proven_by_its_hash_and_its_two_ends(good: Path, tree: Path, tmp_path: Path) -> None:
    originals = Path(shutil.copytree(good / "originals", tmp_path / "originals"))
    log = originals / SERVER / "accuracy" / "mlperf_log_accuracy.json"
    log.chmod(0o644)
    log.write_bytes(log.read_bytes() + b" ")
    assert "the hash in accuracy.txt is not" in _said(check_submission(tree, ROUND, originals=originals))
    log.unlink()
    assert "its full log was not kept" in _said(check_submission(tree, ROUND, originals=originals))
    shown = tree / OFFLINE / "accuracy" / "mlperf_log_accuracy.json"
    shown.write_bytes(shown.read_bytes()[1:] + b"x")
    assert "not the truncated form" in _said(check_submission(tree, ROUND, originals=originals))


def test_a_path_without_a_tree_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither a folder nor an archive"):
        check_submission(tmp_path / "absent", ROUND)
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="neither a folder nor an archive"):
        check_submission(tmp_path / "file", ROUND)
    with pytest.raises(InputError, match="no such folder"):
        check_submission(tmp_path, ROUND, originals=tmp_path / "absent")


def _archive(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            archive.addfile(member)
    return path


def _member(name: str, kind: bytes = tarfile.REGTYPE, leads_to: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, leads_to
    return member


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ([_member("tree/closed", tarfile.DIRTYPE), _member("tree/../../out")], "leads out of it"),
        ([_member("tree/passwd", tarfile.SYMTYPE, "/etc/passwd")], "not found"),
        ([_member("tree/passwd", tarfile.LNKTYPE, "../passwd")], "not found"),
        ([_member("tree/device", tarfile.CHRTYPE)], "neither a file nor a folder"),
        ([_member("tree/x"), _member("other/x")], "too many values to unpack"),
    ],
)
def test_an_archive_that_writes_or_reads_elsewhere_is_refused(
    tmp_path: Path, members: list[tarfile.TarInfo], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        check_submission(_archive(tmp_path / "tree.tar.gz", *members), ROUND)
    assert [path.name for path in tmp_path.iterdir()] == ["tree.tar.gz"]


def test_a_file_of_an_archive_may_have_two_names(tree: Path, tmp_path: Path) -> None:
    readme = tree / OFFLINE / "README.md"
    (tree / SERVER / "README.md").unlink()
    (tree / SERVER / "README.md").hardlink_to(readme)
    with tarfile.open(tmp_path / "tree.tar.gz", "w:gz") as archive:
        archive.add(tree, "tree")
        assert any(member.islnk() for member in archive)
    assert check_submission(tmp_path / "tree.tar.gz", ROUND).accepted
