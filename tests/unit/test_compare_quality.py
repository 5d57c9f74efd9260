"""Answers of several measurements side by side: what is paired, what must not be, and the command."""

import io
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from loadgen_files import small_round, write_results
from quality_files import MADE_UP, write_quality
from rich.console import Console

from weighbridge.config.quality_settings import AskingProtocol
from weighbridge.core.errors import InputError
from weighbridge.quality.compare_quality import compare_quality
from weighbridge.quality.finished_quality import FinishedQuality, read_finished
from weighbridge.quality.quality_sentences import quality_clause, quality_sentences
from weighbridge.quality.worsening_rule import WorseningRule
from weighbridge.quality.write_scores import write_scores
from weighbridge.records.quality_answers import MMLU_FOLDER, QuestionSource
from weighbridge.records.quality_comparison import QualityComparison, QualityFinding, QualityRow
from weighbridge.records.quality_scores import OVERALL
from weighbridge.report.compare_runs import compare, render_comparison
from weighbridge.report.quality_table import quality_markdown

SOURCE = QuestionSource(name="synthetic", digest="e" * 64)


def _answers(both: int, only_a: int, only_b: int, neither: int) -> tuple[list[bool], list[bool]]:
    """Return which questions A and B answered right."""
    counts = {(True, True): both, (True, False): only_a, (False, True): only_b, (False, False): neither}
    pairs = [pair for pair, count in counts.items() for _ in range(count)]
    return [a for a, _ in pairs], [b for _, b in pairs]


def _write(folder: Path, right: Sequence[bool], **measured: Any) -> Path:
    """Write a finished measurement whose every subject has these answers, and return its folder."""
    write_quality(folder, dict.fromkeys(MADE_UP, right), **{"source": SOURCE, **measured})
    write_scores(folder, None)
    return folder


def _finished(folder: Path, right: Sequence[bool], **measured: Any) -> FinishedQuality:
    return read_finished(_write(folder, right, **measured))


def _row(folder: Path, counts: tuple[int, int, int, int], **measured: Any) -> QualityRow:
    a, b = _answers(*counts)
    sides = {"A": _finished(folder / "a", a), "B": _finished(folder / "b", b, **measured)}
    [row] = compare_quality(sides).rows
    return row


def test_questions_are_paired_over_all_and_in_each_domain(tmp_path: Path) -> None:
    row = _row(tmp_path, (10, 4, 2, 4))
    assert row.paired is not None
    assert (row.paired.n, row.paired.both_right, row.paired.only_a, row.paired.only_b) == (80, 40, 16, 8)
    assert row.paired.difference == pytest.approx(-0.1)
    assert row.p_adjusted == row.paired.p
    assert row.finding is QualityFinding.INCONCLUSIVE
    assert {domain: each.n for domain, each in row.by_domain.items()} == dict.fromkeys(
        ("Humanities", "Other", "STEM", "Social Sciences"), 20
    )
    assert {each.only_a for each in row.by_domain.values()} == {4}


@pytest.mark.parametrize(
    ("counts", "measured", "finding", "words"),
    [
        (
            (60, 20, 5, 15),
            {},
            QualityFinding.WORSE,
            "B answers worse than A, by 15.0 points [10.3, 19.7]: of 400 questions 80 only A and 20 only B",
        ),
        ((60, 5, 20, 15), {}, QualityFinding.BETTER, "B answers better than A, by 15.0 points [10.3, 19.7]"),
        (
            (60, 2, 1, 37),
            {},
            QualityFinding.INCONCLUSIVE,
            "Whether B or A answers better is not decided, -1.0 points [-2.",
        ),
        (
            (60, 2, 1, 37),
            {"shots": 0},
            QualityFinding.NOT_COMPARABLE,
            "The answers of B cannot be compared with those of A: asked after 0 solved questions, and not 5.",
        ),
    ],
)
def test_a_finding_is_said_in_one_sentence(
    tmp_path: Path,
    counts: tuple[int, int, int, int],
    measured: dict[str, Any],
    finding: QualityFinding,
    words: str,
) -> None:
    a, b = _answers(*counts)
    sides = {"A": _finished(tmp_path / "a", a), "B": _finished(tmp_path / "b", b, **measured)}
    comparison = compare_quality(sides)
    assert comparison.rows[0].finding is finding
    [sentence] = quality_sentences(comparison)
    assert sentence.startswith(words)
    assert not quality_clause(comparison, comparison.rows[0]).endswith(".")


def test_equal_answers_are_the_same_within_the_margin(tmp_path: Path) -> None:
    right = _answers(300, 0, 0, 100)[0]
    sides = {name: _finished(tmp_path / name, right) for name in "AB"}
    comparison = compare_quality(sides)
    assert comparison.rows[0].finding is QualityFinding.SAME
    [sentence] = quality_sentences(comparison)
    assert sentence.startswith("B answers as well as A within 1 point, 0.00 points [-")
    assert compare_quality(sides, margin=0.0001).rows[0].finding is QualityFinding.INCONCLUSIVE


@pytest.mark.parametrize(
    ("measured", "reason"),
    [
        ({"protocol": AskingProtocol.CHAT}, "asked by another protocol, chat and not log-likelihood"),
        ({"shots": 3}, "asked after 3 solved questions, and not 5"),
        ({"answer_tokens": 64}, "answers may have 64 tokens, and not None"),
        ({"bos": True}, "prompts with a token that begins the sequence, and not without"),
        ({"source": SOURCE.model_copy(update={"digest": "f" * 64})}, "other questions: data synthetic"),
    ],
)
def test_what_was_asked_otherwise_is_not_paired(
    tmp_path: Path, measured: dict[str, Any], reason: str
) -> None:
    row = _row(tmp_path, (10, 4, 2, 4), **measured)
    assert row.finding is QualityFinding.NOT_COMPARABLE
    assert (row.paired, row.p_adjusted, row.by_domain) == (None, None, {})
    assert any(each.startswith(reason) for each in row.reasons)


def test_other_rows_are_not_paired(tmp_path: Path) -> None:
    a = _finished(tmp_path / "a", [True] * 20)
    b = _finished(tmp_path / "b", [True] * 10, limit=10, available=20)
    [row] = compare_quality({"A": a, "B": b}).rows
    assert row.reasons == ("other rows: 40 questions in common of 80 and 40",)


def test_a_measurement_that_does_not_count_is_not_paired(tmp_path: Path) -> None:
    a = _finished(tmp_path / "a", [True] * 20)
    b = _finished(tmp_path / "b", [True] * 20, available=30)
    [row] = compare_quality({"A": a, "B": b}).rows
    assert row.finding is QualityFinding.NOT_COMPARABLE
    assert row.reasons[0].startswith("the measurement of B is not valid: questions answered 80")


def test_another_tokenizer_and_another_harness_are_noted(tmp_path: Path) -> None:
    row = _row(
        tmp_path,
        (10, 4, 2, 4),
        tokenizer_digest="1" * 64,
        versions={"weighbridge": "0.9.0", "lm_eval": "0.4.14", "transformers": "5.24.0"},
    )
    assert row.paired is not None
    assert row.notes[0].startswith("another tokenizer")
    assert row.notes[1] == "asked by other versions: lm_eval 0.4.14, and not 0.4.13"


def test_the_rows_share_one_error_rate(tmp_path: Path) -> None:
    a, b = _answers(40, 12, 6, 42)
    sides = {"A": _finished(tmp_path / "a", a), "B": _finished(tmp_path / "b", b)}
    assert compare_quality(sides).rows[0].finding is QualityFinding.WORSE
    many = sides | {f"C{number}": sides["A"] for number in range(12)}
    row = compare_quality(many).rows[0]
    assert row.paired is not None
    assert row.p_adjusted == pytest.approx(13 * row.paired.p)
    assert row.finding is QualityFinding.INCONCLUSIVE


def test_scores_of_other_answers_are_refused(tmp_path: Path) -> None:
    folder = _write(tmp_path, [True, False] * 10)
    scores = json.loads((folder / OVERALL).read_text()) | {"correct": 41}
    (folder / OVERALL).write_text(json.dumps(scores))
    with pytest.raises(InputError, match=r"counts 41 right answers of 80, but beside it are 40 of 80"):
        read_finished(folder)


@pytest.mark.parametrize(
    ("counts", "limit", "words"),
    [
        ((60, 20, 5, 15), 0.01, "B answers worse by more than 1 point, -15.0 points [-19.7, -10.3]"),
        ((60, 2, 1, 37), 0.01, "B may answer worse by more than 1 point, -1.0 points"),
        ((60, 2, 1, 37), 0.05, None),
        ((60, 5, 20, 15), 0.01, None),
    ],
)
def test_the_rule_passes_only_what_is_shown(
    tmp_path: Path, counts: tuple[int, int, int, int], limit: float, words: str | None
) -> None:
    a, b = _answers(*counts)
    sides = {"A": _finished(tmp_path / "a", a), "B": _finished(tmp_path / "b", b)}
    broken = WorseningRule(limit).broken(compare_quality(sides, margin=limit), ["A", "B"])
    assert (broken is None) == (words is None)
    assert (broken or "").startswith(words or "")


def test_the_rule_passes_nothing_unknown(tmp_path: Path) -> None:
    rule, right = WorseningRule(0.5), [True] * 20
    alone = compare_quality({"A": _finished(tmp_path / "a", right)})
    assert "of B are not known" in (rule.broken(alone, ["A", "B"]) or "")
    assert "no answers of two systems" in (rule.broken(alone, ["A"]) or "")
    assert "of A, B are not known" in (rule.broken(None, ["A", "B"]) or "")
    other = _finished(tmp_path / "b", right, shots=0)
    both = compare_quality({"A": _finished(tmp_path / "a", right), "B": other})
    assert "cannot be compared" in (rule.broken(both, ["A", "B"]) or "")


def _run_directories(folder: Path) -> tuple[Path, Path]:
    a, b = _answers(60, 20, 5, 15)
    _write(folder / "old" / "results" / MMLU_FOLDER, a)
    _write(folder / "new" / "results" / MMLU_FOLDER, b)
    return folder / "old", folder / "new"


def _text(runs: Sequence[Path]) -> str:
    output = io.StringIO()
    Console(width=110, file=output).print(render_comparison(compare(runs)))
    return output.getvalue()


def test_run_directories_with_quality_alone_are_compared(tmp_path: Path, monkeypatch: Any) -> None:
    _run_directories(tmp_path)
    monkeypatch.chdir(tmp_path)
    runs = [Path("old"), Path("new")]
    comparison = compare(runs)
    assert comparison.lines == ()
    assert comparison.quality is not None
    assert comparison.quality.baseline == "old"
    text = _text(runs)
    assert "not verified" not in text.lower()
    assert "80 % [76, 84]" in text
    assert "-15.0 [-19.7, -10.3]" in text
    assert "80 / 20" in text
    assert "new answers worse than old, by 15.0 points [10.3, 19.7]" in text
    assert text.count("The questions are made up") == 1


def test_quality_stands_below_the_verdicts(tmp_path: Path) -> None:
    old, new = _run_directories(tmp_path)
    write_results(old / "results", small_round())
    text = _text([old, new])
    assert text.index("Offline") < text.index("Quality (MMLU)")
    write_results(tmp_path / "third" / "results", small_round())
    assert "its quality was not measured" in _text([old, tmp_path / "third"])


def test_a_folder_of_answers_is_compared_too(tmp_path: Path) -> None:
    a = _write(tmp_path / "quality" / "A", [True] * 20)
    b = _write(tmp_path / "quality" / "B", [True] * 20)
    assert compare([a, b]).quality is not None


def test_the_table_is_written_as_markdown(tmp_path: Path) -> None:
    a, b = _answers(60, 20, 5, 15)
    text = quality_markdown(
        compare_quality({"A": _finished(tmp_path / "a", a), "B": _finished(tmp_path / "b", b)})
    )
    assert "| A | 400 | 80 % [76, 84] | " in text
    assert "| -15.0 [-19.7, -10.3] | 80 / 20 | < 0.001 | worse |" in text


def test_the_command_fails_a_pipeline_with_one_line(tmp_path: Path) -> None:
    runs = [str(run) for run in _run_directories(tmp_path)]
    output = tmp_path / "comparison.json"
    command = [sys.executable, "-m", "weighbridge", "compare", *runs]
    done = subprocess.run(
        [*command, "--fail-if", "worse:1%", "--output", str(output)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4
    assert "answers worse by more than 1 point" in done.stderr.splitlines()[-1]
    quality = QualityComparison.parse(json.loads(output.read_text())["quality"], "quality")
    assert quality.rows[0].finding is QualityFinding.WORSE
    refused = subprocess.run(
        [*command, "--fail-if", "slower:5%"], capture_output=True, text=True, check=False
    )
    assert refused.returncode == 2
    assert "two sweeps" in refused.stderr
