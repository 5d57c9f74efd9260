"""Questions asked of the systems of a sweep by the command, whose answers are known and paired exactly."""

import json
import logging
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from simulating import answering_questions
from sweeping import quick_sweep

from weighbridge.cli.asked_sweep import ask_if_possible
from weighbridge.config.fingerprint import canonical
from weighbridge.config.sweep_settings import SweepSettings
from weighbridge.quality.made_up_questions import write_made_up_questions
from weighbridge.quality.sweep_quality import SweepQuality
from weighbridge.records.quality_comparison import QualityFinding
from weighbridge.simulate.known_letters import LetterRates

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-quality" / "bin" / "python"
MODEL = ROOT / "src/weighbridge/benchmarks/llama3_1_8b/demo/model"
QUESTIONS = 5
RIGHT = {"A": LetterRates(rate=0.8), "B": LetterRates(rate=0.4, rates={"made_up_words": 1.0})}


def _sweep(urls: dict[str, str], **mmlu: object) -> SweepSettings:
    return quick_sweep(urls, quality={"mmlu": {"dataset": {"synthetic": QUESTIONS}, **mmlu}})


def _ask(
    sweep: SweepSettings, folder: Path, *options: str, scratch: Path | None = None
) -> subprocess.CompletedProcess[str]:
    command = [str(PYTHON), "-m", "weighbridge", "sweep-mmlu", "--settings", canonical(sweep)]
    return subprocess.run(
        [*command, "--out", str(folder), *options],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ
        | {"PYTHONPATH": str(ROOT / "src")}
        | ({} if scratch is None else {"TMPDIR": str(scratch)}),
    )


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    questions = tmp_path_factory.mktemp("questions")
    write_made_up_questions(QUESTIONS, questions)
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(answering_questions(questions, rates, model=MODEL))
            for name, rates in RIGHT.items()
        }


@pytest.fixture(scope="module")
def asked(urls: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sweep whose systems have answered."""
    if not PYTHON.is_file():
        pytest.skip("lm-evaluation-harness is not installed; make setup-quality does it")
    folder = tmp_path_factory.mktemp("sweep")
    scratch = tmp_path_factory.mktemp("scratch")
    done = _ask(_sweep(urls), folder, "--model", str(MODEL), scratch=scratch)
    assert done.returncode == 0, done.stderr
    # The questions were fetched in the same process, and two systems asked: no bars, and nothing is left.
    assert not [line for line in done.stderr.splitlines() if not re.match(r"\d\d:\d\d:\d\d [A-Z]+ ", line)]
    assert not [*scratch.iterdir()]
    return folder


def test_the_discordant_counts_are_the_known_ones(urls: dict[str, str], asked: Path) -> None:
    compared = SweepQuality(_sweep(urls), asked, MODEL).compared()
    assert compared is not None
    assert {name: each.correct for name, each in compared.systems.items()} == {"A": 16, "B": 11}
    [row] = compared.rows
    assert row.paired is not None
    assert (row.paired.both_right, row.paired.only_a, row.paired.only_b, row.paired.n) == (10, 6, 1, 20)
    assert row.paired.p == pytest.approx(2 * (1 + 7) / 2**7)
    assert row.finding is QualityFinding.INCONCLUSIVE
    assert row.notes == ()


def test_what_was_answered_is_not_asked_again(urls: dict[str, str], asked: Path) -> None:
    written = {path: path.stat().st_mtime_ns for path in asked.rglob("*.json")}
    done = _ask(_sweep(urls), asked, "--system", "B", "--model", str(MODEL))
    assert done.returncode == 0, done.stderr
    assert "system B: has answered all questions" in done.stderr
    assert written == {path: path.stat().st_mtime_ns for path in asked.rglob("*.json")}


def test_what_cannot_be_asked_here_is_said(
    urls: dict[str, str], asked: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        ask_if_possible(_sweep(urls), asked, model=MODEL, dataset=None)
        assert caplog.text == ""
        ask_if_possible(_sweep(urls, shots=3), asked, model=MODEL, dataset=None)
    assert "then `.venv-quality/bin/weighbridge sweep-mmlu FILE`" in caplog.text


def test_a_system_that_there_is_not_and_a_missing_tokenizer_are_errors(
    urls: dict[str, str], asked: Path, tmp_path: Path
) -> None:
    unknown = _ask(_sweep(urls), asked, "--system", "C")
    assert (unknown.returncode, "there is no 'C'; the systems are A, B" in unknown.stderr) == (2, True)
    tokenizer = _ask(_sweep(urls), tmp_path / "new")
    assert (tokenizer.returncode, "needs the model's tokenizer" in tokenizer.stderr) == (2, True)


def test_answers_that_were_changed_are_refused(urls: dict[str, str], asked: Path) -> None:
    sweep = SweepQuality(_sweep(urls), asked, MODEL)
    told = asked / "quality" / "B" / "asked.json"
    before = told.read_text()
    told.write_text(json.dumps(json.loads(before) | {"measured": "0" * 64}))
    assert sweep.missing(["A", "B"]) == ["B"]
    told.write_text(before)
