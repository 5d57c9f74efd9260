"""The printed completions, as a shell uses them."""

import subprocess
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from weighbridge import cli

COMMANDS = typer.main.get_group(cli.app).commands


@pytest.fixture(scope="module")
def scripts() -> dict[str, str]:
    return {
        shell: CliRunner().invoke(cli.app, ["completion", shell]).output for shell in ("bash", "zsh", "fish")
    }


def completed(script: str, folder: Path, *words: str) -> set[str]:
    """Return what bash offers for the last word."""
    (folder / "completion.sh").write_text(script)
    line = f"COMP_WORDS=({' '.join(repr(word) for word in ('weighbridge', *words))}); COMP_CWORD={len(words)}"
    call = f'source completion.sh; {line}; _weighbridge; printf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-uc", call], cwd=folder, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_bash_completes_commands_options_and_what_is_below(scripts: dict[str, str], tmp_path: Path) -> None:
    script = scripts["bash"]
    assert completed(script, tmp_path, "summ") == {"summary"}
    assert completed(script, tmp_path, "--log", "x", "summary", "--mark") == {"--markdown"}
    assert completed(script, tmp_path, "history", "pr") == {"prune"}
    assert completed(script, tmp_path, "history", "prune", "--ke") == {"--keep"}
    assert completed(script, tmp_path, "summary", "results") == set()  # so that bash offers files
    first = completed(script, tmp_path, "")
    assert {"bench", "doctor", "--version"} <= first
    assert "build-requests" not in first
    assert completed(script, tmp_path, "build-r") == {"build-requests"}


def test_each_shell_has_each_command_with_its_options(scripts: dict[str, str]) -> None:
    assert scripts["zsh"].endswith(scripts["bash"])
    for name, command in COMMANDS.items():
        for option in {word for each in command.params for word in each.opts if word.startswith("--")}:
            assert f"__fish_seen_subcommand_from {name}' -l {option[2:]}" in scripts["fish"]
            [line] = [line for line in scripts["bash"].splitlines() if line.startswith(f"    {name}) ")]
            assert option in line.replace('"', " ").split()
