"""Whose end ends a command: the top Snakemake above it; and how it says so."""

import os
import platform
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from weighbridge.core import interruption, owner, proc


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("/opt/bin/snakemake --cores 2", True),
        ("/opt/bin/python3.12 /opt/bin/snakemake --cores 2", True),
        ("python -m snakemake --snakefile x", True),
        ("/opt/bin/python -P -X dev -W error -m snakemake", True),
        ("python -u snakemake", True),
        ("bash -c snakemake", False),
        ("timeout 10 snakemake", False),
        ("python run.py snakemake", False),
        ("python -c snakemake", False),
        ("python -m pytest snakemake", False),
        ("tail -f snakemake", False),
        ("", False),
    ],
)
def test_a_snakemake_is_recognised_by_its_command_line(command: str, expected: bool) -> None:
    assert owner._runs_snakemake(command.split()) is expected


def test_the_top_snakemake_is_the_owner_and_all_up_to_it_are_watched(tmp_path: Path) -> None:
    show = "from weighbridge.core.owner import under_snakemake as u; print(*(p.name for p in u()))"
    # Snakemake in a shell in Snakemake in a program: the outer Snakemake is the owner.
    inner, outer, program = (tmp_path / kind / "snakemake" for kind in ("inner", "outer", "program"))
    program = program.with_name("launcher")
    for script in (inner, outer, program):
        script.parent.mkdir()
        script.write_text("import subprocess, sys; subprocess.run(sys.argv[1:], check=True)\n")
    python = sys.executable
    shell = ["sh", "-c", '"$@"; exit', "sh"]
    command = [python, program, python, outer, *shell, python, inner, python, "-c", show]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    name = Path(python).resolve().name
    assert [word.replace(name, "python") for word in done.stdout.split()] == ["python", "sh", "python"]


def test_without_snakemake_there_is_no_owner() -> None:
    command = [sys.executable, "-c", "from weighbridge.core.owner import *; print(under_snakemake())"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "()\n"


def test_a_number_that_is_used_again_is_another_process() -> None:
    with sleeping() as process:
        found = proc.ProcessId.of(process.pid)
        assert found.lives
        assert found.name == "sh"
        assert not proc.ProcessId(found.pid, found.name, found.started_ticks - 1).lives
        process.kill()
    assert not found.lives


@pytest.fixture
def handlers() -> Iterator[None]:
    restore = interruption.end_on_signals()
    try:
        yield
    finally:
        restore()
        interruption._received.number = interruption._received.cause = None


@pytest.mark.parametrize(
    ("number", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129), ("SIGQUIT", 131)]
)
def test_a_signal_unwinds_once_and_gives_the_exit_code(handlers: None, number: str, code: int) -> None:
    with pytest.raises(interruption.Interruption, match=f"^interrupted by {number}$") as caught:
        signal.raise_signal(signal.Signals[number])
    assert caught.value.code == interruption.exit_code() == code
    # What cleans up is not interrupted again.
    signal.raise_signal(signal.SIGTERM)
    assert interruption.exit_code() == code


def sleeping() -> subprocess.Popen[str]:
    """Start a process that says when it runs its program, and no longer ours."""
    process = subprocess.Popen(
        ["sh", "-c", "echo; read _"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_an_owner_that_ends_ends_the_main_thread_with_its_name(handlers: None) -> None:
    with sleeping() as process:
        owner.end_with([proc.ProcessId.of(process.pid)])
        process.kill()
        with pytest.raises(interruption.Interruption, match=r"process \d+ \(sh\), which .* has ended"):
            threading.Event().wait(10)
    assert interruption.exit_code() == 143


def test_an_owner_that_ended_before_the_watch_ends_it_too(handlers: None) -> None:
    with sleeping() as process:
        gone = proc.ProcessId.of(process.pid)
        process.kill()
    owners = [gone]
    threading.Timer(0.2, lambda: owner.end_with(owners)).start()
    with pytest.raises(interruption.Interruption, match=r"\(sh\)"):
        threading.Event().wait(10)


def test_a_snakemake_that_was_killed_before_its_job_looked_for_it_is_known(tmp_path: Path) -> None:
    """What starts a job notes itself in its environment, and is gone when the job looks."""
    told = tmp_path / "told"
    job = (
        "import time, weighbridge.core.owner as o; time.sleep(0.5); (found,) = o.owners(); "
        f"open({str(told)!r}, 'w').write(f'{{found.pid}} {{found.lives}}')"
    )
    snakemake = (
        "import os, subprocess, sys; from weighbridge.core.owner import note_snakemake; note_snakemake(); "
        f"subprocess.Popen([sys.executable, '-c', {job!r}]); print(os.getpid(), flush=True); os._exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", snakemake], capture_output=True, text=True, check=False)
    deadline = time.monotonic() + 20
    while not told.exists() or not told.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert told.read_text() == f"{done.stdout.strip()} False"


def test_the_topmost_snakemake_stays_noted_and_a_strange_one_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(owner._VARIABLE, "")  # which is undone afterwards
    owner.note_snakemake()
    mine = os.environ[owner._VARIABLE]
    show = "from weighbridge.core.owner import *; import os; note_snakemake(); print(os.environ['%s'])"
    command = [sys.executable, "-c", show % owner._VARIABLE]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == mine
    # Of another host, or not above this process: what sbatch carries from the login node.
    with sleeping() as process:
        for strange in ("1 1 elsewhere", f"{process.pid} 1 {owner.place_of_processes()}", "nonsense"):
            monkeypatch.setenv(owner._VARIABLE, strange)
            owner.note_snakemake()
            assert os.environ[owner._VARIABLE] == mine
        process.kill()
    # In a container of this host numbers are others: a Snakemake outside of it is not seen, and not missed.
    for strange in ("1 1 elsewhere", f"4000000 1 pid:[1] {platform.node()}"):
        monkeypatch.setenv(owner._VARIABLE, strange)
        assert owner.owners() == owner.under_snakemake()
    monkeypatch.setenv(owner._VARIABLE, f"4000000 1 {owner.place_of_processes()}")
    assert len(owner.owners()) == 1 + len(owner.under_snakemake())


def test_a_server_of_a_guard_has_no_other_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "WEIGHBRIDGE_SNAKEMAKE", f"{os.getpid()} {proc.ProcessId.of(os.getpid()).started_ticks}"
    )
    owner.note_snakemake()
    assert owner.owners()
    monkeypatch.setenv("WEIGHBRIDGE_GUARD", str(os.getpid()))
    assert owner.owners() == ()
