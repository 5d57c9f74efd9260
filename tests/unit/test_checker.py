"""The checker: a good tree is accepted; each single defect gets a complaint with its file and remedy."""

import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from loadgen_files import detail_values, small_round, write_detail
from tree_evidence import write_demonstration

from weighbridge.config.scenario_rules import Mode
from weighbridge.core.errors import InputError
from weighbridge.submission.checker import CheckReport, check_submission

ROUND = small_round()
SYSTEM = "closed/Me/systems/box.json"
SERVER = "closed/Me/results/box/qwen3-vl-235b-a22b/Server"
OFFLINE = "closed/Me/results/box/qwen3-vl-235b-a22b/Offline"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the results/ of a run directory with a good tree; tests must not change it."""
    root = tmp_path_factory.mktemp("good")
    write_demonstration(root, ROUND)
    return root / "results"


@pytest.fixture
def tree(good: Path, tmp_path: Path) -> Path:
    """Return a copy of the good tree that a test may damage."""
    return Path(shutil.copytree(good / "submission", tmp_path / "tree"))


def test_a_good_tree_is_accepted_as_a_folder_and_as_its_archive(good: Path) -> None:
    for form in (good / "submission", good / "submission.tar.gz"):
        report = check_submission(form, ROUND, originals=good / "originals", strict=True)
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
        values = detail_values(ROUND, scenario, mode) | changes
        kept = {key: value for key, value in values.items() if value is not ...}
        write_detail(place / "mlperf_log_detail.txt", kept, errors)

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


def _append(name: str, content: bytes) -> Callable[[Path], None]:
    def edit(tree: Path) -> None:
        (tree / name).write_bytes((tree / name).read_bytes() + content)

    return edit


def _mark(name: str) -> Callable[[Path], None]:
    def edit(tree: Path) -> None:
        (tree / name).write_bytes(b"\xef\xbb\xbf" + (tree / name).read_bytes())

    return edit


def _repeat(name: str, key: str, value: object) -> Callable[[Path], None]:
    """Log a key once more, with another value."""

    def edit(tree: Path) -> None:
        more = tree / "more"
        write_detail(more, {key: value})
        (tree / name).write_bytes((tree / name).read_bytes() + more.read_bytes())
        more.unlink()

    return edit


def _remove_scenarios(tree: Path) -> None:
    """Leave a benchmark's folder without any scenario."""
    shutil.rmtree(tree / SERVER)
    shutil.rmtree(tree / OFFLINE)
    (tree / SERVER).with_name("notes.txt").write_text("x")


S, F, P, A = "server", "offline", Mode.PERFORMANCE, Mode.ACCURACY
PERFORMANCE_LOG = f"{SERVER}/performance/run_1/mlperf_log_detail.txt"
OFFLINE_LOG = f"{OFFLINE}/performance/run_1/mlperf_log_detail.txt"
ACCURACY_LOG = f"{SERVER}/accuracy/mlperf_log_detail.txt"
SCORE = f"{SERVER}/accuracy/accuracy.txt"

# Defects that the official checker overlooks, and that nevertheless refuse a tree.
OVERLOOKED = [
    (_text(SCORE, "0.79", "79.0"), SCORE, "the highest possible score is 1"),
    (_text(SCORE, "hash=", '{"f1": 0.9}\nhash='), SCORE, "'f1' is 0.79 and 0.9"),
    (_repeat(PERFORMANCE_LOG, "result_validity", "INVALID"), PERFORMANCE_LOG, "different values"),
    (_repeat(PERFORMANCE_LOG, "effective_target_qps", 21), PERFORMANCE_LOG, "different values"),
    (_write(f"{SERVER}/user.conf", " \n\t\n"), f"{SERVER}/user.conf", "is empty"),
    (_write(f"{SERVER}/README.md", "\n"), f"{SERVER}/README.md", "is empty"),
    (_json(SYSTEM, number_of_nodes="-1"), SYSTEM, "'number_of_nodes' is '-1'"),
    (_json(SYSTEM, number_of_nodes="0"), SYSTEM, "above 0"),
    (_write(f"{SERVER}/performance/run_2/log", "x"), f"{SERVER}/performance/run_2", "another run"),
    (_write("closed/Me/src/two\nlines", "x"), "closed/Me/src/two\\nlines", "cannot be printed"),
    (_write("closed/Me/src/a\x07bell", "x"), "closed/Me/src/a\\x07bell", "cannot be printed"),
    (_write("network/You/README.md", "x"), "network", "does not check"),
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
    (_write("closed/notes.txt", "x"), "closed/notes.txt", "beside the submitters"),
]

# What is odd: a warning, which only a strict check refuses.
ODD = [
    (_write("extra/file", "x"), "extra", "not a division"),
    # Accepted by the checker's reading of the floor, not by the strictest one, which gates.
    (_text(SCORE, "0.79", "0.7824"), SCORE, "below 0.782400663"),
    (_append_to_last_line(SCORE, f"\nhash={'b' * 64}"), SCORE, "has 2 lines that are hash=... alone"),
    (_write(f"{SERVER}/user.conf", "*.Server.target_qps = 36.0"), f"{SERVER}/user.conf", "to 36; "),
    (_write(f"{SERVER}/user.conf", "TODO"), f"{SERVER}/user.conf", "sets no target_qps"),
    (_write(f"{SERVER}/notes.txt", "x"), f"{SERVER}/notes.txt", "nothing that the rules name"),
    (_write(f"{SERVER}/TEST06/log", "x"), f"{SERVER}/TEST06", "nothing that the rules name"),
    (_write(f"{SERVER}/accuracy/metadata.json", "{}"), f"{SERVER}/accuracy/metadata.json", "the older one"),
    (_write(f"{SERVER}/performance/notes", "x"), f"{SERVER}/performance/notes", "beside run_1"),
    (_json(SYSTEM, host_processors_per_node="many"), SYSTEM, "is no count"),
    (_json(SYSTEM, host_processor_core_count="0"), SYSTEM, "is no count"),
    (_json(SYSTEM, cooling=["air", "water"]), SYSTEM, "neither a text nor a number"),
    (_rename("closed/Me/results/box", "closed/Me/results/my+box"), "closed/Me/results/my+box", "characters"),
]

# What the official checkers accept without a word.
FINE = [
    _append_to_last_line(SCORE, "\r"),
    _write(f"{SERVER}/mlperf.conf", "x"),
    _write(f"{SERVER}/calibration_process.adoc", "x"),
    _write(f"{SERVER}/accuracy/results.json", "{}"),
    _write("README.md", "x"),
    _write(".git/HEAD", "x"),
    _write(
        f"{SERVER}/user.conf", "qwen3-vl-235b-a22b.Server.target_qps = 20.0000001\n*.Server.target_qps = 1"
    ),
    _json(SYSTEM, status="RDI"),
    _rename(SERVER, SERVER.replace("Server", "server")),
]

# Defects that it refuses.
REFUSED = [
    (_detail(S, P, result_completed_samples_per_sec=0), PERFORMANCE_LOG, "result logged"),
    (_detail(S, P, result_completed_samples_per_sec=...), PERFORMANCE_LOG, "result logged"),
    (_detail(F, P, result_samples_per_second=0), OFFLINE_LOG, "result logged"),
    (_detail(F, P, result_samples_per_second=...), OFFLINE_LOG, "result logged"),
    (_detail(F, P, effective_min_query_count=0), OFFLINE_LOG, "minimum query count set"),
    (_detail(F, P, effective_min_query_count=...), OFFLINE_LOG, "minimum query count set"),
    (_detail(F, P, effective_min_query_count="1"), OFFLINE_LOG, "not a whole number"),
    (_detail(S, P, num_errors=-1), PERFORMANCE_LOG, "'num_errors' is -1, not a count"),
    (_detail(S, P, result_overlatency_query_count=-1), PERFORMANCE_LOG, "not a count"),
    (_detail(S, P, effective_accuracy_log_probability=[0]), PERFORMANCE_LOG, "is [0], must be 0"),
    (_rename("closed/Me/results/box", "closed/Me/results/my,box"), "closed/Me/results/my,box", "characters"),
    (
        _rename("closed/Me/results/box", "closed/Me/results/b.json"),
        "closed/Me/results/b.json",
        "contains .json",
    ),
    (_write(f"{SERVER}/performance/power/client.log", "x"), f"{SERVER}/performance/power", "power"),
    (_write(f"{SERVER}/performance/ranging/log", "x"), f"{SERVER}/performance/ranging", "power"),
    (_text(PERFORMANCE_LOG, ', "metadata"', ', "data"'), PERFORMANCE_LOG, "line 1 is cut off"),
    (_text(ACCURACY_LOG, '"is_error"', '"error"'), ACCURACY_LOG, "line 1 is cut off"),
    (_append(PERFORMANCE_LOG, b"\xff\n"), PERFORMANCE_LOG, "not UTF-8"),
    (_append(PERFORMANCE_LOG, b":::MLLOG\n"), PERFORMANCE_LOG, "cut off"),
    (_append(SCORE, b"\xff\n"), SCORE, "not UTF-8"),
    (_json(SYSTEM, division="Closed"), SYSTEM, "'division' is 'Closed'"),
    (_write("closed/Me/src/a__pycache__/x", "x"), "closed/Me/src/a__pycache__", "__pycache__"),
    (_remove_scenarios, "closed/Me/results/box/qwen3-vl-235b-a22b", "Offline is missing"),
    (_write("notes.txt", "x"), "notes.txt", "beside the divisions"),
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
    (_write("closed/Me/src/.hidden", "x"), "closed/Me/src/.hidden", "starts with a dot"),
    (_write("closed/Me/src/two words", "x"), "closed/Me/src/two words", "contains a space"),
    (_remove("closed"), ".", "holds no result"),
]

# Defects that make it crash.
CRASHES = [
    (_mark(SYSTEM), SYSTEM, "byte-order mark"),
    (_mark(f"{SERVER}/measurements.json"), f"{SERVER}/measurements.json", "byte-order mark"),
    (_json(SYSTEM, number_of_nodes="\N{SUPERSCRIPT TWO}"), SYSTEM, "'number_of_nodes'"),
    (_json(SYSTEM, number_of_nodes="1.0"), SYSTEM, "'number_of_nodes'"),
    (_json(SYSTEM, framework=["vLLM"]), SYSTEM, "'framework'"),
    (_json(SYSTEM, sw_notes=5), SYSTEM, "'sw_notes'"),
    (_json(SYSTEM, hw_notes=None), SYSTEM, "'hw_notes'"),
    (_json(SYSTEM, hw_notes="\ud800"), SYSTEM, "not a JSON object in UTF-8"),
    (_write("closed/You/README.md", "x"), "closed/You/results", "holds no system's results"),
    (_rename(SERVER, SERVER.replace("Server", "SERVER")), SERVER.replace("Server", "SERVER"), "capitals"),
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


@pytest.mark.parametrize(("spoil", "file", "said"), ODD)
def test_what_is_odd_is_a_warning_that_only_a_strict_check_refuses(
    tree: Path, spoil: Callable[[Path], None], file: str, said: str
) -> None:
    spoil(tree)
    report = check_submission(tree, ROUND)
    odd = [each for each in report.complaints if each.file.startswith(file) and said in each.said]
    assert [each.level for each in odd] == ["warning"], report.complaints
    if not any(each.level == "error" for each in report.complaints):
        assert report.accepted
    strict = check_submission(tree, ROUND, strict=True)
    assert (strict.strict, strict.accepted, strict.complaints) == (True, False, report.complaints)


@pytest.mark.parametrize("change", FINE)
def test_what_the_official_checkers_accept_is_accepted(tree: Path, change: Callable[[Path], None]) -> None:
    change(tree)
    report = check_submission(tree, ROUND, strict=True)
    assert (report.complaints, report.accepted) == ((), True)


def test_a_folder_in_lower_case_is_no_scenario_of_v6_1(tree: Path) -> None:
    _rename(SERVER, SERVER.replace("Server", "server"))(tree)
    assert "with capitals" in _remedies(check_submission(tree, small_round(checker_version="v6.1")))


def test_a_scenario_that_is_there_twice_is_refused(tree: Path) -> None:
    shutil.copytree(tree / SERVER, tree / SERVER.replace("Server", "server"))
    assert _said(check_submission(tree, ROUND)) == "is the same scenario as Server"


@pytest.mark.parametrize(("spoil", "file", "said"), [*OVERLOOKED, *REFUSED, *CRASHES])
def test_each_defect_is_caught_named_and_has_a_remedy(
    tree: Path, spoil: Callable[[Path], None], file: str, said: str
) -> None:
    spoil(tree)
    report = check_submission(tree, ROUND)
    assert not report.accepted
    told = [
        each
        for each in report.complaints
        if each.file.startswith(file) and (said in each.said or said in each.remedy)
    ]
    assert told, report.complaints
    assert "error" in {each.level for each in told}
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
    verdict = "open/Me/src/qwen3-vl-235b-a22b/records/box/Server/verdict.json"
    assert "other figures than the logs and accuracy.txt: f1" in _said(check_submission(tree, ROUND))
    _json(verdict, metrics={"f1": 0.5})(tree)
    assert _said(check_submission(tree, ROUND)) == "has other scores than accuracy.txt: f1"
    evaluation = tree / verdict.replace("verdict", "score")
    evaluation.write_text(evaluation.read_text().replace("0.79", "0.5"))
    assert check_submission(tree, ROUND).complaints == ()
    _remove("open/Me/model_mapping.json")(tree)
    assert "does not map" in _said(check_submission(tree, ROUND))
    log = tree / PERFORMANCE_LOG.replace("closed", "open")
    write_detail(log, detail_values(ROUND, S, P) | {"effective_qsl_rng_seed": 1})
    assert "seeds is 1" in _said(check_submission(tree, ROUND))


def _said(report: CheckReport) -> str:
    return "; ".join(complaint.said for complaint in report.complaints)


def _remedies(report: CheckReport) -> str:
    return "; ".join(complaint.remedy for complaint in report.complaints)


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


@pytest.mark.parametrize("names", [["closed"], ["closed", "README.md"]])
def test_an_archive_of_the_divisions_themselves_is_accepted(
    names: list[str], tree: Path, tmp_path: Path
) -> None:
    (tree / "README.md").write_text("What this is.")
    with tarfile.open(tmp_path / "packed.tar.gz", "w:gz") as packed:
        for name in names:
            packed.add(tree / name, name)
    assert check_submission(tmp_path / "packed.tar.gz", ROUND).complaints == ()


def test_a_path_without_a_tree_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither a folder nor an archive"):
        check_submission(tmp_path / "absent", ROUND)
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="neither a folder nor an archive") as caught:
        check_submission(tmp_path / "file", ROUND)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="no such folder"):
        check_submission(tmp_path, ROUND, originals=tmp_path / "absent")


def test_another_benchmark_is_named_once_and_not_judged_by_this_rounds_numbers(tree: Path) -> None:
    box = tree / "closed/Me/results/box"
    shutil.copytree(box / "qwen3-vl-235b-a22b", box / "whisper")
    (box / "whisper/Server/performance/run_1/mlperf_log_detail.txt").write_text("of another benchmark\n")
    shutil.rmtree(box / "whisper/Offline/accuracy")
    [complaint] = check_submission(tree, ROUND).complaints
    assert (complaint.file, complaint.level) == ("closed/Me/results/box/whisper", "error")
    assert complaint.said == "is not the round's benchmark, and is not checked"


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
        ([_member("tree/x"), _member("other/x")], "holds neither closed/ nor open/, nor one folder"),
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
