"""The commands score-mmlu and check-mmlu: files, table and the one sentence where a check fails."""

from pathlib import Path

import pytest
from PIL import Image
from quality_files import MADE_UP, write_quality
from typer.testing import CliRunner, Result

from weighbridge import cli
from weighbridge.config.quality_settings import AskingProtocol
from weighbridge.core.errors import InputError, InvalidRunError
from weighbridge.quality.questions import set_definitions
from weighbridge.records.history_entry import HistoryEntry
from weighbridge.records.quality_answers import RequestCounts
from weighbridge.records.quality_scores import SAMPLES, OverallQuality
from weighbridge.report.figures.quality_figures import label_of

RATES = dict(zip(MADE_UP, (0.25, 0.5, 0.75, 1.0), strict=True))


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.app, [*map(str, arguments)], terminal_width=200)


def _words(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def test_a_table_is_printed_and_plots_are_drawn(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "quality" / "mmlu"
    failed = RequestCounts(requests=81, retries=3, failed_attempts={"503": 2, "timeout": 1})
    write_quality(folder, RATES, counts=failed)
    words = _words(_run("score-mmlu", "--out", folder, "--history", tmp_path / "history"))
    for said in (
        "Model quality (MMLU): log-likelihood, 5-shot",
        "Humanities 50 % [30, 70] 11 % 20 1",
        "All 62 % [52, 72] 4.5 % 80 4",
        "The questions are made up",
        "324 requests were answered, 12 attempts repeated; failed attempts: 503: 8, timeout: 4.",
    ):
        assert said in words
    assert words.endswith("62 % [52, 72] of 80 questions, which are made up, VALID")
    with Image.open(folder / "plots" / "score_by_subject.png") as picture:
        assert picture.width > 600
    drawing = (folder / "plots" / "score_by_subject.svg").read_text()
    for said in (
        "Social Sciences",
        "made up trade (20)",
        "log-likelihood, 5-shot, made-up questions",
        "chance",
    ):
        assert said in drawing
    [entry] = [path for path in (tmp_path / "history").glob("*.json") if path.name != "latest.json"]
    assert HistoryEntry.read(entry).name == "mmlu"


def test_a_limited_run_says_so_in_the_table_and_the_plot(tmp_path: Path) -> None:
    subjects = dict.fromkeys(set_definitions().mmlu.domain_of, 0.6)
    write_quality(tmp_path, subjects, questions=5, available=100, limit=5, shots=0)
    words = _words(_run("score-mmlu", "--out", tmp_path))
    assert words.count("log-likelihood, 0-shot, limited to 5 of each subject") == 2
    assert "Limited: 5 of each subject. This is not the accuracy over all questions." in words
    assert "limited to 5 of each subject" in (tmp_path / "plots" / "score_by_subject.svg").read_text()


def test_texts_without_a_letter_are_told(tmp_path: Path) -> None:
    rates = {name: [True, None, False, None] for name in MADE_UP}
    write_quality(tmp_path, rates, protocol=AskingProtocol.CHAT)
    words = _words(_run("score-mmlu", "--out", tmp_path))
    assert "8 of 16 answers have no letter, and count as wrong." in words
    assert "MMLU (chat, 5-shot)" in words


def test_checks_that_passed_are_a_file_and_others_one_sentence(tmp_path: Path) -> None:
    write_quality(tmp_path, RATES)
    _run("score-mmlu", "--out", tmp_path)
    passed = tmp_path / "passed.txt"
    assert "of 80 questions, which are made up, VALID" in _words(
        _run("check-mmlu", "--quality", tmp_path, "--output", passed)
    )
    assert passed.read_text().endswith("VALID\n")
    passed.unlink()

    scored = OverallQuality.read(tmp_path / "overall.json")
    (tmp_path / SAMPLES).write_text("idx\n")
    error = _run("check-mmlu", "--quality", tmp_path, "--output", passed).exception
    assert isinstance(error, InputError)
    assert "is not the file that overall.json was written with" in str(error)

    check = scored.checks[1].model_copy(update={"passed": False, "value": 79, "remedy": "ask again."})
    write_quality(tmp_path, RATES)
    _run("score-mmlu", "--out", tmp_path)
    broken = scored.model_copy(update={"checks": (check,), "outcome": "INVALID"})
    (tmp_path / "overall.json").write_text(broken.model_dump_json())
    error = _run("check-mmlu", "--quality", tmp_path, "--output", passed).exception
    assert isinstance(error, InvalidRunError)
    assert str(error) == f"{tmp_path}: INVALID, questions answered 79, limit 80: ask again."
    assert not passed.exists()


@pytest.mark.parametrize(
    ("subject", "label"),
    [
        ("high_school_us_history", "HS US history"),
        ("us_foreign_policy", "US foreign policy"),
        ("business_ethics", "business ethics"),
    ],
)
def test_subjects_have_short_names(subject: str, label: str) -> None:
    assert label_of(subject) == label


def test_a_floor_is_read_from_the_settings(tmp_path: Path) -> None:
    write_quality(tmp_path, RATES)
    _run("score-mmlu", "--out", tmp_path, "--settings", '{"mmlu": {"floor": 0.5}}')
    floor = OverallQuality.read(tmp_path / "overall.json").checks[-1]
    assert (floor.name, floor.value, floor.asked) == ("overall accuracy", 0.625, False)
