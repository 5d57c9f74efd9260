"""Records in the tree: what assemble writes, and what check reads from the tree alone."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from request_files import RECORDED
from tree_evidence import CLOSED, MODEL, PLACE, REAL, RULES, build, inputs_in, write_judged, write_tree

from weighbridge.core.errors import InputError
from weighbridge.gates import Inputs
from weighbridge.records.store_manifest import StoreManifest
from weighbridge.submission.checker import CheckReport, check_submission
from weighbridge.submission.tree_records import without_places

SOURCES = "closed/Me/src/qwen3-vl-235b-a22b"
RECORDS = f"{SOURCES}/records/box"
SERVER = "closed/Me/results/box/qwen3-vl-235b-a22b/Server"
OWN = {
    "weight_data_types": "fp8",
    "weight_transformations": "quantised per channel",
    "starting_weights_filename": "lab/model-bf16",
}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tree with all its evidence; tests must not change it."""
    return write_tree(tmp_path_factory.mktemp("good"))


@pytest.fixture
def tree(good: Path, tmp_path: Path) -> Path:
    """Return a copy of the good tree that a test may damage."""
    return Path(shutil.copytree(good, tmp_path / "tree"))


def _runs(root: Path, model: Any = MODEL) -> Inputs:
    inputs = inputs_in(root, model)
    write_judged(root, inputs)
    return inputs


def test_the_tree_carries_its_records_and_proofs(good: Path) -> None:
    inside = good / RECORDS
    names = {path.relative_to(inside).as_posix() for path in inside.rglob("*") if path.is_file()}
    assert names == {
        *("requests.json", "model.json", "dataset.json", "model/config.json"),
        *(f"{folder}/{name}" for folder in ("Offline", "Server") for name in RECORDED),
    }


def test_no_file_of_the_tree_names_a_place_or_a_machine(good: Path) -> None:
    root = str(good.parent)
    for path in good.rglob("*"):
        if path.is_file():
            text = path.read_text(errors="replace")
            assert PLACE not in text, path
            assert root not in text, path
    record = json.loads((good / RECORDS / "Server" / "performance.json").read_text())
    assert record["server"]["command"] == ["vllm", "serve", "model", "--dtype=bfloat16"]
    assert record["host"]["name"] == "not published"
    readme = (good / SERVER / "README.md").read_text()
    assert "vllm serve model --dtype=bfloat16" in readme
    assert f"{MODEL.repo} at {MODEL.revision}" in readme


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("--download-dir=/x/y/z", "--download-dir=z"),
        ("/data/a:/data/b:ro", "a:b:ro"),
        ('{"path": "/a/b.json"}', '{"path": "b.json"}'),
        ("http://node:8000/v1", "http://node:8000/v1"),
        ("docker://org/image@sha256:0", "docker://org/image@sha256:0"),
        ("--model=file:///x/y/z", "--model=file://z"),
        ("models/a", "models/a"),
        ("N/A", "N/A"),
    ],
)
def test_of_an_absolute_path_the_last_part_is_left(text: str, left: str) -> None:
    manifest = StoreManifest(
        benchmark="b", model_name="m", prefix=text, suffix="", count=1, bodies_bytes=1, bodies_sha256="0"
    )
    assert without_places(manifest).prefix == left


def test_the_value_of_a_key_in_the_server_s_environment_is_not_published(tmp_path: Path) -> None:
    inputs = _runs(tmp_path)
    for path in (tmp_path / "results").rglob("run.json"):
        record = json.loads(path.read_text())
        record["server"]["environment"] = {"HF_TOKEN": "hf_nobody-must-know", "OMP_NUM_THREADS": "2"}
        path.write_text(json.dumps(record))
    tree = build(tmp_path, inputs)
    assert not [path for path in tree.rglob("*") if path.is_file() and b"hf_nobody" in path.read_bytes()]
    assert "HF_TOKEN=*** " in (tree / SERVER / "README.md").read_text()
    assert "OMP_NUM_THREADS=2 " in (tree / SERVER / "README.md").read_text()


def test_a_tree_with_its_evidence_is_accepted_even_strictly(good: Path) -> None:
    assert check_submission(good, CLOSED, strict=True).complaints == ()


def _json(name: str, *keys: str | int, to: object) -> Callable[[Path], None]:
    def edit(tree: Path) -> None:
        values = json.loads((tree / name).read_text())
        inner = values
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = to
        (tree / name).write_text(json.dumps(values))

    return edit


def _append(name: str, text: str) -> Callable[[Path], None]:
    def edit(tree: Path) -> None:
        (tree / name).write_text((tree / name).read_text() + text)

    return edit


def _remove(name: str) -> Callable[[Path], None]:
    return lambda tree: (tree / name).unlink()


RECORD = f"{RECORDS}/Server/performance.json"
VERDICT = f"{RECORDS}/Server/verdict.json"
ERRORS = [
    (_json(RECORD, "round", to="v5.1"), RECORD, "is of a run of v5.1, server, performance"),
    (_json(RECORD, "scenario", to="offline"), RECORD, "offline, performance, not small, server"),
    (_json(RECORD, "mode", to="accuracy"), RECORD, "server, accuracy, not small, server, performance"),
    (_json(RECORD, "submittable", to=False), RECORD, "its round is not submittable"),
    (_json(RECORD, "unknown", to=1), RECORD, "unknown key 'unknown'"),
    (_remove(RECORD), RECORD, "cannot be read"),
    (_json(VERDICT, "round", to="v5.1"), VERDICT, "judges v5.1, server"),
    (_json(VERDICT, "checks", 3, "passed", to=False), VERDICT, "differs from the closed division"),
    (_json(VERDICT, "checks", 3, "passed", to=None), VERDICT, "is not known"),
    (_remove(VERDICT), VERDICT, "cannot be read"),
    (_json(VERDICT, "checks", to=[]), VERDICT, "says VALID, which its 0 checks do not show"),
    (_json(VERDICT, "outcome", to="UNPROVEN"), VERDICT, "says UNPROVEN, which its"),
    (_json(VERDICT, "rate", to=99.0), VERDICT, "other figures than the logs and accuracy.txt: rate"),
    (_json(VERDICT, "metrics", "f1", to=0.81), VERDICT, "other figures than the logs and accuracy.txt: f1"),
    (
        _append(f"{SERVER}/performance/run_1/mlperf_log_summary.txt", "\n"),
        f"{SERVER}/performance/run_1/mlperf_log_summary.txt",
        "is not the log that performance.json",
    ),
    (
        _json(f"{RECORDS}/Server/accuracy.json", "logs", "mlperf_log_accuracy.json", to="0" * 64),
        f"{SERVER}/accuracy/accuracy.txt",
        "another hash",
    ),
    (_json(f"{RECORDS}/requests.json", "bodies_sha256", to="0" * 64), RECORD, "names other requests"),
    (_json(f"{RECORDS}/requests.json", "dataset", to={"a": "0" * 64}), RECORD, "names another dataset"),
    (
        _json(f"{RECORDS}/requests.json", "dataset", to={"a": "0" * 64}),
        f"{RECORDS}/requests.json",
        "was built from other files",
    ),
    (_json(f"{RECORDS}/model.json", "manifest_digest", to="0" * 64), RECORD, "names another model"),
    (
        _json(f"{RECORDS}/model.json", "files", 0, "size", to=7),
        f"{RECORDS}/model.json",
        "lists files of another manifest",
    ),
    (
        _append(f"{RECORDS}/model/config.json", " "),
        f"{RECORDS}/model/config.json",
        "is not the file that model.json lists",
    ),
    (_append(f"{RECORDS}/dataset.json", "x"), RECORDS, "not JSON"),
    (
        _json(f"{RECORDS}/model.json", "repo", to="me/other"),
        f"{SERVER}/measurements.json",
        "the rules name lab/model-bf16",
    ),
    (
        _json(f"{SERVER}/measurements.json", "weight_data_types", to="fp4"),
        f"{SERVER}/measurements.json",
        "weight_data_types is 'fp4'",
    ),
]
ERRORS += [
    (_json(RECORD, *keys, to=to), f"{RECORDS}/Server", f"does not prove the closed division's {said}")
    for keys, to, said in (
        (("server", "command"), ["other"], "same server command (both runs)"),
        (("server", "version"), "0.13.0", "same server version"),
        (("server", "prefix_caching"), "on", "prefix caching (performance): on"),
        (("load", "failed"), {"timeout": 2}, "failed requests (performance): 2"),
        (("load", "aborted"), "no answer", "ended early (performance)"),
        (("system", "accelerator_ecc_mode"), "disabled", "ECC (performance): disabled"),
        (("load", "loadgen_version"), "6.0.1", "same LoadGen"),
    )
]
# What the closed division fixes, proven again from the tree alone.
FORBIDDEN = [
    (_json(RECORD, "requests", "sampling", "temperature", to=0.0), "sampling (both runs): temperature 0"),
    (_json(RECORD, "requests", "picture", to="original"), "images (both runs): original"),
    (_json(RECORD, "requests", "guided_decoding", to=True), "guided decoding (both runs): on"),
    (_json(f"{RECORDS}/dataset.json", "revision", to="3" * 40), "dataset (both runs): lab/products at 333"),
    (
        _json(
            RECORD, "server", "command", to=["vllm", "serve", "m", '--mm-processor-kwargs={"max_pixels":9}']
        ),
        'server arguments (performance): --mm-processor-kwargs={"max_pixels":9}',
    ),
    (
        _json(RECORD, "server", "reported_arguments", to={"--mm-processor-kwargs": "{'max_pixels': 9}"}),
        "server arguments (performance): --mm-processor-kwargs",
    ),
]
ERRORS += [
    (_json(RECORD, "server", *keys, to=to), f"{SERVER}/measurements.json", "quantises the weights")
    for keys, to in (
        (("command",), ["vllm", "serve", "m", "--quantization", "fp8"]),
        (("reported_arguments",), {"--quantization": "fp8"}),
    )
]
WARNINGS = [
    (_append(f"{SOURCES}/src/weighbridge/run/session.py", "# edited\n"), SOURCES, "does not hold the code"),
    (_append(f"{SOURCES}/src/weighbridge/run/session.py", "(\n"), SOURCES, "does not hold the code"),
    (_remove(f"{RECORDS}/requests.json"), RECORDS, "are not proven"),
    (_remove(f"{RECORDS}/model.json"), RECORDS, "are not proven"),
    (
        _json(f"{SERVER}/measurements.json", "starting_weights_filename", to="weights"),
        f"{SERVER}/measurements.json",
        "names neither lab/model-bf16",
    ),
]


@pytest.mark.parametrize(
    ("spoil", "file", "said", "level"),
    [*((*each, "error") for each in ERRORS), *((*each, "warning") for each in WARNINGS)],
)
def test_each_contradiction_of_the_records_is_told(
    tree: Path, spoil: Callable[[Path], None], file: str, said: str, level: str
) -> None:
    spoil(tree)
    report = check_submission(tree, CLOSED)
    told = [each for each in report.complaints if each.file == file and said in each.said]
    assert told, report.complaints
    assert {each.level for each in told} == {level}
    assert report.accepted is (level == "warning")


@pytest.mark.parametrize(("spoil", "said"), FORBIDDEN)
def test_what_the_closed_division_fixes_is_proven_from_the_tree(
    tree: Path, spoil: Callable[[Path], None], said: str
) -> None:
    spoil(tree)
    report = check_submission(tree, CLOSED)
    assert not report.accepted
    told = [each for each in report.complaints if f"does not prove the closed division's {said}" in each.said]
    assert {each.level for each in told} == {"error"}, report.complaints


def test_another_model_of_the_same_name_is_told_by_its_configuration(good: Path) -> None:
    pin = MODEL.model_copy(update={"files": {"config.json": {"text.hidden_size": 8192}}})
    report = check_submission(
        good, CLOSED.model_copy(update={"closed": RULES.model_copy(update={"model": pin})})
    )
    assert any("text.hidden_size is 4096, not 8192" in text for text in _errors(report))


def test_a_tree_without_records_gets_one_warning(tree: Path) -> None:
    shutil.rmtree(tree / SOURCES / "records")
    report = check_submission(tree, CLOSED)
    assert [(each.level, each.file) for each in report.complaints] == [("warning", "closed/Me")]
    assert "are not proven" in report.complaints[0].said
    assert report.accepted
    assert not check_submission(tree, CLOSED, strict=True).accepted


def _fail_a_check(root: Path) -> None:
    path = root / "results" / "server" / "verdict.json"
    verdict = json.loads(path.read_text())
    verdict["checks"][3]["passed"] = False
    verdict["outcome"] = "INVALID"
    path.write_text(json.dumps(verdict))


def test_the_open_division_only_warns_and_says_what_differs(tmp_path: Path) -> None:
    inputs = _runs(tmp_path, None)
    _fail_a_check(tmp_path)
    tree = build(tmp_path, inputs, division="open")
    report = check_submission(tree, CLOSED)
    assert _errors(report) == []
    said = {each.said for each in report.complaints}
    assert any("differs from the closed division" in text for text in said)
    assert any("the rules name lab/model-bf16" in text for text in said)
    name = json.loads((tmp_path / "results" / "server" / "verdict.json").read_text())["checks"][3]["name"]
    folder = tree / "open" / "Me" / "results" / "box" / "qwen3-vl-235b-a22b"
    assert (
        f"**Open division.** Differs from the closed division: {name}."
        in (folder / "Server" / "README.md").read_text()
    )
    assert "in nothing that was checked" in (folder / "Offline" / "README.md").read_text()
    source = (tree / "open" / "Me" / "src" / "qwen3-vl-235b-a22b" / "README.md").read_text()
    assert f"Server differs from the closed division: {name}." in source


_DEEP = 100_000 * "[" + 100_000 * "]"
_PROGRAM = f"{SOURCES}/src/weighbridge/run/session.py"
_DETAIL = f"{SERVER}/performance/run_1/mlperf_log_detail.txt"


def _as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "file").write_text("x")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        *((RECORD, content) for content in ("", "null", "[]", _DEEP, '{"a": ' + 5000 * "9" + "}", None)),
        *((VERDICT, content) for content in ("", "null", _DEEP, None)),
        *((f"{RECORDS}/model.json", content) for content in ("null", '{"files": 3}', _DEEP, None)),
        *((f"{RECORDS}/requests.json", content) for content in ("null", _DEEP, None)),
        *((f"{RECORDS}/model/config.json", content) for content in ("null", _DEEP, None)),
        *(("closed/Me/systems/box.json", content) for content in ("null", _DEEP, None)),
        *((f"{SERVER}/measurements.json", content) for content in ("null", _DEEP, None)),
        *((f"{SERVER}/user.conf", content) for content in ("x = ", "\0", None)),
        *((f"{SERVER}/accuracy/accuracy.txt", content) for content in ("\0", None)),
        *((_PROGRAM, content) for content in ("\0", f"x = {_DEEP}", None)),
        *((_DETAIL, content) for content in (f':::MLLOG {{"key": "a", "value": {_DEEP}}}', None)),
    ],
)
def test_a_damaged_file_is_told_and_never_a_traceback(tree: Path, name: str, content: str | None) -> None:
    path = tree / name
    if content is None:
        _as_folder(path)
    else:
        path.write_text(content)
    assert check_submission(tree, CLOSED).complaints


def _errors(report: CheckReport) -> list[str]:
    return [f"{each.file}: {each.said}" for each in report.complaints if each.level == "error"]


def test_a_file_that_a_proof_lists_twice_is_told(tree: Path) -> None:
    path = tree / RECORDS / "model.json"
    values = json.loads(path.read_text())
    values["files"] *= 2
    path.write_text(json.dumps(values))
    said = [
        each.said for each in check_submission(tree, CLOSED).complaints if each.file.endswith("/model.json")
    ]
    assert "lists files of another manifest than it names" in said


def test_what_only_the_server_s_log_reports_goes_into_the_tree(tmp_path: Path) -> None:
    inputs = _runs(tmp_path)
    for path in (tmp_path / "results").rglob("run.json"):
        record = json.loads(path.read_text())
        del record["server"]["reported_arguments"]
        path.write_text(json.dumps(record))
    tree = build(tmp_path, inputs)
    warned = [each for each in check_submission(tree, CLOSED).complaints if "server arguments" in each.said]
    assert {each.level for each in warned} == {"warning"}
    assert len(warned) == 4
    for path in (tmp_path / "results").rglob("run.json"):
        (path.parent / "server.log").write_text(
            "(APIServer pid=1) INFO 01-01 00:00:00 [utils.py:253] non-default args: {'dtype': 'bfloat16'}\n"
        )
    assert check_submission(build(tmp_path, inputs), CLOSED, strict=True).complaints == ()


def test_each_run_is_asked_whether_its_server_quantised_the_weights(tmp_path: Path) -> None:
    inputs = _runs(tmp_path)
    path = tmp_path / "results" / "server" / "accuracy" / "run.json"
    record = json.loads(path.read_text())
    record["server"]["command"].append("--quantization=fp8")
    path.write_text(json.dumps(record))
    with pytest.raises(InputError, match="'--quantization=fp8' of the server quantises the weights"):
        build(tmp_path, inputs)


def test_records_are_found_where_the_folder_of_the_results_is_in_lower_case(tree: Path) -> None:
    round_ = CLOSED.model_copy(update={"checker_version": "v6.0"})
    (tree / SERVER).rename((tree / SERVER).with_name("server"))
    _json(RECORD, "load", "failed", to={"timeout": 2})(tree)
    assert [text for text in _errors(check_submission(tree, round_)) if "failed requests" in text]


def test_a_closed_tree_needs_its_evidence(tmp_path: Path) -> None:
    inputs = _runs(tmp_path)
    with pytest.raises(InputError, match="pass --artifact for both and --store"):
        build(tmp_path, Inputs())
    with pytest.raises(InputError, match="pass --artifact for both and --store"):
        build(tmp_path, Inputs(inputs.model, inputs.dataset))
    build(tmp_path, Inputs(), REAL)  # a round that fixes nothing needs none
    assert (tmp_path / "tree").is_dir()


def test_weights_of_one_s_own_are_refused_until_they_are_declared(tmp_path: Path) -> None:
    inputs = _runs(tmp_path, None)
    with pytest.raises(InputError, match="a folder without repo and revision, but the rules name lab/model"):
        build(tmp_path, inputs)
    with pytest.raises(InputError, match=r"submission\.calibration: weights were transformed"):
        build(tmp_path, inputs, measurements=OWN)
    calibration = tmp_path / "how.md"
    calibration.write_text("Quantised per channel, without data.\n")
    tree = build(tmp_path, inputs, measurements=OWN, calibration=str(calibration))
    assert check_submission(tree, CLOSED, strict=True).complaints == ()
    row = "| weights | lab/model-bf16; data types: fp8; transformations: quantised per channel |"
    assert inputs.model is not None
    readme = (tree / SERVER / "README.md").read_text()
    assert row in readme
    assert f"| model | sha256 {inputs.model.manifest_digest} |" in readme


def test_a_declaration_that_contradicts_the_pinned_model_is_refused(tmp_path: Path) -> None:
    inputs = _runs(tmp_path)
    stated = {"weight_data_types": "fp4", "weight_transformations": "No"}
    with pytest.raises(InputError, match="weight_data_types is 'fp4', but the reference's weights are bf16"):
        build(tmp_path, inputs, measurements=stated)
