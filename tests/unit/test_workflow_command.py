"""The command line of Snakemake that `weighbridge submit` gives."""

from pathlib import Path

import pytest

from weighbridge.config.workflow_command import WorkflowCommand, setting_arguments
from weighbridge.core.errors import InputError


def test_files_are_laid_over_those_of_the_profile(root: Path) -> None:
    command = WorkflowCommand(
        targets=("verdicts",), profiles=("profiles/demo",), files=("mine.yaml",), others=("--keep-going",)
    )
    words = command.arguments(root)
    files = words[words.index("--configfile") + 1 : words.index("--")]
    assert files == ["demo/config.yaml", "mine.yaml"]
    assert words[-2:] == ["--", "verdicts"]
    assert "--keep-going" in words
    assert command.run_directory(root) == root / "runs" / "demo"


def test_without_files_the_profile_speaks_for_itself(root: Path) -> None:
    words = WorkflowCommand(profiles=("profiles/demo",), directory="there", cores="4").arguments(root)
    assert "--configfile" not in words
    assert "--config" not in words
    assert "--" not in words
    assert words[words.index("--directory") + 1] == "there"
    assert words[words.index("--cores") + 1] == "4"


def test_settings_are_laid_over_those_of_the_profile(root: Path) -> None:
    words = WorkflowCommand(profiles=("slurm",), settings=("limit=10",)).arguments(root)
    assert words[words.index("--config") :] == ["--config", "fetch_on=submit-host", "limit=10"]
    words = WorkflowCommand(profiles=("slurm",), settings=("fetch_on=job",)).arguments(root)
    assert words[words.index("--config") :] == ["--config", "fetch_on=job"]


def test_the_profile_of_the_environment_counts(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNAKEMAKE_PROFILE", "profiles/llama-demo")
    assert WorkflowCommand().run_directory(root) == root / "runs" / "llama-demo"
    assert WorkflowCommand(profiles=("slurm",)).run_directory(root) == root


def test_settings_of_a_section_come_together() -> None:
    settings = [
        "limit=10",
        "server.gpus=4",
        "server.args=[--a, --b]",
        "scenarios.server.target_qps=2.5",
        "category=",
    ]
    assert setting_arguments(settings) == {
        "limit": "10",
        "server": '{"gpus": 4, "args": ["--a", "--b"]}',
        "scenarios": '{"server": {"target_qps": 2.5}}',
        "category": "",
    }


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (["limit"], "is not KEY=VALUE"),
        (["=3"], "is not KEY=VALUE"),
        (["a b=3"], "is not KEY=VALUE"),
        (["limit=1", "limit=2"], "limit is set twice"),
        (["server=1", "server.gpus=2"], "gives server a single value"),
        (["server.args=[a"], "--set server.args: cannot be used"),
    ],
)
def test_a_setting_that_is_none(settings: list[str], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        setting_arguments(settings)
