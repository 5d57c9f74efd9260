"""The command line of Snakemake that `weighbridge submit` gives."""

from contextlib import nullcontext
from pathlib import Path

import pytest
from snakemake.cli import parse_config

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


def test_a_section_of_the_profile_keeps_what_is_not_set(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "config.yaml").write_text("""config: ['client={"api_key_env": "KEY"}', limit=3]""")
    words = WorkflowCommand(profiles=("site",), settings=("client.workers=2", "limit=4")).arguments(tmp_path)
    given = words[words.index("--config") + 1 :]
    assert given == ['client={"api_key_env": "KEY"}', 'client={"workers": 2}', "limit=4"]
    assert parse_config(given) == {"client": {"api_key_env": "KEY", "workers": "2"}, "limit": 4}


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
        (["requests.cache=null"], "takes null inside a section for a text"),
        (["server.env={A: null}"], "takes null inside a section for a text"),
    ],
)
def test_a_setting_that_is_none(settings: list[str], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        setting_arguments(settings)


@pytest.mark.parametrize(
    ("profile", "file", "place"),
    [
        ("cores: 2", "round: v6.0", None),
        ("cores: 2", "server:\n  gpus: [1\nround: v6.0", r"mine\.yaml: .*line 3, column 6"),
        ("cores: [2\nconfig: x", "round: v6.0", r"site/config\.yaml: .*line 2, column 7"),
        ("cores: 2\nconfigfile: none.yaml", "round: v6.0", r"none\.yaml: cannot be read"),
        # Snakemake takes what we do not: it is no error of syntax.
        ("retries: {1: 2}\nuntil: 2026-12-01", "round: v6.0", None),
    ],
)
def test_a_file_that_cannot_be_read_is_named_before_snakemake_starts(
    profile: str, file: str, place: str | None, tmp_path: Path
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "config.yaml").write_text(profile)
    (tmp_path / "mine.yaml").write_text(file)
    command = WorkflowCommand(profiles=("site",), files=("mine.yaml",))
    with nullcontext() if place is None else pytest.raises(InputError, match=place):
        command.check_files(tmp_path)
