"""What is shown of a measurement of quality while it lasts."""

import logging
from pathlib import Path

import pytest
from quality_files import MADE_UP, subject_answers

from weighbridge.config.quality_settings import AskingProtocol
from weighbridge.monitor.quality_reporter import QualityReporter, reporting_quality
from weighbridge.records.progress_record import PROGRESS_FILE, Phase, State
from weighbridge.records.quality_answers import RequestCounts


def ask(reporter: QualityReporter, subject: str, right: int, of: int, requests: int) -> None:
    reporter.subject(subject)
    for _ in range(of * requests):
        reporter.answered()
    reporter.measured(subject_answers(subject, [each < right for each in range(of)]))


def test_each_subject_has_a_line_and_the_end_has_the_whole(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with reporting_quality(tmp_path) as reporter:
        reporter.planned(3, 12, 4)
        reporter.taken_over(subject_answers(MADE_UP[0], [True, True, False, False]))
        ask(reporter, MADE_UP[1], 1, 4, 4)
        ask(reporter, MADE_UP[2], 4, 4, 4)
        reporter.done()
    assert caplog.messages[0] == "12 questions of 3 subjects; 1 of them are finished already"
    assert caplog.messages[1].startswith(
        f"{MADE_UP[1]}: 1 of 4 right (8 of 12 questions, 37.5 % right so far, about"
    )
    assert caplog.messages[2] == f"{MADE_UP[2]}: 4 of 4 right (12 of 12 questions, 58.3 % right so far)"
    state = State.read(tmp_path / PROGRESS_FILE)
    assert (state.label, state.phase) == ("MMLU", Phase.DONE)
    assert state.detail == "12 of 12 questions, 58.3 % right so far"


def test_a_subject_under_way_counts_its_answered_questions(tmp_path: Path) -> None:
    with reporting_quality(tmp_path) as reporter:
        reporter.planned(1, 10, 4)
        assert reporter.left_s() is None
        reporter.subject(MADE_UP[0])
        for _ in range(11):
            reporter.answered()
        left_s = reporter.left_s()
        assert left_s is not None
        assert left_s > 0
    state = State.read(tmp_path / PROGRESS_FILE)
    assert state.phase is Phase.RUNNING
    assert state.detail.startswith(f"subject 1 of 1: {MADE_UP[0]}; 2 of 10 questions, about ")


def test_retries_and_texts_without_a_letter_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    counts = RequestCounts(requests=3, retries=2, failed_attempts={"503": 2})
    answers = subject_answers(MADE_UP[0], [True, None, None], protocol=AskingProtocol.CHAT, counts=counts)
    with reporting_quality(tmp_path) as reporter:
        reporter.planned(1, 3, 1)
        reporter.measured(answers)
    assert caplog.messages[0].startswith(f"{MADE_UP[0]}: 1 of 3 right, 2 retries (")
    assert "2 of 3 texts have no letter, and count as wrong" in caplog.messages[1]
    assert "quality.mmlu.answer_tokens" in caplog.messages[1]
