"""Published results of the official client, judged again: to the digit, and with all that is not known."""

import json
import os
from pathlib import Path

import pytest
from client_files import client_round, write_client_run
from mutations.client_results import client_mutations, judge_client_tree
from mutations.client_table import ACCEPTED, kept_client_verdicts, official_verdicts
from mutations.edits import Mutation
from published_client_results import (
    INTERACTIVE,
    OFFLINE,
    PUBLISHED,
    ROUND,
    write_published_results,
    write_published_tree,
)

from weighbridge.benchmarks.rounds import load_round
from weighbridge.cli.judge_runs import gate
from weighbridge.core.errors import InputError
from weighbridge.gates import judge_logs
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
    "closed-division settings",
}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a results tree with all published scenarios beside each other."""
    root = tmp_path_factory.mktemp("published")
    write_published_results(root / "closed" / "NVIDIA" / "results" / "VR-NVL72" / ROUND.folder)
    return root


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
