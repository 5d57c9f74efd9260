"""Another workflow imports this one as a module, with other names of its rules and one rule changed."""

from pathlib import Path

from driver import Workflow
from small_run import ROOT, planned, planned_runs

from weighbridge.records.workflow_event import EVENTS_VARIABLE

PLACE = "/path/to/weighbridge"
IMPORTING = (ROOT / "docs" / "deploying.md").read_text().split("```python\n")[1].split("```")[0]


class Importer(Workflow):
    """A workflow in a folder of its own, whose package is that of the imported one."""

    @property
    def environment(self) -> dict[str, str]:
        return Workflow(ROOT, self.directory).environment | {EVENTS_VARIABLE: str(self.events)}

    @property
    def events(self) -> Path:
        """The file that its events are written into."""
        return self.directory / "events.jsonl"


def importer(root: Path, folder: Path, more: str = "") -> Importer:
    """Write the workflow that the documentation shows."""
    folder.mkdir()
    text = IMPORTING.replace(PLACE, str(root)).replace("config: config\n", f"config: config\n{more}")
    (folder / "Snakefile").write_text(text)
    (folder / "settings.yaml").write_text("submission: {submitter: Importer}\n")
    (folder / "demo").symlink_to(root / "demo")
    return Importer(folder, folder)


def test_an_imported_workflow_finds_its_own_files(root: Path, tmp_path: Path) -> None:
    workflow = importer(root, tmp_path / "mine")
    plan = workflow("-n")
    assert plan.code == 0, plan.text
    assert planned(plan.text)["count_verdicts"] == 1
    assert planned(plan.text)["scale_benchmark"] == 2
    assert planned_runs(plan.text) == [("offline", "accuracy"), ("offline", "performance")]
    assert "mem_mb=4321" in plan.text
    # Of each event one line, though each `use rule` loads the workflow once more.
    assert workflow.events.read_text().count('"rule":"scale_preflight"') == 1
    # With a job of `fetch`, which is looked for by its name before anything starts.
    answer = workflow("resources/prompt.json", "resources/dataset.json")
    assert answer.code == 0, answer.text
    for name in ("prompt", "dataset"):
        assert (tmp_path / "mine" / "resources" / f"{name}.json").is_file()


def test_runs_are_left_out_but_for_those_that_are_named(root: Path, tmp_path: Path) -> None:
    workflow = importer(root, tmp_path / "mine")
    for target, expected in (("scale_submission", True), ("results/offline/verdict.json", False)):
        plan = workflow("-n", "-p", target)
        assert plan.code == 0, plan.text
        assert ("--after=results/offline/performance" in plan.text) is expected


def test_a_prefix_of_the_module_is_refused(root: Path, tmp_path: Path) -> None:
    answer = importer(root, tmp_path / "mine", '    prefix: "elsewhere"\n')("-n")
    assert answer.code == 2, answer.text
    assert "leave out prefix and replace_prefix" in answer.text
    assert "Traceback" not in answer.text
