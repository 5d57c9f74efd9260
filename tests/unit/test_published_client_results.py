"""Published results of the official client, judged again: to the digit, and with all that is not known."""

import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from client_files import client_round, write_client_run
from fuzzing import few
from hypothesis import given
from hypothesis import strategies as st
from mutations.client_results import client_mutations, judge_client_tree
from mutations.client_table import ACCEPTED, kept_client_verdicts, official_verdicts
from mutations.edits import Mutation
from published_client_results import (
    INTERACTIVE,
    OFFLINE,
    PUBLISHED,
    ROUND,
    SERVER,
    PublishedScenario,
    write_published_results,
    write_published_tree,
)

from weighbridge.benchmarks.rounds import load_round
from weighbridge.cli.judge_runs import gate
from weighbridge.config.round_of_scenario import round_of_scenario
from weighbridge.core.errors import InputError
from weighbridge.endpoints.client_results import ClientResults
from weighbridge.gates import judge_logs, render_verdict
from weighbridge.gates.endpoints_figures import performance_of, suggested_target_qps
from weighbridge.records.official_client import ACCURACY_RESULTS, RESULT_SUMMARY, WRITTEN_CONFIG
from weighbridge.records.verdict import Check
from weighbridge.submission.checker import check_submission

REFERENCE = os.environ.get("WEIGHBRIDGE_REFERENCE", "")
# Of a published result nothing shows these.
_NOT_SHOWN = {
    "log of events",
    "order of samples",
    "latencies computed again",
    "client's commit",
    "client unmodified",
    "commit in the result",
    "rows of the dataset",
    "answers in the log",
    "score computed by us",
    "failed requests",
    "prefix caching",
    "closed-division settings",
}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a results tree with all published scenarios beside each other."""
    root = tmp_path_factory.mktemp("published")
    write_published_results(root / "closed" / "NVIDIA" / "results" / "VR-NVL72" / ROUND.folder)
    return root


def _estimates(p99: float) -> tuple[float, ...]:
    return (p99, p99)


def _value(checks: tuple[Check, ...], name: str) -> object:
    [value] = [check.value for check in checks if check.name == name]
    return value


def test_the_published_figures_are_reproduced_to_the_digit(published: Path) -> None:
    judged = judge_logs(published, ROUND)
    assert list(judged.systems) == ["NVIDIA/VR-NVL72"]
    verdicts = {verdict.scenario: verdict for verdict in judged.verdicts}
    interactive = verdicts["interactive"]
    assert round(interactive.rate or 0, 4) == 1306.6078
    estimate = _value(interactive.checks, "p99 latency, early-stopping estimate")
    assert estimate == pytest.approx(1.483688717, abs=1e-12)
    assert round(interactive.accuracy or 0, 6) == 0.784513
    assert interactive.rate_unit == "queries/s"
    assert [(name, verdict.rate, verdict.accuracy) for name, verdict in verdicts.items()] == [
        ("interactive", INTERACTIVE.qps, INTERACTIVE.f1),
        ("offline", OFFLINE.qps, OFFLINE.f1),
        ("server", 2323.2698417825063, 0.7874153796727632),
    ]


def test_what_was_not_published_is_unknown_and_nothing_failed(published: Path) -> None:
    for verdict in judge_logs(published, ROUND).verdicts:
        assert (verdict.outcome, verdict.failed) == ("UNPROVEN", ())
        assert {check.name for check in verdict.unknown} >= _NOT_SHOWN
        assert all(check.remedy for check in verdict.unknown)


def test_a_single_folder_is_known_by_its_name_or_by_its_configuration(
    published: Path, tmp_path: Path
) -> None:
    [folder] = published.glob("**/Interactive")
    assert [verdict.scenario for verdict in judge_logs(folder, ROUND).verdicts] == ["interactive"]
    OFFLINE.write(tmp_path / "any name")
    assert [verdict.scenario for verdict in judge_logs(tmp_path, ROUND).verdicts] == ["offline"]
    INTERACTIVE.write(tmp_path / "other")
    config = tmp_path / "other" / "config.yaml"
    config.write_text(config.read_text().replace("poisson", "concurrency"))
    with pytest.raises(InputError, match=r"neither its path nor its config\.yaml is of one of the round's"):
        judge_logs(tmp_path, ROUND)


def test_two_results_of_one_scenario_are_refused_and_a_copy_counts_once(tmp_path: Path) -> None:
    round_ = client_round()
    write_client_run(tmp_path / "results", round_, "interactive")
    client = tmp_path / "results" / "interactive" / "performance" / "client"
    copy = tmp_path / "results" / "submission" / "closed" / "Me" / "results" / "box" / ROUND.folder
    for name in ("config.yaml", "performance/result_summary.json", "accuracy/accuracy_results.json"):
        (copy / "Interactive" / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / "Interactive" / name).write_bytes((client / name).read_bytes())
    [verdict] = judge_logs(tmp_path, round_).verdicts
    assert verdict.failed == ()
    INTERACTIVE.write(tmp_path / "Interactive")
    with pytest.raises(InputError, match="two Interactive results"):
        judge_logs(tmp_path, round_)


def test_the_other_kind_of_evidence_is_named_where_there_is_none(published: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name a round whose evidence is LoadGen's logs"):
        judge_logs(tmp_path, ROUND)
    with pytest.raises(InputError, match="no such folder"):
        judge_logs(tmp_path / "absent", ROUND)
    with pytest.raises(InputError, match="name a round whose evidence is the official client's results"):
        judge_logs(published, load_round("v6.0"))


def test_the_command_prints_all_scenarios(published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gate("v6.1-endpoints", logs=published)
    shown = " ".join(capsys.readouterr().out.split())
    for said in (
        "Result: 1,310 queries/s",
        "Result: 2,390 samples/s",
        "Interactive: UNPROVEN",
        "events.jsonl",
    ):
        assert said in shown
    gate("v6.1-endpoints", logs=published, as_json=True)
    systems = json.loads(capsys.readouterr().out)["systems"]
    assert [verdict["scenario"] for verdict in systems["NVIDIA/VR-NVL72"]] == [
        "interactive",
        "offline",
        "server",
    ]


_KEYS = (
    *((RESULT_SUMMARY, (key,)) for key in ("n_samples_issued", "n_samples_completed", "n_samples_failed")),
    *((RESULT_SUMMARY, (key,)) for key in ("duration_ns", "qps", "tps", "state", "complete", "git_sha")),
    *((RESULT_SUMMARY, (key,)) for key in ("latency", "ttft", "legacy_loadgen_window_duration_ns")),
    *((RESULT_SUMMARY, ("latency", key)) for key in ("percentiles", "early_stopping_percentiles", "avg")),
    *((RESULT_SUMMARY, ("latency", "percentiles", key)) for key in ("99.0", "x", "1000000", "101.0")),
    *((RESULT_SUMMARY, ("latency", "early_stopping_percentiles", key)) for key in ("0.0", "100.0")),
    (ACCURACY_RESULTS, ("accuracy_scores",)),
    *((WRITTEN_CONFIG, (key,)) for key in ("type", "datasets", "settings", "model_params", "submission_ref")),
    *((WRITTEN_CONFIG, ("settings", key)) for key in ("runtime", "load_pattern", "warmup")),
    (WRITTEN_CONFIG, ("settings", "load_pattern", "target_qps")),
    *((WRITTEN_CONFIG, ("settings", "runtime", key)) for key in ("n_samples_to_issue", "min_duration_ms")),
)


@few(30)
@given(
    st.sampled_from(_KEYS),
    st.sampled_from((None, True, -1, 0, 10**30, 1e308, 1e-300, "x", "nan", [], [None], {}, {"a": 1})),
)
def test_whatever_a_published_file_says_is_judged_or_refused_in_one_sentence(
    place: tuple[Path, tuple[str, ...]], value: object
) -> None:
    name, keys = place
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "Interactive"
        INTERACTIVE.write(folder)
        values = yaml.safe_load((folder / name).read_text())
        parent = values
        for key in keys[:-1]:
            parent = parent[key]
        parent[keys[-1]] = value
        (folder / name).write_text(json.dumps(values))
        refused, verdicts = None, ()
        try:
            verdicts = judge_logs(folder, ROUND).verdicts
        except InputError as error:
            refused = str(error)
        if refused is not None:
            assert refused.startswith(str(folder / name))
            assert "\n" not in refused
        for verdict in verdicts:
            assert verdict.outcome != "VALID"
            render_verdict(verdict)


@pytest.mark.parametrize(
    ("published", "changes", "suggested"),
    [
        (INTERACTIVE, {}, None),
        (INTERACTIVE, {"latency": replace(INTERACTIVE.latency, estimates=_estimates(1.6e9))}, 1244.0),
        (INTERACTIVE, {"latency": replace(INTERACTIVE.latency, estimates=_estimates(1e9))}, 1321.0),
        (SERVER, {"latency": replace(SERVER.latency, estimates=_estimates(1e9))}, 2341.0),
        (OFFLINE, {}, None),
        (OFFLINE, {"target_qps": 3000.0}, 2393.0),
    ],
)
def test_a_better_rate_is_suggested(
    published: PublishedScenario, changes: dict[str, Any], suggested: float | None
) -> None:
    """Lower where the limit was missed; higher up to the end of the last pass; Offline what was reached."""
    changed, scenario = replace(published, **changes), ROUND.scenario(published.scenario)
    with tempfile.TemporaryDirectory() as scratch:
        changed.write(Path(scratch))
        results = ClientResults.read(Path(scratch))
    round_ = round_of_scenario(ROUND, published.scenario)
    numbers = performance_of(results, None, scenario)
    assert numbers is not None
    numbers = replace(numbers, target_qps=changed.target_qps)
    assert suggested_target_qps(numbers, round_, scenario, results) == suggested


def test_our_check_accepts_a_tree_of_the_published_figures(tmp_path: Path) -> None:
    report = check_submission(write_published_tree(tmp_path / "tree", *PUBLISHED), ROUND)
    assert [complaint.said for complaint in report.complaints if complaint.level == "error"] == []


def test_no_mutation_is_passed_by_ours_alone_and_each_known_hole_is_refused(tmp_path: Path) -> None:
    tree = write_published_tree(tmp_path / "tree")
    mutations = [Mutation("nothing", lambda _: None), *client_mutations()]
    kept = kept_client_verdicts()
    assert [mutation.name for mutation in mutations] == list(kept), (
        "run `make endpoints-mutations REFERENCE=DIR`"
    )
    ours = {mutation.name: verdict for mutation, verdict in judge_client_tree(tree, mutations)}
    assert [name for name, said in kept.items() if said != ACCEPTED and not ours[name].refused] == []
    accepted = {name for name, verdict in ours.items() if not verdict.refused}
    assert accepted == {
        "nothing",
        "Interactive summary: estimate at the limit",
        "Interactive scores: at the floor",
        "Offline scores: at the floor",
    }
    # A published folder comes without the rest of its tree, so the gate alone must find what its files show.
    in_files = {name for name in ours.keys() - accepted if not name.startswith("tree: ")}
    assert [name for name in in_files if not ours[name].gate] == []


@pytest.mark.skipif(not REFERENCE, reason="needs mlcommons/inference: WEIGHBRIDGE_REFERENCE=DIR")
def test_the_official_checker_says_today_what_was_kept(tmp_path: Path) -> None:
    tree = write_published_tree(tmp_path / "tree")
    mutations = [Mutation("nothing", lambda _: None), *client_mutations()]
    assert official_verdicts(tree, mutations, Path(REFERENCE)) == kept_client_verdicts()
