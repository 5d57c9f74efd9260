"""A large download is announced, and happens only where somebody consents to it."""

import os
import pty
from collections.abc import Sequence
from pathlib import Path

import pytest
from driver import BIN, Workflow

from weighbridge.artifacts.large_downloads import LARGE_BYTES
from weighbridge.artifacts.manifest import FileEntry, Manifest, write_lock

TARGET = "resources/model.json"
ANNOUNCED = "20.0 GB of the model someone/large would be downloaded into "


@pytest.fixture
def changes(tmp_path: Path) -> dict[str, object]:
    """A model that its lock says is large, and a hub that must not be asked."""
    lock = tmp_path / "lock.json"
    write_lock(
        lock, Manifest(files=(FileEntry(path="a.safetensors", size=LARGE_BYTES + 1, sha256="0" * 64),))
    )
    model = {"path": None, "repo": "someone/large", "revision": "0" * 40, "manifest": str(lock)}
    return {"artifacts": {"model": model}}


def answered(
    command: Sequence[str], environment: dict[str, str], folder: Path, answer: str
) -> tuple[int, str]:
    """Give a command on a terminal, and an answer when it asks; return its exit code and what it said."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execve(command[0], list(command), environment)
    said = b""
    while True:
        try:
            said += os.read(terminal, 4096)
        except OSError:  # its other end is closed
            break
        if answer and b"[y/N]" in said:
            os.write(terminal, f"{answer}\n".encode())
            answer = ""
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said.decode()


def test_without_a_terminal_it_is_refused(workflow: Workflow, changes: dict[str, object]) -> None:
    refused = workflow(TARGET, **changes)
    assert refused.code == 2
    last = refused.text.rstrip().splitlines()[-1]
    assert last.startswith(f"weighbridge: {ANNOUNCED}")
    assert "confirm it with --config fetch=yes" in last
    assert "rule preflight" not in refused.text
    # A plan downloads nothing.
    assert workflow("-n", TARGET, **changes).code == 0


def test_on_a_terminal_it_is_asked_once(
    workflow: Workflow, changes: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    command = workflow.command(TARGET, **changes)
    code, said = answered(command, workflow.environment, workflow.root, "y")
    assert code == 1
    assert said.count(ANNOUNCED) == 1
    assert "HF_HUB_OFFLINE forbids to fetch it" in said  # it went on

    words = ["submit", TARGET, "--directory", str(workflow.directory), "--cores", "2"]
    files = ["--config", "demo/config.yaml", "--config", str(workflow.directory.parent / "changes.yaml")]
    submit = [str(BIN / "weighbridge"), *words, *files]
    code, said = answered(submit, workflow.environment, workflow.root, "n")
    assert code == 2
    assert "confirm it with --set fetch=yes" in said
    code, said = answered(submit, workflow.environment, workflow.root, "y")
    assert code == 3
    assert "HF_HUB_OFFLINE forbids to fetch it" in said.splitlines()[-1]
