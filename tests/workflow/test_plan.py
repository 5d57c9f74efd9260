"""`weighbridge plan`: what Snakemake would run, with times; what is kept is done."""

from pathlib import Path

from driver import Answer, Workflow, run_weighbridge
from small_run import ROOT
from test_kept_results import unpacked


def plan(workflow: Workflow, *arguments: str, **changes: object) -> tuple[Answer, dict[str, str]]:
    """Return what the command says, and the lines of its table by their first two words."""
    words = workflow.command(*arguments, **changes)[1:]
    answer = run_weighbridge(ROOT, "plan", *words)
    lines = [line.split() for line in answer.text.splitlines()]
    return answer, {" ".join(words[:2]): " ".join(words[2:]) for words in lines if len(words) > 3}


def test_a_plan_has_each_run_in_order_with_its_time_and_the_sum(workflow: Workflow) -> None:
    answer, lines = plan(workflow, "submission")
    assert answer.code == 0, answer.text
    runs = [name for name in lines if name.startswith(("offline", "server"))]
    assert runs == ["server start", *(f"{one} {run}" for run in ("performance", "accuracy") for one in
                                      ("offline", "server"))]  # fmt: skip
    # The demo's 512 samples at 16 a second.
    assert lines["offline performance"].startswith("to do 512")
    assert "32 s" in lines["offline performance"]
    assert "Not counted, because nobody knows it: server start." in answer.text


def test_what_is_kept_is_done_and_one_changed_rate_is_two_runs(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    settings = unpacked(directory)
    workflow = Workflow(ROOT, directory)
    answer, lines = plan(workflow, "submission", **settings)
    assert answer.code == 0, answer.text
    assert "No run is to be made" in answer.text
    assert lines["server accuracy"].startswith("done 512")
    scenarios = {"offline": {"target_qps": 40}, "server": {"target_qps": 51}}
    _, lines = plan(workflow, "submission", **(settings | {"scenarios": scenarios}))
    assert lines["offline performance"].startswith("done")
    assert lines["server performance"].startswith("to do 512")


def test_the_questions_of_mmlu_are_a_line_that_nobody_knows_the_time_of(workflow: Workflow) -> None:
    answer, lines = plan(workflow, "quality")
    assert answer.code == 0, answer.text
    assert lines["mmlu to"] == "do its questions, 5-shot unknown unknown"
    assert "server start" in lines
    assert "server start, mmlu" in answer.text


def test_what_snakemake_refuses_is_told(workflow: Workflow) -> None:
    answer, _ = plan(workflow, "no-such-target")
    assert answer.code == 2
    assert "`snakemake --dry-run` ended with 1" in answer.text
    assert "no-such-target" in answer.text
