"""`snakemake quality` as a user gives it, of an endpoint that answers made-up questions with known letters.

One run directory, in which the tests follow each other: first a command that is killed.
"""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from driver import BIN, Answer, Workflow
from small_run import DONE, ROOT, planned

from weighbridge.artifacts.proof import Proof
from weighbridge.quality.quality_checks import FLOOR_CHECK
from weighbridge.records.quality_answers import ANSWERS_FOLDER, MEASURED, MeasuredQuality
from weighbridge.records.quality_scores import (
    BY_DOMAIN,
    BY_SUBJECT,
    OVERALL,
    SAMPLES,
    ByDomain,
    OverallQuality,
)
from weighbridge.serving.ports import free_ports

DEMO = "src/weighbridge/benchmarks/llama3_1_8b/demo"
MODEL_NAME = "demo/tiny-llama"
HARNESS = ROOT / ".venv-quality" / "bin" / "weighbridge"
# Of each of the four subjects; the first two of five are answered right.
QUESTIONS, RATE = 5, 0.4


class Asking:
    """A run directory, and the endpoint whose model is asked."""

    def __init__(self, directory: Path) -> None:
        self.workflow = Workflow(ROOT, directory, base=DEMO)
        self.folder = directory / "results" / "quality" / "mmlu"
        self._port = free_ports(1)[0]

    def changes(self, **mmlu: object) -> dict[str, object]:
        """Return what is laid over the demo's configuration."""
        server = {"endpoints": [f"http://127.0.0.1:{self._port}"], "endpoints_timeout_s": 60, "golden": None}
        return {"server": server, "quality": {"mmlu": {"dataset": {"synthetic": QUESTIONS}, **mmlu}}}

    def __call__(self, *arguments: str, **mmlu: object) -> Answer:
        return self.workflow(*arguments, **self.changes(**mmlu))

    @contextmanager
    def served(self) -> Iterator[None]:
        """Serve at the endpoint."""
        options = ["--questions", Proof.read(self.workflow.directory / "resources" / "mmlu.json").folder]
        options += ["--model", ROOT / DEMO / "model", "--model-name", MODEL_NAME, "--port", str(self._port)]
        options += ["--letters", json.dumps({"rate": RATE}), "--behaviour", json.dumps({"mean_s": 0.03})]
        command = [BIN / "weighbridge", "simulate", *options]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline().strip() == f"http://127.0.0.1:{self._port}"
                yield
            finally:
                process.terminate()

    def answers(self) -> dict[str, int]:
        """Return when the answers of each finished subject were written."""
        return {path.stem: path.stat().st_mtime_ns for path in (self.folder / ANSWERS_FOLDER).glob("*.json")}


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Asking, dict[str, int]]]:
    """A command that was killed after the first subject; and when that subject's answers were written."""
    if not HARNESS.is_file():
        pytest.skip("lm-evaluation-harness is not installed; make setup-quality does it")
    asking = Asking(tmp_path_factory.mktemp("quality") / "run")
    fetched = asking("resources/mmlu.json", "resources/model.json")
    assert fetched.code == 0, fetched.text
    with asking.served():
        # One request after the other, so that there is a time to kill it.
        command = asking.workflow.command("quality", **asking.changes(concurrency=1))
        log = asking.workflow.directory.parent / "killed.log"
        with (
            log.open("wb") as output,
            subprocess.Popen(
                command,
                cwd=ROOT,
                env=asking.workflow.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            ) as process,
        ):
            until = time.monotonic() + 120
            while not asking.answers():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.01)
            os.killpg(process.pid, signal.SIGKILL)
        shutil.rmtree(asking.workflow.directory / ".snakemake" / "locks")
        yield asking, asking.answers()


@pytest.fixture(scope="module")
def asked(killed: tuple[Asking, dict[str, int]]) -> Asking:
    """All questions, asked by the same command."""
    asking, _ = killed
    answer = asking("quality")
    assert answer.code == 0, answer.text
    return asking


def test_a_killed_command_goes_on_with_the_next_subject(
    killed: tuple[Asking, dict[str, int]], asked: Asking
) -> None:
    _, before = killed
    after = asked.answers()
    assert 0 < len(before) < len(after) == 4
    assert {name: after[name] for name in before} == before
    assert set(MeasuredQuality.read(asked.folder / MEASURED).answers) == set(after)


def test_the_scores_are_those_of_the_known_letters(asked: Asking) -> None:
    overall = OverallQuality.read(asked.folder / OVERALL)
    assert (overall.n, overall.correct, overall.overall_accuracy) == (20, 8, RATE)
    assert overall.outcome == "VALID"
    assert (overall.protocol, overall.shots) == ("log-likelihood", 5)
    domains = ByDomain.read(asked.folder / BY_DOMAIN).domains
    assert [each.accuracy for each in domains.values()] == [RATE] * 4
    assert (asked.folder / BY_SUBJECT).is_file()
    assert len((asked.folder / SAMPLES).read_text().splitlines()) == 21
    assert (asked.folder / "passed.txt").is_file()
    for suffix in ("png", "svg"):
        assert (asked.folder / "plots" / f"score_by_subject.{suffix}").stat().st_size > 1000


def test_a_second_command_makes_nothing(asked: Asking) -> None:
    assert DONE in asked("quality").text


def test_the_figure_is_in_snakemakes_own_report(asked: Asking, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    answer = asked("quality", "--report", str(page))
    assert answer.code == 0, answer.text
    assert "Adding score_by_subject.png" in answer.text
    assert (ROOT / "workflow" / "report" / "quality.rst").read_text().strip() in page.read_text()


def test_a_floor_is_judged_and_asks_nothing_again(asked: Asking) -> None:
    before = asked.answers()
    answer = asked("quality", floor=0.41)
    assert answer.code == 0, answer.text
    assert {"score_mmlu", "check_mmlu"} <= planned(answer.text).keys()
    assert "measure_mmlu" not in planned(answer.text)
    checks = {check.name: check for check in OverallQuality.read(asked.folder / OVERALL).checks}
    # Questions that are made up have no floor.
    assert checks[FLOOR_CHECK].passed is None
    assert asked.answers() == before


def test_a_failed_check_fails_the_command_in_one_sentence_and_keeps_the_scores(asked: Asking) -> None:
    """The scores are edited, because these questions have no floor."""
    overall = OverallQuality.read(asked.folder / OVERALL)
    failed = {"limit": ">= 0.41", "passed": False, "remedy": "ask a better model."}
    checks = tuple(
        check.model_copy(update=failed) if check.name == FLOOR_CHECK else check for check in overall.checks
    )
    edited = overall.model_copy(update={"checks": checks, "outcome": "INVALID"}).model_dump_json()
    (asked.folder / OVERALL).write_text(edited)
    answer = asked("quality", floor=0.41)
    assert answer.code != 0
    assert "check_mmlu" in planned(answer.text)
    assert not {"measure_mmlu", "score_mmlu"} & planned(answer.text).keys()
    lines = [line for line in answer.text.splitlines() if "ask a better model" in line]
    assert lines[-1].startswith("weighbridge: ")
    told = {line.partition("ERROR ")[2] for line in lines if "ERROR" in line}
    assert len(told) == 1, told
    assert not (asked.folder / "passed.txt").exists()
    assert (asked.folder / OVERALL).read_text() == edited
