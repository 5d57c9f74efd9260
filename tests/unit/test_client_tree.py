"""Trees of the official endpoints client's results: built, checked by us and officially, and verified."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from client_files import (
    change_file,
    client_record,
    client_round,
    seal_client_run,
    write_client_judged,
    write_client_report,
    write_client_results,
    write_client_run,
)
from loadgen_files import judged_runs, small_round
from loadgen_files import write_results as write_loadgen_results
from reference_proof import reference_proof

from weighbridge.benchmarks.rounds import load_round, round_of_official_client
from weighbridge.config.round_of_scenario import round_of_scenario
from weighbridge.config.scenario_rules import Mode
from weighbridge.config.settings import SubmissionSettings
from weighbridge.core.errors import InputError
from weighbridge.provenance import write_crate
from weighbridge.provenance.attest import attest
from weighbridge.provenance.judged_again import Originals
from weighbridge.provenance.verification import Asked, verify_tree
from weighbridge.records.check_record import CheckReport
from weighbridge.records.verdict import Verdict
from weighbridge.submission import assemble
from weighbridge.submission.checker import check_submission
from weighbridge.submission.checker.original_rules import check_originals

REFERENCE = os.environ.get("WEIGHBRIDGE_REFERENCE", "")
needs_reference = pytest.mark.skipif(
    not REFERENCE, reason="needs mlcommons/inference: WEIGHBRIDGE_REFERENCE=DIR"
)
ROUND = client_round(simulated=True)
GOLDEN = Path(__file__).parent / "golden"
RESULTS = Path("closed/Me/results/box/qwen3-vl-235b-a22b")
SOURCES = "closed/Me/src/qwen3-vl-235b-a22b"
TEXTS = {
    "client-interactive-readme.md": f"{RESULTS}/Interactive/README.md",
    "client-source-readme.md": f"{SOURCES}/README.md",
}
CONFIG, SUMMARY = "config.yaml", "performance/result_summary.json"
SCORES = "accuracy/accuracy_results.json"
FILES = {CONFIG, SUMMARY, SCORES, "measurements.json", "README.md"}
KEPT = {
    "accuracy/answers.jsonl",
    "client.log",
    "client.yaml",
    "events.jsonl",
    "metrics/final_snapshot.json",
    "sample_idx_map.json",
}


def _assemble(folder: Path, to: Path | None = None, source: str | None = "project") -> None:
    assemble(
        results=folder / "results",
        destination=(to or folder) / "tree",
        originals=(to or folder) / "originals",
        round_=ROUND,
        settings=SubmissionSettings(submitter="Me", system="box"),
        source=None if source is None else folder / source,
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with runs of Offline and Interactive and their tree; tests must not change it."""
    folder = tmp_path_factory.mktemp("client-tree")
    (folder / "project").mkdir()
    (folder / "project" / "Snakefile").touch()
    write_client_results(folder / "results", ROUND)
    _assemble(folder)
    return folder


@pytest.fixture
def tree(whole: Path, tmp_path: Path) -> Path:
    """Return a copy of the tree, which a test may change."""
    return Path(shutil.copytree(whole / "tree", tmp_path / "tree"))


def _check(tree: Path, **options: Any) -> CheckReport:
    return check_submission(tree, ROUND, **options)


def _errors(report: CheckReport) -> dict[str, str]:
    """Return what is wrong with each file, by its path."""
    return {each.file: each.said for each in report.complaints if each.level == "error"}


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_commands_without_a_checkout_score_the_scenarios_own_dataset(whole: Path, tmp_path: Path) -> None:
    _assemble(whole, to=tmp_path, source=None)
    text = (tmp_path / "tree" / RESULTS / "Interactive" / "README.md").read_text()
    assert f"evaluate --round {ROUND.name} --scenario interactive --logs" in text


def test_a_tree_has_the_files_of_the_official_checker_and_no_whole_answers(whole: Path) -> None:
    for scenario in ("Offline", "Interactive"):
        assert _files(whole / "tree" / RESULTS / scenario) == FILES
        kept = whole / "originals" / RESULTS / scenario
        assert _files(kept) == KEPT
        assert all((kept / name).stat().st_mode & 0o777 == 0o400 for name in KEPT)
        report = whole / "results" / scenario.lower() / "performance" / "client"
        for name in (CONFIG, SUMMARY, SCORES):
            assert (whole / "tree" / RESULTS / scenario / name).read_bytes() == (report / name).read_bytes()
    assert not list((whole / "tree").rglob("events.jsonl"))


def test_offline_runs_of_one_and_of_two_passes_do_not_disagree(whole: Path) -> None:
    verdict = Verdict.read(whole / "results" / "offline" / "verdict.json")
    assert verdict.outcome == "VALID"
    assert verdict.disturbances == ()


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_equals_its_reviewed_copy(whole: Path, name: str) -> None:
    text = (whole / "tree" / TEXTS[name]).read_text()
    if os.environ.get("UPDATE_GOLDEN"):
        (GOLDEN / name).write_text(text)
    assert text == (GOLDEN / name).read_text()


def test_our_check_accepts_the_tree_with_its_originals(whole: Path) -> None:
    report = _check(whole / "tree", originals=whole / "originals", strict=True)
    assert report.complaints == ()
    assert report.accepted
    assert report.expected_results == 2
    assert len(report.originals) == 2 * len(KEPT)
    assert all(report.originals.values())


@needs_reference
def test_the_official_checker_accepts_the_tree(whole: Path) -> None:
    report = _check(whole / "tree", reference=reference_proof(REFERENCE), strict=True)
    assert [(each.tool, each.results) for each in report.findings] == [
        ("weighbridge", 2),
        ("submission_checker", 2),
    ]
    assert report.accepted


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("scenario", ["Offline", "Interactive"])
def test_a_missing_file_is_told_by_its_name(tree: Path, scenario: str, name: str) -> None:
    (tree / RESULTS / scenario / name).unlink()
    assert _errors(_check(tree))[f"{RESULTS}/{scenario}/{name}"] == "is missing"


@needs_reference
@pytest.mark.parametrize("name", sorted(FILES))
def test_the_official_checker_refuses_a_tree_without_one_of_the_files(tree: Path, name: str) -> None:
    (tree / RESULTS / "Interactive" / name).unlink()
    report = _check(tree, reference=reference_proof(REFERENCE))
    assert [each.accepted for each in report.findings] == [False, False]


def test_a_tree_without_offline_or_without_any_of_the_others_lacks_a_scenario(tree: Path) -> None:
    (tree / RESULTS / "Interactive").rename(tree / "kept")
    said = _errors(_check(tree))[str(RESULTS)]
    assert said == "one of Server and Interactive is missing, which the round requires"
    (tree / "kept").rename(tree / RESULTS / "Interactive")
    shutil.rmtree(tree / RESULTS / "Offline")
    assert _errors(_check(tree))[str(RESULTS)] == "Offline is missing, which the round requires"


def _set(*keys: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Return a change of one value of a file, by its keys."""

    def change(values: dict[str, Any]) -> None:
        inner: Any = values
        for key in keys[:-1]:
            inner = inner[int(key) if isinstance(inner, list) else key]
        inner[keys[-1]] = value

    return change


_P99 = ("latency", "early_stopping_percentiles", "99.0")
_SCORE = ("accuracy_scores", "0")
_RUNTIME = ("settings", "runtime")
DAMAGES: dict[str, tuple[str, Callable[[dict[str, Any]], None], str]] = {
    # Those that the official checker refuses too, then those that it lets pass (spec 5.2).
    "late": (SUMMARY, _set(*_P99, value=1_500_000_001), "early-stopping estimate"),
    "no estimate": (SUMMARY, _set(*_P99, value=None), "early-stopping estimate"),
    "seeds": (CONFIG, _set(*_RUNTIME, "scheduler_random_seed", value=42), "seed of the schedule"),
    "stated duration": (CONFIG, _set(*_RUNTIME, "min_duration_ms", value=9_000), "minimum duration set"),
    "low score": (SCORES, _set(*_SCORE, "score", value=0.7798), "below 0.779922"),
    "samples": (SCORES, _set(*_SCORE, "total_samples", value=599), "samples scored"),
    "raw p99": (SUMMARY, _set("latency", "percentiles", "99.0", value=2_000_000_000), "p99 latency"),
    "failed": (SUMMARY, _set("n_samples_failed", value=10), "failed is 10"),
    "interrupted": (SUMMARY, _set("state", value="interrupted"), "state is interrupted"),
    "incomplete": (SUMMARY, _set("complete", value=False), "complete is"),
    "duration": (SUMMARY, _set("duration_ns", value=9_000_000_000), "duration is 9"),
    "count": (SUMMARY, _set("n_samples_issued", value=1199), "whole passes"),
    "pattern": (CONFIG, _set("settings", "load_pattern", "type", value="concurrency"), "load pattern"),
    "kind": (CONFIG, _set("type", value="offline"), "kind of test"),
    "streaming": (CONFIG, _set("model_params", "streaming", value="off"), "streaming"),
    "length": (CONFIG, _set("model_params", "max_new_tokens", value=5), "longest answer"),
    "text score": (SCORES, _set(*_SCORE, "score", value="nan"), "score declared"),
    "few scored": (SCORES, _set(*_SCORE, "response_counts", "scored", value=10), "answers scored"),
    "half scored": (SCORES, _set(*_SCORE, "complete", value=False), "accuracy phase complete"),
    "dataset": (SCORES, _set(*_SCORE, "dataset_name", value="other::q3vl"), "datasets with a score"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_number_that_no_valid_run_has_is_told_without_the_run(tree: Path, name: str) -> None:
    file, change, said = DAMAGES[name]
    change_file(tree / RESULTS / "Interactive" / file, change)
    shutil.rmtree(tree / SOURCES / "records")  # as in a tree of another harness
    told = [each for each in _check(tree).complaints if each.level == "error" and said in each.said]
    assert [each.file for each in told[:1]] == [f"{RESULTS}/Interactive/{file}"]
    assert all(each.remedy for each in told)


def test_a_folder_of_good_files_beside_the_published_ones_hides_nothing(tree: Path) -> None:
    folder = tree / RESULTS / "Interactive"
    for name in (CONFIG, SUMMARY, SCORES):
        copy = folder / "client" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / name, copy)
    file, change, said = DAMAGES["failed"]
    change_file(folder / file, change)
    shutil.rmtree(tree / SOURCES / "records")
    assert said in _errors(_check(tree))[f"{RESULTS}/Interactive/{file}"]


def test_a_result_of_the_client_beside_loadgens_needs_no_kept_files(tree: Path, tmp_path: Path) -> None:
    beside = tree / RESULTS.parent / "llama3.1-8b" / "Offline"
    shutil.copytree(tree / RESULTS / "Offline", beside)
    _, complaints = check_originals(tree, tmp_path, ROUND)
    assert not [each for each in complaints if "llama3.1-8b" in each.file]


def test_an_edited_file_is_not_the_one_that_the_records_name(tree: Path) -> None:
    path = tree / RESULTS / "Offline" / SUMMARY
    path.write_text(path.read_text() + "\n")
    assert (
        "is not the file that performance.json of the records names"
        in _errors(_check(tree))[f"{RESULTS}/Offline/{SUMMARY}"]
    )


def test_logs_of_loadgen_and_other_files_beside_the_results_are_told(tree: Path) -> None:
    folder = tree / RESULTS / "Offline"
    (folder / "performance" / "run_1").mkdir()
    log = folder / "performance" / "run_1" / "mlperf_log_detail.txt"
    log.write_text(":::MLLOG {}\n")
    (folder / "user.conf").write_text("*.Offline.target_qps = 1\n")
    report = _check(tree)
    assert "a log of LoadGen beside" in _errors(report)[log.relative_to(tree).as_posix()]
    [other] = [each for each in report.complaints if each.file.endswith("user.conf")]
    assert other.level == "warning"


@pytest.mark.parametrize("name", sorted(KEPT))
def test_an_original_that_is_another_file_or_not_kept_is_told(whole: Path, tmp_path: Path, name: str) -> None:
    originals = Path(shutil.copytree(whole / "originals", tmp_path / "originals"))
    path = originals / RESULTS / "Interactive" / name
    path.chmod(0o600)
    path.write_text("{}\n")
    inside = f"{RESULTS}/Interactive/{name}"
    report = _check(whole / "tree", originals=originals)
    assert report.originals[inside] is False
    assert "is not that of the kept file" in _errors(report)[inside]
    path.unlink()
    assert _errors(_check(whole / "tree", originals=originals))[inside] == "it was not kept"


def test_the_runs_are_judged_again_from_the_tree_and_to_the_end_from_the_originals(
    whole: Path, tmp_path: Path
) -> None:
    attestation = tmp_path / "attestation.json"
    attest(whole / "tree.tar.gz", ROUND, reference=None, signer=None, output=attestation)
    asked = Asked(whole / "tree.tar.gz", attestation=attestation, round_=ROUND)
    done = verify_tree(asked)
    assert done.outcome == "CONSISTENT"
    assert any(note.startswith("Not scored again here: box Interactive, box Offline") for note in done.notes)
    assert done.statement is not None
    client = done.statement.dependencies["official client"]
    assert client.digest == {"gitCommit": ROUND.endpoints_rules.commits[0]}
    originals = Path(shutil.copytree(whole / "originals", tmp_path / "originals"))
    scored = replace(asked, originals=Originals(originals, ()))
    done = verify_tree(scored)
    assert done.outcome == "CONSISTENT"
    assert not any(note.startswith("Not scored again") for note in done.notes)
    # What the events show is compared with the tree: one answer came later than it says.
    events = originals / RESULTS / "Interactive" / "events.jsonl"
    lines = events.read_text().splitlines(keepends=True)
    late = next(place for place, line in enumerate(lines) if "sample.complete" in line)
    entry = json.loads(lines[late])
    lines[late] = json.dumps(entry | {"timestamp_ns": entry["timestamp_ns"] + 5_000_000_000}) + "\n"
    events.chmod(0o600)
    events.write_text("".join(lines))
    [failed] = verify_tree(scored).failed
    assert failed.name == "box Interactive: judged again"
    assert "files as the client left them" in str(failed.value)


def test_the_crate_names_the_client_and_its_files(whole: Path, tmp_path: Path) -> None:
    results = Path(shutil.copytree(whole / "results", tmp_path / "results"))
    write_crate(results, [], "Me")
    entities = json.loads((results / "ro-crate-metadata.json").read_text())["@graph"]
    by_id = {entity["@id"]: entity for entity in entities}
    commit = ROUND.endpoints_rules.commits[0]
    assert by_id[f"#client-{commit}"]["softwareVersion"] == commit
    assert "interactive/performance/client/events.jsonl" in by_id
    assert "interactive/accuracy/answers.jsonl" in by_id
    assert not any("loadgen" in entity for entity in by_id)


def test_answers_that_were_not_scored_make_no_tree(whole: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "again"))
    answers = folder / "results" / "interactive" / "accuracy" / "answers.jsonl"
    answers.write_text(answers.read_text().replace("Brand 1", "Brand 2", 1))
    with pytest.raises(InputError, match=r"answers\.jsonl: is not the log that accuracy\.json scored"):
        _assemble(folder)


def test_a_round_of_loadgen_checks_such_folders_by_the_round_of_the_client(tmp_path: Path) -> None:
    small = small_round()
    round_ = small_round(
        checker_version="v6.1",
        one_of=("Server", "Interactive"),
        also_proven_by=("endpoints",),
        scenarios={name: small.scenarios[name] for name in ("offline",)},
    )
    real = load_round("v6.1-endpoints")
    assert round_of_official_client(round_) == real
    write_loadgen_results(tmp_path / "results", round_)
    folder = tmp_path / "tree" / RESULTS / "Interactive"
    rules = real.scenario("interactive")
    write_client_report(folder, round_of_scenario(real, "interactive"), rules)
    for name in _files(folder) - FILES:
        (folder / name).unlink()
    (folder / "metrics").rmdir()
    (folder / "README.md").write_text("Measured by others.\n")
    (folder / "measurements.json").write_text("{}")

    def told() -> set[str]:
        complaints = check_submission(tmp_path / "tree", round_).complaints
        return {each.said for each in complaints if "Interactive/" in each.file and "/mea" not in each.file}

    assert told() == set()
    change_file(folder / SUMMARY, _set("n_samples_failed", value=1))
    assert told() == {"failed is 1, must be 0"}


def test_telemetry_of_the_one_job_is_that_of_both_phases(tmp_path: Path) -> None:
    write_client_run(tmp_path, ROUND, "interactive")
    seconds = range(8, 120)
    host = {
        "logical_cpus": 2.0,
        "cpu_cores": 2.0,
        "other_cores": 1.5,
        "steal_cores": 0.0,
        "cpu_pressure": 0.5,
    }
    rows = [
        {"time_ns": second * 10**9, "source": "host", "metric": metric, "value": value}
        for second in seconds
        for metric, value in host.items()
    ]
    path = tmp_path / "interactive" / "performance" / "telemetry.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    verdict = judged_runs(tmp_path, ROUND, "interactive", None)
    loaded = {each.run for each in verdict.disturbances if each.kind == "machine_load"}
    assert loaded == {"performance", "accuracy"}
    assert not {each.run for each in verdict.not_examined or () if each.kind == "machine_load"}


def test_the_open_division_takes_a_run_with_a_failed_check_and_says_so(tmp_path: Path) -> None:
    run = write_client_run(tmp_path / "results", ROUND, "interactive")
    change_file(run / "client" / SUMMARY, _set("n_samples_failed", value=1))
    rules, of_scenario = ROUND.scenario("interactive"), round_of_scenario(ROUND, "interactive")
    seal_client_run(run, client_record(of_scenario, rules, Mode.PERFORMANCE))
    write_client_judged(tmp_path / "results", ROUND, "interactive")
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "Snakefile").touch()
    assemble(
        results=tmp_path / "results",
        destination=tmp_path / "tree",
        originals=tmp_path / "originals",
        round_=ROUND,
        settings=SubmissionSettings(submitter="Me", system="box", division="open"),
        source=tmp_path / "project",
        scenarios=["interactive"],
    )
    report = _check(tmp_path / "tree")
    assert report.accepted
    assert any("differs from the closed division: failed" in each.said for each in report.complaints)
    readme = tmp_path / "tree" / "open" / RESULTS.relative_to("closed") / "Interactive" / "README.md"
    assert "**Open division.** Differs from the closed division: failed" in readme.read_text()
