"""Model quality in report and summary: beside verdicts, alone, damaged, and absent."""

import io
import json
import re
from pathlib import Path

import pytest
from loadgen_files import small_round, write_results
from quality_files import MADE_UP, write_quality
from rich.console import Console

from weighbridge.config.quality_settings import AskingProtocol
from weighbridge.core.errors import InputError
from weighbridge.quality.questions import set_definitions
from weighbridge.quality.write_scores import write_scores
from weighbridge.records.quality_answers import RequestCounts
from weighbridge.report import write_report
from weighbridge.report.inputs import Missing, read_inputs
from weighbridge.report.page import render_page
from weighbridge.report.quality_results import read_quality
from weighbridge.report.summary import Summary, summarise, write_summary
from weighbridge.report.summary_tables import render_summary, summary_markdown

ROUND = small_round()
RATES = dict(zip(MADE_UP, (0.25, 0.5, 0.75, 1.0), strict=True))
HOSTILE = "</pre><script>alert(1)</script>{{ 7 * 7 }}\"'"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A results folder with quality alone."""
    folder = tmp_path / "results"
    counts = RequestCounts(requests=80, retries=1, failed_attempts={"503": 1})
    write_quality(folder / "quality" / "mmlu", RATES, counts=counts)
    write_scores(folder / "quality" / "mmlu", None)
    return folder


def _words(page: str) -> str:
    body = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", body).replace("&nbsp;", " ").split())


def _written(results: Path) -> str:
    write_report(results, results / "report.html")
    return (results / "report.html").read_text()


def _with_runs(results: Path) -> str:
    """Return the page of runs and quality, without charts."""
    write_results(results, ROUND)
    inputs = read_inputs(results, ROUND)
    return render_page(inputs, {name: Missing("not analysed") for name in ROUND.scenarios}, [])


def test_quality_alone_is_a_page_that_loads_nothing(results: Path) -> None:
    page = _written(results)
    words = _words(page)
    for said in (
        "Model quality (MMLU)",
        "✓ VALID",
        "62 % 95 % interval [52, 72]",
        "The questions are made up",
        "MMLU, log-likelihood, 5-shot",
        "Humanities 1 subject 50 % [30, 70] 11 % 20",
        "All 4 subjects 62 % [52, 72] 4.5 % 80",
        "4 attempts repeated",
        "503: 4",
        "4 of 4 passed",
        "example/model on vLLM 0.12.0",
        "lm_eval 0.4.13",
        "made up by Weighbridge",
        "a" * 64,
    ):
        assert said in words
    assert page.count("<svg") == 1
    assert not re.search(r"(?:src|href)=\"(?!#|data:)", page)
    assert "default-src 'none'" in page


def test_quality_is_a_section_of_the_report_of_runs(results: Path) -> None:
    page = _with_runs(results)
    assert page.index('id="accuracy"') < page.index('<section id="quality"') < page.index('id="search"')
    assert '<a href="#quality">Model quality (MMLU)</a>' in page
    assert "62 % 95 % interval [52, 72]" in _words(page)


def test_without_quality_nothing_of_it_is_shown(tmp_path: Path) -> None:
    words = _with_runs(tmp_path)
    assert "quality" not in words.lower().replace("quality_", "")
    assert summarise(tmp_path).quality is None


def test_damaged_scores_are_a_sentence_in_the_report_and_an_error_in_the_summary(results: Path) -> None:
    (results / "quality" / "mmlu" / "by_domain.json").write_text("{]")
    assert "by_domain.json: cannot be used" in _words(_with_runs(results))
    with pytest.raises(InputError, match=r"by_domain\.json"):
        summarise(results)


def test_scores_of_different_answers_are_refused(results: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    write_quality(other, dict.fromkeys(MADE_UP, 0.5))
    write_scores(other, None)
    (other / "by_subject.json").rename(results / "quality" / "mmlu" / "by_subject.json")
    with pytest.raises(InputError, match="are of different answers"):
        read_quality(results)


def test_a_failed_floor_is_shown_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    definitions = set_definitions()
    small = definitions.mmlu.model_copy(update={"test_questions": 570})
    monkeypatch.setattr(
        "weighbridge.quality.write_scores.set_definitions",
        lambda: definitions.model_copy(update={"mmlu": small}),
    )
    folder = tmp_path / "quality" / "mmlu"
    write_quality(folder, dict.fromkeys(definitions.mmlu.domain_of, 0.6), questions=10)
    write_scores(folder, 0.65)
    words = _words(_written(tmp_path))
    for said in ("✕ INVALID", "What to do", "0.05 below", "required: &gt;= 0.65", "cais/mmlu at cccc"):
        assert said in words
    assert "Next: the accuracy is 0.05 below" in _text(summarise(tmp_path))


def test_limits_and_texts_without_a_letter_are_shown(tmp_path: Path) -> None:
    folder = tmp_path / "quality" / "mmlu"
    right = [True, True, None, False]
    rates = dict.fromkeys(set_definitions().mmlu.domain_of, right)
    write_quality(folder, rates, available=90, limit=4, protocol=AskingProtocol.CHAT)
    write_scores(folder, None)
    words = _words(_written(tmp_path))
    assert "Limited: 4 of each subject. This is not the accuracy over all questions." in words
    assert "MMLU, chat, 5-shot, limited to 4 of each subject" in words
    assert "without a letter 57 count as wrong" in words


def test_texts_from_outside_never_become_markup(tmp_path: Path) -> None:
    folder = tmp_path / "quality" / "mmlu"
    failed = RequestCounts(requests=80, failed_attempts={HOSTILE: 1})
    write_quality(folder, RATES, model_name=HOSTILE, counts=failed, versions={HOSTILE: HOSTILE})
    write_scores(folder, None)
    page = _written(tmp_path)
    assert "<script" not in page
    assert page.count("alert(1)") >= 5
    assert "{{ 7 * 7 }}" in page


def _text(summary: Summary) -> str:
    output = io.StringIO()
    Console(width=200, file=output).print(render_summary(summary))
    return " ".join(output.getvalue().split())


def test_a_summary_of_quality_alone(results: Path) -> None:
    summary = summarise(results)
    assert (summary.round, summary.benchmark, summary.scenarios, summary.submittable) == (
        None,
        None,
        (),
        False,
    )
    assert summary.quality is not None
    assert summary.quality.overall.overall_accuracy == 0.625
    write_summary(summary, results / "summary.json")
    assert Summary.read(results / "summary.json") == summary
    assert (
        json.loads((results / "summary.json").read_text())["quality"]["domains"]["STEM"]["accuracy"] == 0.25
    )
    text = _text(summary)
    assert text.startswith("Model quality (MMLU): log-likelihood, 5-shot")
    assert "SUBMITTABLE" not in text
    page = summary_markdown(summary)
    assert page.startswith("## Model quality (MMLU)\n\nMMLU (log-likelihood, 5-shot): 62 % [52, 72]")
    assert "| Humanities | 50 % [30, 70] | 11 % | 20 | 1 |" in page
    assert "- The questions are made up" in page


def test_a_summary_has_quality_below_the_scenarios(results: Path) -> None:
    write_results(results, ROUND)
    summary = summarise(results)
    assert summary.round == ROUND.name
    text = _text(summary)
    assert text.index("Offline") < text.index("Model quality (MMLU)")
    assert "\n\n## Model quality (MMLU)\n" in summary_markdown(summary)
