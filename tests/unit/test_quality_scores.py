"""Scores of a quality measurement: known rates give known files, and what was changed is refused."""

import csv
import io
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from quality_files import MADE_UP, subject_answers, write_answers, write_measured, write_quality

from weighbridge.config.quality_settings import AskingProtocol
from weighbridge.core.errors import InputError, InvalidRunError
from weighbridge.quality.questions import set_definitions
from weighbridge.quality.write_scores import write_scores
from weighbridge.records.notice import SIMULATED_BY
from weighbridge.records.quality_answers import MeasuredQuality, RequestCounts
from weighbridge.records.quality_scores import (
    BY_DOMAIN,
    BY_SUBJECT,
    OVERALL,
    SAMPLE_COLUMNS,
    SAMPLES,
    ByDomain,
    BySubject,
    OverallQuality,
)
from weighbridge.report.accuracy_texts import banners

RATES = dict(zip(MADE_UP, (0.25, 0.5, 0.75, 1.0), strict=True))
MMLU = set_definitions().mmlu.domain_of


def _checks(overall: OverallQuality) -> dict[str, bool | None]:
    return {check.name: check.passed for check in overall.checks}


def _rewrite(folder: Path, subject: str, change: dict[str, Any], *, measured: bool = True) -> None:
    """Change a subject's answers, and measured.json so that it has their new hash."""
    path = folder / "answers" / f"{subject}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    if measured:
        record = json.loads((folder / "measured.json").read_text())
        record["answers"][subject] = sha256(path.read_bytes()).hexdigest()
        (folder / "measured.json").write_text(json.dumps(record))


def test_known_rates_give_the_expected_files(tmp_path: Path) -> None:
    write_quality(tmp_path, RATES, questions=20, counts=RequestCounts(requests=80, retries=1))
    overall = write_scores(tmp_path, None)
    assert OverallQuality.read(tmp_path / OVERALL) == overall
    assert (overall.overall_accuracy, overall.n, overall.correct, overall.subjects) == (0.625, 80, 50, 4)
    # Pooled: the sum of 20 p (1 - p) is 12.5; 76 degrees of freedom; 80 questions.
    assert overall.stderr == pytest.approx((12.5 / 76 / 80) ** 0.5)
    assert overall.low < 0.625 < overall.high
    assert (overall.outcome, overall.limited, overall.counts.retries) == ("VALID", None, 4)
    assert overall.server == "vLLM 0.12.0"
    assert "near chance is expected" in str(overall.note)

    domains = ByDomain.read(tmp_path / BY_DOMAIN).domains
    assert list(domains) == ["STEM", "Humanities", "Social Sciences", "Other"]
    assert [each.accuracy for each in domains.values()] == [0.25, 0.5, 0.75, 1.0]
    subjects = BySubject.read(tmp_path / BY_SUBJECT).subjects
    assert list(subjects) == list(MADE_UP)
    assert subjects["made_up_history"].stderr == pytest.approx((0.25 / 19) ** 0.5)

    text = (tmp_path / SAMPLES).read_text()
    assert sha256(text.encode()).hexdigest() == overall.samples_sha256
    rows = list(csv.DictReader(io.StringIO(text)))
    assert tuple(rows[0]) == SAMPLE_COLUMNS
    assert sum(row["correct"] == "true" for row in rows) == 50
    assert [row["idx"] for row in rows if row["subject"] == "made_up_trade"] == list(map(str, range(20)))
    for row in rows:
        likeliest = max("ABCD", key=lambda letter: float(row[f"logprob_{letter}"]))
        assert (likeliest == row["answer"]) == (row["correct"] == "true")


def test_domains_count_each_question_once_and_the_whole_set_has_57_subjects(tmp_path: Path) -> None:
    # All questions of MMLU; a law of large subjects: one has 334 questions, the others 245.
    sizes = dict.fromkeys(MMLU, 245) | {"professional_law": 14042 - 56 * 245}
    right = {name: [True] * (size if name == "professional_law" else 100) for name, size in sizes.items()}
    rates = {name: [*right[name], *([False] * (sizes[name] - len(right[name])))] for name in sizes}
    write_quality(tmp_path, rates)
    overall = write_scores(tmp_path, 0.4)
    assert (overall.n, overall.subjects, overall.outcome, overall.note) == (14042, 57, "VALID", None)
    domains = ByDomain.read(tmp_path / BY_DOMAIN).domains
    assert [each.subjects for each in domains.values()] == [19, 13, 12, 13]
    assert domains["STEM"].accuracy == pytest.approx(100 / 245)
    law = sizes["professional_law"]
    assert domains["Humanities"].accuracy == (1200 + law) / (12 * 245 + law)


def test_a_simulated_server_is_told(tmp_path: Path) -> None:
    record = write_quality(tmp_path, RATES)
    server = record.server.model_copy(update={"version": f"{SIMULATED_BY} 0.1.0"})
    write_measured(tmp_path, record.model_copy(update={"server": server}))
    note = str(write_scores(tmp_path, None).note)
    assert "The questions are made up" in note
    assert "no model was asked" in note


def test_a_subject_less_is_noticed(tmp_path: Path) -> None:
    write_quality(tmp_path, dict.fromkeys(MADE_UP[1:], 0.5))
    overall = write_scores(tmp_path, None)
    assert overall.outcome == "INVALID"
    [failed] = [check for check in overall.checks if check.passed is False]
    assert (failed.name, failed.value, failed.limit) == ("subjects, each in its domain", 3, "4")
    assert "made_up_arithmetic" in str(failed.remedy)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"asked": 21, "available": 21}, "questions answered"),
        ({"available": 40}, "questions answered"),
        ({"domain": "STEM"}, "subjects, each in its domain"),
        ({"harness_accuracy": 0.55}, "subjects that lm-evaluation-harness scored otherwise"),
    ],
)
def test_answers_that_do_not_fit_fail_a_check(tmp_path: Path, change: dict[str, Any], name: str) -> None:
    write_quality(tmp_path, RATES)
    _rewrite(tmp_path, "made_up_history", change)
    overall = write_scores(tmp_path, None)
    assert [name for name, passed in _checks(overall).items() if not passed] == [name]
    [remedy] = [check.remedy for check in overall.checks if check.remedy]
    assert "made_up_history" in remedy


def test_a_question_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    write_quality(tmp_path, RATES)
    path = tmp_path / "answers" / "made_up_history.json"
    questions = json.loads(path.read_text())["questions"]
    _rewrite(tmp_path, "made_up_history", {"questions": [questions[0], *questions[:-1]]})
    assert _checks(write_scores(tmp_path, None))["questions answered"] is False


def test_a_prediction_that_is_not_the_likeliest_is_noticed(tmp_path: Path) -> None:
    write_quality(tmp_path, RATES)
    path = tmp_path / "answers" / "made_up_words.json"
    questions = json.loads(path.read_text())["questions"]
    questions[3]["log_probabilities"] = [-1.0, -1.0, -1.0, -9.0]
    _rewrite(tmp_path, "made_up_words", {"questions": questions})
    [failed] = [check for check in write_scores(tmp_path, None).checks if not check.passed]
    assert failed.remedy is not None
    assert "made_up_words, question 3" in failed.remedy


def _mmlu(folder: Path, **changes: Any) -> MeasuredQuality:
    """Write ten questions of each subject of MMLU, six of them right."""
    return write_quality(folder, dict.fromkeys(MMLU, 0.6), questions=10, **changes)


@pytest.mark.parametrize(
    ("floor", "outcome", "passed"), [(0.6, "VALID", True), (0.61, "INVALID", False), (None, "VALID", None)]
)
def test_the_floor_decides_a_whole_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, floor: float | None, outcome: str, passed: bool | None
) -> None:
    definitions = set_definitions()
    small = definitions.mmlu.model_copy(update={"test_questions": 570})
    monkeypatch.setattr(
        "weighbridge.quality.write_scores.set_definitions",
        lambda: definitions.model_copy(update={"mmlu": small}),
    )
    _mmlu(tmp_path)
    overall = write_scores(tmp_path, floor)
    assert (overall.outcome, overall.limited) == (outcome, None)
    assert _checks(overall).get("overall accuracy") is passed
    if passed is False:
        assert "0.01 below `quality.mmlu.floor`" in str(overall.checks[-1].remedy)


@pytest.mark.parametrize(
    ("limits", "limited"),
    [({"limit": 10}, "10 of each subject"), ({"total_limit": 570}, "570 drawn from all subjects")],
)
def test_a_limited_run_is_not_asked_for_its_floor(
    tmp_path: Path, limits: dict[str, int], limited: str
) -> None:
    _mmlu(tmp_path, available=100, **limits)
    overall = write_scores(tmp_path, 0.99)
    assert (overall.outcome, overall.limited) == ("VALID", limited)
    floor = overall.checks[-1]
    assert (floor.asked, floor.passed, floor.limit) == (
        False,
        None,
        f"not asked: the run is limited ({limited})",
    )
    for part in (ByDomain.read(tmp_path / BY_DOMAIN), BySubject.read(tmp_path / BY_SUBJECT)):
        assert part.limited == limited


def test_a_limit_above_all_sizes_is_none(tmp_path: Path) -> None:
    write_quality(tmp_path, RATES, limit=1000)
    overall = write_scores(tmp_path, 0.9)
    assert (overall.limited, overall.outcome) == (None, "VALID")
    assert overall.checks[-1].limit == "not asked: the questions are made up"
    assert banners(overall)[-1] == "The floor was not applied: the questions are made up."


def test_a_draw_may_leave_subjects_out_but_no_question(tmp_path: Path) -> None:
    write_quality(tmp_path, {MADE_UP[0]: [True], MADE_UP[2]: [False]}, total_limit=3)
    overall = write_scores(tmp_path, None)
    assert overall.limited == "3 drawn from all subjects"
    assert [name for name, passed in _checks(overall).items() if not passed] == ["questions answered"]
    # A question each: no subject has a spread of its own, but there is an interval.
    assert (overall.stderr, overall.overall_accuracy) == (None, 0.5)
    assert overall.high - overall.low > 0.5


def test_texts_without_a_letter_are_wrong_and_counted(tmp_path: Path) -> None:
    rates = {name: [True, None, False, None] for name in MADE_UP}
    write_quality(tmp_path, rates, protocol=AskingProtocol.CHAT)
    overall = write_scores(tmp_path, None)
    assert (overall.unreadable, overall.overall_accuracy, overall.outcome) == (8, 0.25, "VALID")
    rows = list(csv.DictReader(io.StringIO((tmp_path / SAMPLES).read_text())))
    assert (rows[1]["prediction"], rows[1]["correct"], rows[1]["logprob_A"]) == ("", "false", "")


def test_answers_that_were_changed_are_refused(tmp_path: Path) -> None:
    write_quality(tmp_path, RATES)
    _rewrite(tmp_path, "made_up_words", {"harness_accuracy": 1.0, "duration_s": 3}, measured=False)
    with pytest.raises(InvalidRunError, match=r"made_up_words\.json: was changed after it was measured"):
        write_scores(tmp_path, None)
    assert not (tmp_path / OVERALL).exists()


def test_answers_of_another_measurement_are_refused(tmp_path: Path) -> None:
    write_quality(tmp_path, RATES)
    _rewrite(tmp_path, "made_up_words", {"identity": "e" * 64})
    with pytest.raises(InvalidRunError, match="belongs to another measurement"):
        write_scores(tmp_path, None)


def test_answers_under_another_name_and_no_answers_are_refused(tmp_path: Path) -> None:
    record = write_quality(tmp_path, RATES)
    name = write_answers(tmp_path, subject_answers("made_up_words", [True]))
    (tmp_path / "answers" / "made_up_words.json").rename(tmp_path / "answers" / "made_up_trade.json")
    write_measured(tmp_path, record.model_copy(update={"answers": {"made_up_trade": name}}))
    with pytest.raises(InvalidRunError, match="has answers to made_up_words"):
        write_scores(tmp_path, None)
    write_measured(tmp_path, record.model_copy(update={"answers": {}}))
    with pytest.raises(InvalidRunError, match="names no answers"):
        write_scores(tmp_path, None)


@pytest.mark.parametrize("gone", ["measured.json", "answers/made_up_trade.json"])
def test_a_missing_file_is_named(tmp_path: Path, gone: str) -> None:
    write_quality(tmp_path, RATES)
    (tmp_path / gone).unlink()
    with pytest.raises(InputError, match=Path(gone).name):
        write_scores(tmp_path, None)
