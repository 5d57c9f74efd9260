"""Sweeps as a user drives them: planned by a dry run, measured in a chain of jobs, extended."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from driver import BIN
from small_run import planned

from weighbridge.history.read_history import read_histories
from weighbridge.quality.made_up_questions import write_made_up_questions
from weighbridge.records.comparison import SweepComparison
from weighbridge.simulate.behaviour import Behaviour
from weighbridge.simulate.known_letters import LetterRates

ROOT = Path(__file__).parents[2]
HARNESS = ROOT / ".venv-quality" / "bin" / "weighbridge"
NOTHING = "Nothing to be done"


# Of each of the four subjects so many questions, of which each system answers the first ones right.
QUESTIONS = 10
RIGHT = {"A": LetterRates(rate=0.8), "B": LetterRates(rate=0.5, rates={"made_up_history": 1.0})}


@contextmanager
def _served(questions: Path | None = None, letters: LetterRates | None = None) -> Iterator[str]:
    """Serve any request in a third of a second, or answer questions with known letters; yield the URL."""
    behaviour = Behaviour(servers=32, mean_s=0.3, distribution="exponential").model_dump_json()
    command = ["-m", "weighbridge", "simulate", "--model-name=tiny", "--behaviour", behaviour]
    if questions is not None and letters is not None:
        command += [f"--questions={questions}", "--letters", letters.model_dump_json()]
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def systems() -> Iterator[dict[str, Any]]:
    with ExitStack() as stack:
        urls = {name: stack.enter_context(_served()) for name in "AB"}
        yield {name: {"server": {"endpoints": [url], "model_name": "tiny"}} for name, url in urls.items()}


def _write(folder: Path, loads: list[int], **changes: Any) -> None:
    folder.mkdir(exist_ok=True)
    described = {
        "workloads": [{"name": "chat", "output_tokens": 4}],
        "levels": {"closed": loads},
        "blocks": 1,
        "duration_s": 0.5,
        "warmup_s": 0.2,
        "min_requests": 20,
        "aa": False,
    }
    (folder / "two.yaml").write_text(yaml.safe_dump(described | changes))


def _snakemake(folder: Path, *options: str, target: str = "sweep_two") -> subprocess.CompletedProcess[str]:
    # Without a profile: the settings are those of the real benchmark, of which nothing may be fetched.
    command = [BIN / "snakemake", "--cores=2", f"--directory={folder / 'run'}", *options]
    return subprocess.run(
        [*map(str, command), "--config", f"sweeps={folder / 'sweeps'}", "--", target],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT / "src")},
    )


@pytest.fixture(scope="module")
def answering(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Two systems that answer made-up questions, of which it is known which ones they answer right."""
    questions = tmp_path_factory.mktemp("questions")
    write_made_up_questions(QUESTIONS, questions)
    with ExitStack() as stack:
        urls = {name: stack.enter_context(_served(questions, of)) for name, of in RIGHT.items()}
        yield {name: {"server": {"endpoints": [url], "model_name": "tiny"}} for name, url in urls.items()}


def _runs(folder: Path) -> dict[str, int]:
    results = folder / "run" / "results" / "sweeps" / "two"
    found = results.glob("w*/b*/*/*/*/run.json")
    return {path.parent.relative_to(results).as_posix(): path.stat().st_mtime_ns for path in found}


def test_a_sweep_is_measured_in_turns_and_an_added_load_measures_only_what_is_new(
    systems: dict[str, Any], tmp_path: Path
) -> None:
    _write(tmp_path / "sweeps", [16], systems=systems)
    dry = _snakemake(tmp_path, "-n")
    assert "2 runs in 2 sessions, about 1 min" in dry.stdout + dry.stderr
    jobs = {name: count for name, count in planned(dry.stdout).items() if not name.endswith(":")}
    assert jobs.pop("total") == 5
    assert jobs == {"plan_sweep": 1, "hold_session": 2, "compare_sweep": 1, "sweep_two": 1}
    done = _snakemake(tmp_path)
    assert done.returncode == 0, done.stderr
    first = _runs(tmp_path)
    assert sorted(first) == ["w1/b1/A/chat/closed-16", "w1/b1/B/chat/closed-16"]
    results = tmp_path / "run" / "results" / "sweeps" / "two"
    assert "closed-16" in done.stdout + done.stderr
    assert (results / "report.html").is_file()
    assert NOTHING in "".join(_snakemake(tmp_path, "-n").stdout)
    _write(tmp_path / "sweeps", [8, 16], systems=systems)
    done = _snakemake(tmp_path)
    assert done.returncode == 0, done.stderr
    assert _runs(tmp_path).items() > first.items()
    assert sorted(_runs(tmp_path).keys() - first.keys()) == ["w2/b1/A/chat/closed-8", "w2/b1/B/chat/closed-8"]
    compared = SweepComparison.read(results / "comparison.json")
    assert {row.level for row in compared.rows} == {"closed-8", "closed-16"}
    assert [each.entry.name for each in read_histories([tmp_path / "run"])] == ["two", "two"]
    held = results / "w2" / "b1" / "B" / "held.json"
    held.unlink()
    jobs = planned(_snakemake(tmp_path, "-n").stdout)
    assert jobs["hold_session"] == 1
    assert "plan_sweep" not in jobs
    assert not (tmp_path / "run" / "resources").exists()


@pytest.mark.skipif(not HARNESS.is_file(), reason="lm-evaluation-harness is missing; make setup-quality")
def test_questions_are_asked_of_a_finished_sweep_and_paired(
    answering: dict[str, Any], tmp_path: Path
) -> None:
    speed = {"systems": answering, "workloads": [{"name": "chat", "output_tokens": 1, "stream": False}]}
    _write(tmp_path / "sweeps", [16], **speed)
    done = _snakemake(tmp_path)
    assert done.returncode == 0, done.stderr
    first = _runs(tmp_path)
    mmlu = {"dataset": {"synthetic": QUESTIONS}, "protocol": "chat", "shots": 2}
    _write(tmp_path / "sweeps", [16], **speed, quality={"mmlu": mmlu})
    done = _snakemake(tmp_path)
    assert done.returncode == 0, done.stderr
    jobs = {name: count for name, count in planned(done.stderr).items() if not name.endswith(":")}
    assert jobs.pop("total") == 5
    assert jobs == {"fetch_sweep_questions": 1, "sweep_quality": 2, "compare_sweep": 1, "sweep_two": 1}
    assert _runs(tmp_path) == first
    results = tmp_path / "run" / "results" / "sweeps" / "two"
    quality = SweepComparison.read(results / "comparison.json").quality
    assert quality is not None
    assert {name: each.correct for name, each in quality.systems.items()} == {"A": 32, "B": 25}
    [row] = quality.rows
    assert row.paired is not None
    # Three subjects in which A has 8 right and B 5, and one in which B has all 10.
    assert (row.paired.n, row.paired.both_right, row.paired.only_a, row.paired.only_b) == (40, 23, 9, 2)
    assert {domain: (each.only_a, each.only_b) for domain, each in row.by_domain.items()} == {
        "Humanities": (0, 2),
        "Other": (3, 0),
        "STEM": (3, 0),
        "Social Sciences": (3, 0),
    }
    assert "9 only A and 2 only B answered right" in (results / "table.md").read_text()
    assert NOTHING in "".join(_snakemake(tmp_path, "-n").stdout)


@pytest.mark.parametrize(
    ("changes", "jobs"),
    [
        ({"coexist": True}, {"measure_sweep"}),
        ({"levels": {"auto": True}}, {"measure_sweep"}),
        ({"systems": {"A": {"server": {}}, "B": {"server": {"env": {"B": "1"}}}}}, {"fetch", "hold_session"}),
    ],
)
def test_what_jobs_a_sweep_has_follows_from_its_file(
    tmp_path: Path, changes: dict[str, Any], jobs: set[str]
) -> None:
    attached = {"A": {"server": {"endpoints": ["http://h:1"], "model_name": "m"}}}
    _write(tmp_path / "sweeps", [1], **{"systems": attached, **changes})
    found = planned(_snakemake(tmp_path, "-n").stdout).keys()
    assert jobs <= found
    assert "build_requests" not in found


def test_a_wrong_file_is_one_sentence_and_stops_nothing_else(tmp_path: Path) -> None:
    _write(tmp_path / "sweeps", [1], systems={})
    done = _snakemake(tmp_path, "-n")
    assert done.returncode == 2
    assert re.search(
        r"^weighbridge: \S+two.yaml, line \d+, column 1: 'systems' is", done.stderr, re.MULTILINE
    ), done.stderr
    assert _snakemake(tmp_path, "-n", target="artifacts").returncode == 0
