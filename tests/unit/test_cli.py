"""The command line: every command and option has help, and errors are one sentence with an exit code."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from weighbridge import cli
from weighbridge.core import errors

COMMANDS = sorted(typer.main.get_group(cli.app).commands)
SUMMARY_LENGTH = 60  # what the list of commands has room for, in 80 columns


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_is_explained(command: str) -> None:
    definition = typer.main.get_group(cli.app).commands[command]
    assert definition.help
    summary = definition.help.partition("\n\n")[0]
    assert summary.endswith(".")
    assert len(summary) <= SUMMARY_LENGTH, "the list of commands would cut it off"
    for parameter in definition.params:
        assert getattr(parameter, "help", None), f"{command}: {parameter.name} has no help"


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


def test_an_unknown_error_keeps_its_traceback_in_the_log(tmp_path: Path) -> None:
    # A folder where a file is expected is not foreseen by `lock`.
    log = tmp_path / "lock.log"
    program = Path(sys.executable).parent / "weighbridge"
    command = [program, "--log", log, "lock", tmp_path, "--out", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert log.read_text().strip() in done.stderr.strip()


def test_parsing_the_workflow_imports_nothing_heavy() -> None:
    code = "import sys, weighbridge.config.settings, weighbridge.config.round; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"pandas", "numpy", "pyarrow", "openai", "datasets", "mlperf_loadgen"}
    assert heavy.isdisjoint(done.stdout.split())


@pytest.mark.parametrize("module", ["client.worker", "loadgen.loadgen_process"])
def test_the_processes_that_send_import_no_models_of_settings_and_records(module: str) -> None:
    code = f"import sys, weighbridge.{module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"pydantic", "yaml", "numpy", "pyarrow"}.isdisjoint(done.stdout.split())
