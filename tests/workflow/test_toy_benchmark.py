"""A benchmark from outside: found by its entry point, it runs to a checked tree with no edit elsewhere."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from driver import BIN

ROOT = Path(__file__).parents[2]
TOY = ROOT / "tests" / "toy_benchmark"
WHY = "round toy of toy-arithmetic is not pinned by this release of Weighbridge"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Install the package into a folder of its own, without network; return an environment that sees it."""
    folder = tmp_path_factory.mktemp("installed")
    build = [BIN / "uv", "pip", "install", "--quiet", "--offline", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--python", BIN / "python", "--target", folder, TOY], check=True)
    # What a plain environment would have on its path, and the package before it.
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    return os.environ | {"PYTHONPATH": path, "PATH": f"{BIN}:{os.environ['PATH']}"}


def run(environment: dict[str, str], *command: object) -> subprocess.CompletedProcess[str]:
    program, *arguments = map(str, command)
    return subprocess.run(
        [str(BIN / program), *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def finished(installed: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("toy") / "run"
    done = run(
        *(installed, "snakemake", "submission", "--cores", 4, "--set-threads", "benchmark=1"),
        *("--configfile", TOY / "config.yaml", "--directory", directory),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return directory / "results"


def read(path: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads(path.read_text())
    return content


def test_nothing_in_the_repository_knows_it() -> None:
    searched = [*(ROOT / "src").rglob("*"), *(ROOT / "workflow").rglob("*"), *ROOT.glob("*.yaml")]
    texts = [path for path in searched if path.suffix in (".py", ".yaml", ".smk", ".j2", ".json", "")]
    found = [path for path in texts if path.is_file() and b"toy" in path.read_bytes()]
    assert found == []


def test_both_scenarios_are_valid_with_both_metrics_gated(finished: Path) -> None:
    for scenario in ("offline", "single-stream"):
        verdict = read(finished / scenario / "verdict.json")
        assert verdict["outcome"] == "VALID"
        assert verdict["metrics"] == {
            "exact": pytest.approx(0.75, abs=0.1),
            "length_ratio": pytest.approx(1, abs=0.05),
        }
        limits = {check["name"]: check["limit"] for check in verdict["checks"]}  # type: ignore[attr-defined]
        assert limits["exact"] == ">= 0.6"
        assert limits["length_ratio"] == ">= 0.9"
        assert limits["length_ratio ceiling"] == "<= 1.1"


def test_the_odd_scenario_publishes_a_latency_percentile(finished: Path) -> None:
    verdict = read(finished / "single-stream" / "verdict.json")
    assert (verdict["title"], verdict["rate_unit"]) == ("SingleStream", "s (p90)")
    assert verdict["rate"] == verdict["p90_latency_s"]
    assert float(str(verdict["rate"])) >= 0.01  # what the simulated server takes for each answer
    assert read(finished / "offline" / "verdict.json")["rate_unit"] == "samples/s"
    record = read(finished / "single-stream" / "performance" / "run.json")
    settings = record["load"]["settings"]  # type: ignore[index]
    assert settings["scenario"] == "SingleStream"


def test_requests_are_texts_for_the_completions_path_and_no_prompt_is_pinned(finished: Path) -> None:
    store = finished.parent / "resources" / "requests"
    assert read(store / "manifest.json")["api"] == "completions"
    bodies = (store / "bodies.bin").read_bytes()
    assert re.match(rb'\{"model":"toy/simulated","prompt":"\d+ [-+*] \d+ =","max_tokens":8\}\{', bodies)
    record = read(finished / "offline" / "accuracy" / "run.json")
    assert set(record["pins"]) == {"model", "dataset"}  # type: ignore[call-overload]
    assert not (finished.parent / "resources" / "prompt.json").exists()


def test_the_tree_is_accepted_with_the_benchmarks_own_names_and_code(finished: Path) -> None:
    assert read(finished / "check.json")["complaints"] == []
    assert "Round toy: accepted. NOT SUBMITTABLE." in (finished / "check.txt").read_text()
    submitter = finished / "submission" / "closed" / "Toy"
    results = submitter / "results" / "simulated-endpoint" / "toy-arithmetic"
    assert {path.name for path in results.iterdir()} == {"Offline", "SingleStream"}
    sources = submitter / "src" / "toy-arithmetic"
    assert (sources / "Snakefile").is_file()
    for name in ("task.py", "scoring.py", "rounds/toy.yaml"):
        [copy] = sources.rglob(f"toy_arithmetic/{name}")
        assert copy.read_bytes() == (TOY / "toy_arithmetic" / name).read_bytes()
    system = read(submitter / "systems" / "simulated-endpoint.json")
    assert system["system_type"] == "edge"


def test_everything_made_of_it_says_why_it_is_not_submittable(finished: Path) -> None:
    submitter = finished / "submission" / "closed" / "Toy"
    scenario = submitter / "results" / "simulated-endpoint" / "toy-arithmetic" / "SingleStream"
    for path in (
        *(finished / name for name in ("summary.json", "check.txt", "check.json", "report.html")),
        *(finished / "offline" / name for name in ("verdict.json", "accuracy.txt", "performance/run.json")),
        finished / "ro-crate-metadata.json",
        submitter / "DEMONSTRATION.md",
        submitter / "documentation" / "calibration.md",
        submitter / "src" / "toy-arithmetic" / "README.md",
        submitter / "systems" / "simulated-endpoint.json",
        *(scenario / name for name in ("README.md", "measurements.json", "accuracy/accuracy.txt")),
    ):
        assert WHY in path.read_text(), path
        assert "DEMONSTRATION, NOT SUBMITTABLE" not in path.read_text(), path


def test_summary_and_gate_print_the_reason_and_every_metric(
    installed: dict[str, str], finished: Path
) -> None:
    wide = installed | {"COLUMNS": "300"}
    summary = run(wide, "weighbridge", "summary", "--results", finished)
    assert summary.returncode == 0, summary.stderr
    assert WHY in summary.stdout
    assert "SingleStream" in summary.stdout
    assert "s (p90)" in summary.stdout
    gate = run(wide, "weighbridge", "gate", "--logs", finished, "--round", "toy")
    assert gate.returncode == 0, gate.stdout + gate.stderr
    assert "SingleStream: VALID" in gate.stdout
    assert "Score: exact 0.7" in gate.stdout
    assert "Score: length_ratio 1.0" in gate.stdout
    assert WHY in gate.stdout


def test_the_report_has_no_place_for_what_the_benchmark_lacks(finished: Path) -> None:
    page = (finished / "report.html").read_text()
    assert 'no-thumbnail">' not in page
    for name in ("exact", "length ratio"):
        assert re.search(name, page, re.IGNORECASE)
    assert "F1" not in page


def test_a_second_call_measures_nothing(installed: dict[str, str], finished: Path) -> None:
    done = run(
        *(installed, "snakemake", "submission", "-n", "--cores", 4),
        *("--configfile", TOY / "config.yaml", "--directory", finished.parent),
    )
    assert "Nothing to be done" in done.stdout + done.stderr


def test_a_category_has_its_own_scenarios_and_every_command_is_told(
    installed: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "phones.yaml"
    path.write_text("extends: toy\nname: phones\ncategories: {edge: {scenarios: {single-stream: {}}}}\n")
    done = run(
        *(installed, "snakemake", "submission", "-n", "-p", "--cores", 1, "--directory", tmp_path / "run"),
        *("--configfile", TOY / "config.yaml", "--config", f"round={path}", "category=edge"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "results/single-stream/verdict.json" in done.stdout
    assert "results/offline" not in done.stdout
    told = set(re.findall(r"--round (\S+)", done.stdout))
    assert told == {f"{path}@edge"}


def test_without_its_package_the_round_is_not_known(tmp_path: Path) -> None:
    plain = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"}
    done = run(
        plain,
        *("snakemake", "-n", "--cores", 1, "--configfile", TOY / "config.yaml", "--directory", tmp_path),
    )
    assert done.returncode == 2
    assert "round 'toy' does not exist" in done.stderr
