"""The index of results: of all run directories beside this one, remade after a new result and only then."""

from pathlib import Path

import pytest
from driver import Workflow
from history_entries import history_entry, speed, write_entries
from small_run import DONE, planned

PAGE = "results/index.html"


def measured(run: Path, rate: float) -> None:
    """Record a verdict in the history of a run directory."""
    run.mkdir(parents=True, exist_ok=True)
    write_entries(run, history_entry(0, speed(rate)))


def jobs(plan: str) -> set[str]:
    return {name for name in planned(plan) if not name.endswith(":")} - {"total"}


@pytest.fixture
def workflow(root: Path, tmp_path: Path) -> Workflow:
    """The workflow in the third of three run directories with a result each."""
    for name, rate in {"monday": 48.3, "tuesday": 48.1, "wednesday": 42.0}.items():
        measured(tmp_path / "runs" / name, rate)
    return Workflow(root, tmp_path / "runs" / "wednesday")


def test_the_index_is_made_again_after_a_new_result_and_only_then(workflow: Workflow) -> None:
    plan = workflow("-n", PAGE)
    assert jobs(plan.text) == {"index_history"}, plan.text
    made = workflow(PAGE)
    assert made.code == 0, made.text
    page = (workflow.directory / PAGE).read_text()
    assert all(f"<td>{name}</td>" in page for name in ("monday", "tuesday", "wednesday"))
    assert (workflow.directory / "results" / "index.md").is_file()

    # Neither another setting nor a file beside the entries is a reason.
    (workflow.directory.parent / "monday" / "history" / "notes.txt").write_text("mine")
    other = workflow("-n", PAGE, scenarios={"offline": {"target_qps": 7}})
    assert DONE in other.text, other.text

    measured(workflow.directory.parent / "thursday", 47.9)
    again = workflow("-n", PAGE)
    assert jobs(again.text) == {"index_history"}, again.text
    assert workflow(PAGE).code == 0
    assert "<td>thursday</td>" in (workflow.directory / PAGE).read_text()
    assert DONE in workflow("-n", PAGE).text
