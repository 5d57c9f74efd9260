"""What `snakemake quality` plans: what is asked again after a change, and who takes the scores.

Nothing is asked here: files that stand for results are marked as made, and dry runs follow.
"""

import re
from pathlib import Path

import pytest
from driver import Workflow
from small_run import DONE, ROOT, planned
from test_kept_results import unpacked

MMLU = "results/quality/mmlu"
OVERALL = f"{MMLU}/overall.json"
RESULTS = (
    "measured.json",
    "overall.json",
    "by_domain.json",
    "by_subject.json",
    "samples.csv",
    "plots/score_by_subject.png",
    "plots/score_by_subject.svg",
    "passed.txt",
)
PROOFS = ("preflight", "server", "model", "mmlu")
QUALITY: dict[str, object] = {"dataset": {"synthetic": 3}}
REPORTS = {"write_report", "summary", "summary_page", "crate"}


def jobs(text: str) -> set[str]:
    """Return the rules of a plan, without its targets."""
    rules = {rule for rule in planned(text) if not rule.endswith(":")}
    return rules - {"total", "quality", "submission"}


def stand_in(directory: Path, names: tuple[str, ...]) -> None:
    """Write files in the place of results."""
    for name in names:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_text("{}\n")


def with_quality(changes: dict[str, object]) -> dict[str, object]:
    return {"quality": {"mmlu": QUALITY | changes}}


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """A run directory in which MMLU was asked, it seems."""
    workflow = Workflow(ROOT, tmp_path_factory.mktemp("asked") / "run")
    stand_in(workflow.directory, tuple(f"resources/{name}.json" for name in PROOFS))
    stand_in(workflow.directory, tuple(f"{MMLU}/{name}" for name in RESULTS))
    answer = workflow("--touch", "--forceall", "quality", **with_quality({}))
    assert answer.code == 0, answer.text
    return workflow


def test_all_of_it_is_one_measurement_and_needs_no_run(workflow: Workflow) -> None:
    for target in ("quality", OVERALL):
        answer = workflow("-n", target)
        assert answer.code == 0, answer.text
        made = planned(answer.text)
        assert made["measure_mmlu"] == made["score_mmlu"] == 1
        assert made["fetch"] == 2
        assert not {"benchmark", "build_requests", "prompt"} & set(made)


@pytest.mark.parametrize(
    ("changes", "again"),
    [
        ({}, set()),
        ({"concurrency": 5}, set()),
        ({"retries": 5, "timeout_s": 7}, set()),
        ({"floor": 0.3}, {"score_mmlu", "check_mmlu"}),
        ({"shots": 4}, {"measure_mmlu", "score_mmlu", "check_mmlu"}),
        ({"limit": 2}, {"measure_mmlu", "score_mmlu", "check_mmlu"}),
        ({"dataset": {"synthetic": 4}}, {"fetch", "measure_mmlu", "score_mmlu", "check_mmlu"}),
    ],
)
def test_only_what_the_answers_depend_on_asks_again(
    asked: Workflow, changes: dict[str, object], again: set[str]
) -> None:
    answer = asked("-n", "quality", **with_quality(changes))
    assert answer.code == 0, answer.text
    assert jobs(answer.text) == again
    assert (DONE in answer.text) == (not again)


def test_other_servers_are_asked_again_and_other_ports_are_not(asked: Workflow) -> None:
    other = asked("-n", "quality", server={"env": {"A": "1"}}, **with_quality({}))
    assert jobs(other.text) == {"measure_mmlu", "score_mmlu", "check_mmlu"}
    unread = {"port": 18000, "gpus": 1, "warmup_requests": 3, "golden": None}
    assert DONE in asked("-n", "quality", server=unread, **with_quality({})).text


@pytest.mark.parametrize(
    ("server", "protocol", "fetched"),
    [
        ({}, "chat", {"model", "mmlu"}),
        ({"endpoints": ["http://localhost:8000"], "golden": None}, "log-likelihood", {"model", "mmlu"}),
        ({"endpoints": ["http://localhost:8000"], "golden": None}, "chat", {"mmlu"}),
    ],
)
def test_a_model_is_needed_for_its_weights_or_its_tokenizer(
    workflow: Workflow, server: dict[str, object], protocol: str, fetched: set[str]
) -> None:
    answer = workflow("-n", "quality", server=server, **with_quality({"protocol": protocol}))
    assert answer.code == 0, answer.text
    assert set(re.findall(r"output: resources/(model|mmlu|dataset)\.json", answer.text)) == fetched


def test_the_questions_come_after_the_runs_and_before_what_needs_no_server(workflow: Workflow) -> None:
    answer = workflow("-n", "submission", "quality")
    assert answer.code == 0, answer.text
    found = dict(re.findall(r"\n(?:local)?rule (\w+):\n(?:    .*\n)*?    priority: (\d+)\n", answer.text))
    assert int(found["benchmark"]) > int(found["measure_mmlu"]) > 0
    # What the runs wait for is not held up by the questions.
    for rule in ("fetch", "build_requests", "count_tokens", "prompt"):
        assert int(found[rule]) > int(found["measure_mmlu"]), rule
    assert "gate" not in found


def test_a_report_takes_the_scores_that_are_there_and_asks_nothing_again(tmp_path: Path) -> None:
    """The kept results are from before there was a measurement of quality."""
    settings = unpacked(tmp_path / "run")
    workflow = Workflow(ROOT, tmp_path / "run")
    stand_in(workflow.directory, ("results/report.md",))
    assert DONE in workflow("-n", "submission", **settings).text
    both = workflow("-n", "submission", "quality", **settings)
    assert both.code == 0, both.text
    assert jobs(both.text) == {"fetch", "measure_mmlu", "score_mmlu", "check_mmlu"} | REPORTS
    report = re.search(r"rule write_report:\n((?: {4}.*\n)+)", both.text)
    assert report is not None
    assert OVERALL in report[1]

    stand_in(workflow.directory, ("resources/mmlu.json", *(f"{MMLU}/{name}" for name in RESULTS)))
    answer = workflow("--touch", "submission", "quality", "--forcerun", "measure_mmlu", **settings)
    assert answer.code == 0, answer.text
    for changes in ({}, {"shots": 3}, {"floor": 0.5}):
        for targets in (("submission",), ("results/report.html", "results/summary.json")):
            plan = workflow("-n", *targets, **(settings | {"quality": {"mmlu": changes}}))
            assert plan.code == 0, plan.text
            assert DONE in plan.text, plan.text
    again = workflow("-n", "submission", "quality", **(settings | {"quality": {"mmlu": {"floor": 0.5}}}))
    assert jobs(again.text) >= {"score_mmlu", "check_mmlu", "write_report"}
    assert "measure_mmlu" not in jobs(again.text)
    # New scores are told.
    (workflow.directory / OVERALL).write_text('{"other": 1}\n')
    assert jobs(workflow("-n", "submission", **settings).text) == REPORTS
