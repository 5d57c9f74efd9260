"""Why a workflow failed: from the logs of its jobs to the sentence that it ends with."""

import logging
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from weighbridge import cli
from weighbridge.core.command_log import CommandEnd, read_command_end
from weighbridge.core.errors import InvalidRunError, SetupError
from weighbridge.monitor.workflow_failures import JobFailure, job_failures
from weighbridge.monitor.workflow_process import WorkflowProcess
from weighbridge.monitor.workflow_recorder import WorkflowRecorder
from weighbridge.monitor.workflow_view import WorkflowView
from weighbridge.records.workflow_event import WorkflowEvent
from weighbridge.report.workflow_end import asks_for_results, sweep_of, workflow_failure


def test_a_log_says_how_its_command_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "logs" / "lock.log"
    monkeypatch.setattr("sys.argv", ["weighbridge", "--log", str(log), "lock", "nowhere", "--out", "x.json"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    end = read_command_end(log)
    assert end is not None
    assert end.code == ended.value.code
    shown = capsys.readouterr().err
    assert end.sentence in shown
    assert "exit code" not in shown
    assert log.read_text().endswith(f"{end.sentence}\n")


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("", None),
        ("10:00:00 INFO running\n", None),
        ("10:00:00 INFO exit code 4\n10:00:00 ERROR no.\n", CommandEnd(4, "no.")),
        ("10:00:00 INFO exit code 4\n10:00:00 ERROR no:\na line\n", CommandEnd(4, "no:\na line")),
        ("x\n" * 50_000 + "10:00:00 INFO exit code 3\n10:00:00 ERROR no.\n", CommandEnd(3, "no.")),
        (
            "10:00:00 INFO exit code 1\n10:00:00 ERROR oh\nTraceback (most recent call last):\n  File\n",
            CommandEnd(1, "oh"),
        ),
    ],
)
def test_the_end_of_a_log(tmp_path: Path, text: str, end: CommandEnd | None) -> None:
    (tmp_path / "log").write_text(text)
    assert read_command_end(tmp_path / "log") == end
    assert read_command_end(tmp_path / "none") is None


def record(**said: object) -> logging.LogRecord:
    made = logging.LogRecord("snakemake", logging.INFO, "", 0, "", None, None)
    made.__dict__.update(said)
    return made


def began(job: int, rule: str, **wildcards: str) -> logging.LogRecord:
    return record(event="job_info", jobid=job, rule_name=rule, wildcards=wildcards, log=[f"{job}.log"])


def test_events_of_snakemakes_records(tmp_path: Path) -> None:
    file = tmp_path / "events"
    recorder = WorkflowRecorder(str(file))
    process = WorkflowProcess(None, file)  # type: ignore[arg-type]
    assert list(process.new_events()) == []
    for each in (
        record(event="run_info", stats={"gate": 2, "total": 2}),
        record(event=None),
        began(1, "gate", scenario="offline"),
        began(2, "gate", scenario="server"),
        record(event="job_finished", job_id=1),
        record(event="job_error", jobid=2, rule_name="gate", log=["2.log", "slurm.log"]),
    ):
        recorder.emit(each)
    with file.open("a") as stream:
        stream.write('{"kind": "fin')
    events = list(process.new_events())
    assert [event.kind for event in events] == ["planned", "started", "started", "finished", "failed"]
    assert events[0].jobs == {"gate": 2}
    assert events[-1].stage == "gate server"
    assert recorder.failed == (events[-1],)
    with file.open("a") as stream:
        stream.write('ished", "job": 1}\n')
    assert [event.job for event in process.new_events()] == [1]
    recorder.emit(began(2, "gate", scenario="server"))
    assert recorder.failed == ()  # it is tried once more


def test_an_interrupt_that_snakemakes_log_drops_ends_it_before_the_next_job() -> None:
    recorder, before = WorkflowRecorder(None), signal.getsignal(signal.SIGINT)
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        recorder.keep_interrupts()
        recorder.emit(began(1, "gate"))
        with suppress(KeyboardInterrupt):  # as its handler does while it writes
            os.kill(os.getpid(), signal.SIGINT)
        recorder.emit(record(event="job_finished", job_id=1))
        with pytest.raises(KeyboardInterrupt):
            recorder.emit(began(2, "gate"))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        recorder.keep_interrupts()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_reason_is_that_of_the_job_that_failed_not_of_its_group(tmp_path: Path) -> None:
    (tmp_path / "2.log").write_text("10:00:00 INFO exit code 3\n10:00:00 ERROR no disk.\n")
    (tmp_path / "3.log").write_text("10:00:00 INFO working\n")
    failed = [WorkflowEvent(kind="failed", job=job, rule="run_it", logs=(f"{job}.log",)) for job in (1, 2, 3)]
    assert job_failures(failed, tmp_path) == (JobFailure("run it", tmp_path / "2.log", 3, "no disk."),)
    killed = job_failures(failed[2:], tmp_path)
    assert killed[0].code is None
    assert "was killed" in str(killed[0])
    assert str(tmp_path / "3.log") in str(killed[0])
    (tmp_path / "3.log").write_text("")  # the program could not be loaded
    unlogged = str(job_failures(failed[2:], tmp_path)[0])
    assert "it wrote no log" in unlogged
    assert "3.log" not in unlogged


def test_lines_of_stages(tmp_path: Path) -> None:
    view = WorkflowView(tmp_path, lambda rule, wildcards: f"{rule} {wildcards}: INVALID")
    said = [
        line
        for event in (
            WorkflowEvent(kind="planned", jobs={"gate": 1, "report": 1}),
            WorkflowEvent(kind="started", job=1, rule="gate"),
            WorkflowEvent(kind="started", job=2, rule="report"),
            WorkflowEvent(kind="finished", job=1),
            WorkflowEvent(kind="failed", job=2, rule="report"),
        )
        for line in view.take(event)
    ]
    assert said == ["1/2      gate, 0 s", "         gate {}: INVALID", "failed   report, 0 s"]
    assert view.is_made("gate")
    assert not view.is_made("report")


@pytest.mark.parametrize(
    ("words", "code", "sentence", "exit_code"),
    [
        ("a\nweighbridge: configuration: unknown key.\n", 2, "configuration: unknown key.", 2),
        ("b\nMissingRuleException:\nNo rule to produce x (if you\n", 1, "x: no stage has this name", 2),
        ("b\nOtherException:\nNo way.\n", 1, "OtherException:\nNo way", 2),
        ("Error: Directory cannot be locked. Please\n", 1, "--snakemake=--unlock", 3),
        ("OSError: [Errno 28] No space left on device\n", 1, "run directory is full; make room", 3),
        ("", -9, "ended by SIGKILL", 137),
    ],
)
def test_a_workflow_that_made_nothing(words: str, code: int, sentence: str, exit_code: int) -> None:
    error = workflow_failure(code, [], words, began=False)
    assert error is not None
    assert sentence in str(error)
    assert error.exit_code == exit_code


def test_a_workflow_ends_with_the_code_of_its_job() -> None:
    failed = [JobFailure("a", None, None, "killed"), JobFailure("b", Path("b.log"), 4, "does not count.")]
    error = workflow_failure(1, failed, "", began=True)
    assert error is not None
    assert str(error) == "a: killed\nb (exit code 4, b.log): does not count."
    assert error.exit_code == InvalidRunError.exit_code
    assert workflow_failure(0, [], "", began=True) is None
    assert SetupError.exit_code == 3


@pytest.mark.parametrize(
    ("targets", "results", "sweep"),
    [
        ((), True, None),
        (("verdicts",), True, None),
        (("results/offline/verdict.json",), True, None),
        (("artifacts",), False, None),
        (("sweep_ab",), False, "ab"),
        (("results/sweeps/ab/table.md",), False, "ab"),
    ],
)
def test_what_targets_ask_for(targets: tuple[str, ...], results: bool, sweep: str | None) -> None:
    assert asks_for_results(targets) is results
    assert [sweep_of(target) for target in targets] in ([sweep], [])
