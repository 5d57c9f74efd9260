"""The command line: every command and option has help, and errors are one sentence with an exit code."""

import errno
import logging
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from weighbridge import cli
from weighbridge.cli.command_groups import GROUPS, PLUMBING
from weighbridge.core import errors, interruption

COMMANDS = sorted(typer.main.get_group(cli.app).commands)
PROGRAM = Path(sys.executable).parent / "weighbridge"
COLUMNS = 80


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_is_explained(command: str) -> None:
    definition = typer.main.get_group(cli.app).commands[command]
    assert definition.help
    summary = definition.help.partition("\n\n")[0]
    assert summary.endswith(".")
    for parameter in definition.params:
        assert getattr(parameter, "help", None), f"{command}: {parameter.name} has no help"


def test_the_list_of_commands_has_each_with_its_whole_summary_on_one_line() -> None:
    commands = typer.main.get_group(cli.app).commands
    lines = _help("--help-all").partition("Options:")[0].splitlines()
    assert max(map(len, lines)) <= COLUMNS
    listed = dict(line.split(maxsplit=1) for line in lines if line.startswith("  ") and ":" not in line[:20])
    for name, command in commands.items():
        assert command.help is not None
        assert listed[name] == " ".join(command.help.partition("\n\n")[0].split())


def test_the_first_help_leaves_out_what_only_the_workflow_calls() -> None:
    text = _help("-h")
    assert text == _help("--help")
    assert len(text.splitlines()) <= 50
    for name in GROUPS[PLUMBING]:
        assert not re.search(rf"^  {name} ", text, re.MULTILINE), name
    assert re.search(r"^  bench  ", text, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_fits_a_terminal_of_80_columns(command: str) -> None:
    text = _help(command, "-h")
    assert text == _help(command, "--help")
    usage, _, rest = text.partition("\n")
    assert usage.startswith("Usage: weighbridge ")
    # A metavar that is longer than the column has a line of its own.
    assert [line for line in rest.splitlines() if len(line) > COLUMNS and "[" not in line] == []


def _help(*arguments: str) -> str:
    done = CliRunner().invoke(cli.app, [*arguments], prog_name="weighbridge", terminal_width=COLUMNS - 2)
    assert done.exit_code == 0
    return done.output


@pytest.mark.parametrize(
    ("error", "code"), [(errors.InputError, 2), (errors.SetupError, 3), (errors.InvalidRunError, 4)]
)
def test_an_expected_error_is_its_sentence_and_its_code(
    error: type[errors.WeighbridgeError],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail() -> None:
        raise error("the bridge is closed; come back tomorrow.")

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as ended, caplog.at_level(logging.INFO):
        cli.main()
    assert ended.value.code == code
    assert [record.message for record in caplog.records] == ["the bridge is closed; come back tomorrow."]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, "x", "run.json"), "run.json: No space left on device; make room there."),
        (
            OSError(errno.EACCES, "x", Path("a"), None, Path("b")),
            "b: Permission denied; give permission",
        ),
        (OSError(errno.EROFS, "x", "out"), "out: Read-only file system; use a folder that can be written"),
        (OSError(errno.EIO, "x"), "the system refuses: Input/output error; check the disk"),
        (OSError(errno.EMFILE, "x"), "the system refuses: Too many open files; raise the limit"),
        (MemoryError(), "there is not enough memory; give the job more memory"),
        (RuntimeError("can't start new thread"), "the system refuses another thread; raise the limit"),
    ],
    ids=str,
)
def test_trouble_of_the_machine_is_one_sentence(
    error: Exception, sentence: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as ended, caplog.at_level(logging.INFO):
        cli.main()
    assert ended.value.code == 3
    [record] = caplog.records
    assert record.message.startswith(sentence)
    assert record.exc_info is None


@pytest.mark.parametrize(
    "error", [ValueError("x"), RuntimeError("x"), OSError("x"), ConnectionResetError(104, "x")]
)
def test_an_unknown_error_keeps_its_traceback(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    [record] = caplog.records
    assert record.exc_info is not None


def test_a_reader_of_the_output_may_leave_and_no_other_pipe_may_break() -> None:
    code = (
        "from weighbridge import cli; import sys\n"
        "def app():\n    sys.stdin.read()\n    if sys.argv[1:]: raise BrokenPipeError(32, 'a socket')\n"
        "    print('x' * 100000)\n"
        "cli.app = app; cli.main()\n"
    )
    for arguments, leaves, expected in (([], True, 0), ([], False, 0), (["socket"], False, 1)):
        with subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            if leaves:
                process.stdout.close()
                process.stdin.close()
                process.wait(20)
            else:
                process.communicate(timeout=20)
        assert process.returncode == expected


def test_a_folder_where_a_file_is_expected_is_one_sentence_in_log_and_terminal(tmp_path: Path) -> None:
    log = tmp_path / "lock.log"
    command = [PROGRAM, "--log", log, "lock", tmp_path, "--out", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].endswith(
        f"ERROR {tmp_path}: Is a directory; use a path that is not a folder."
    )
    assert "Traceback" not in done.stderr
    # Snakemake passes no exit code on, so the log has it.
    *before, code, last = log.read_text().splitlines()
    assert [*before, last] == done.stderr.splitlines()
    assert code.endswith("INFO exit code 3")


@pytest.mark.parametrize("rate", ["0", "-1", "nan", "inf"])
def test_a_rate_that_no_run_can_have_is_refused(rate: str, tmp_path: Path) -> None:
    command = ["run", "--scenario=offline", "--mode=performance", "--round=rehearsal"]
    names = ("model", "store", "out")
    paths = [word for name in names for word in (f"--{name}", str(tmp_path / name))]
    with pytest.raises(errors.InputError, match=rf"--target-qps is {rate}; give a rate above 0"):
        cli.app([*command, *paths, f"--target-qps={rate}"], standalone_mode=False)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--session=w1/b1/A"], "--session names the session of --only session"),
        (["--only=session"], "--session names the session of --only session"),
        (["--only=session", "--session=w1/b1/A", "--wave=1"], "--wave names a wave of --only plan"),
        (["--wave=1"], "--wave names a wave of --only plan"),
        (["--done=done"], "--done needs --only"),
    ],
)
def test_an_option_of_one_step_of_a_sweep_is_refused_without_it(options: list[str], sentence: str) -> None:
    with pytest.raises(errors.InputError, match=sentence):
        cli.app(["sweep", "sweep.yaml", *options], standalone_mode=False)


def test_a_log_on_a_full_disk_is_silent(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    command = [PROGRAM, "--log", "/dev/full", "lock", tmp_path, "--out", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "Logging error" not in done.stderr
    unwritable = [PROGRAM, "--log", "/proc/none/lock.log", "lock", tmp_path, "--out", tmp_path]
    done = subprocess.run(unwritable, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr.startswith("/proc/none: No such file or directory; ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("error", [errors.InvalidRunError("the run ended early."), None])
def test_an_interrupted_command_is_one_sentence_and_the_signals_code(
    error: Exception | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def interrupted() -> None:
        if error is None:
            signal.raise_signal(signal.SIGQUIT)
        # As the processes of a run, which note the signal and end in their order.
        interruption.note(signal.SIGQUIT)
        assert error is not None
        raise error

    monkeypatch.setattr(cli, "app", interrupted)
    with pytest.raises(SystemExit) as ended, caplog.at_level(logging.INFO):
        cli.main()
    assert ended.value.code == 131
    assert [record.message for record in caplog.records] == [str(error or "interrupted by SIGQUIT.")]


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    restore = interruption.end_on_signals()
    restore()
    yield
    restore()
    interruption.end_on_signals()()


def test_parsing_the_workflow_imports_nothing_heavy() -> None:
    code = "import sys, weighbridge.config.settings, weighbridge.config.round; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"pandas", "numpy", "pyarrow", "openai", "datasets", "mlperf_loadgen"}
    assert heavy.isdisjoint(done.stdout.split())


@pytest.mark.parametrize("module", ["client.worker", "client.issuing_process", "loadgen.loadgen_process"])
def test_the_processes_that_send_import_no_models_of_settings_and_records(module: str) -> None:
    code = f"import sys, weighbridge.{module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"pydantic", "yaml", "numpy", "pyarrow"}.isdisjoint(done.stdout.split())
