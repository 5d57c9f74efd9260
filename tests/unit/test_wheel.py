"""The package is complete in itself: a wheel in a fresh environment works without a checkout."""

import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from loadgen_files import small_round, write_results, write_run

from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.scenario_rules import Mode

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).parent / "uv"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def weighbridge(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the program of an environment that has the wheel, and borrows the dependencies from ours.

    The borrowed folder's own .pth files are not read, so our editable installation does not reach it.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    install = [UV, "pip", "install", "--quiet", "--offline", "--no-deps", "--python", python, wheel]
    subprocess.run(install, check=True, capture_output=True)
    [site] = folder.glob("lib/python*/site-packages")
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "weighbridge"


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def _run(program: Path, folder: Path, *arguments: str | Path) -> str:
    """Run the program in a folder with nothing of the checkout; return what it printed."""
    command = [str(argument) for argument in (program, *arguments)]
    done = subprocess.run(
        command, cwd=folder, env=_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_what_the_package_reads_and_no_demo(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {entry.filename: entry.file_size for entry in archive.infolist()}
    ours = {
        path.relative_to(ROOT / "src").as_posix()
        for path in (ROOT / "src" / "weighbridge").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    inside = {name for name in packed if ".dist-info/" not in name}
    assert {
        name for name in ours - inside if not re.match(r"weighbridge/benchmarks/\w+/demo/", name)
    } == set()
    assert not [name for name in inside if "/demo/" in name]
    assert sum(packed.values()) < 4 * 2**20


def test_it_is_the_wheel_that_runs(weighbridge: Path, tmp_path: Path) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", _run(weighbridge, tmp_path, "--version"))
    where = "import weighbridge; print(weighbridge.__file__)"
    assert _run(weighbridge.with_name("python"), tmp_path, "-c", where).startswith(
        str(weighbridge.parents[1])
    )


def test_anyone_s_logs_are_judged_by_a_round_of_the_package(weighbridge: Path, tmp_path: Path) -> None:
    write_run(tmp_path / "logs", load_round("v6.0"), "server", Mode.PERFORMANCE)
    told = _run(weighbridge, tmp_path, "gate", "--logs", "logs", "--round", "v6.0")
    assert "UNPROVEN" in told
    assert "19.5 queries/s" in told


def test_runs_are_compared_with_the_published_results(weighbridge: Path, tmp_path: Path) -> None:
    write_results(tmp_path / "run" / "results", small_round(name="v6.0"))
    _run(weighbridge, tmp_path, "compare", "run", "--output", "comparison.json")
    compared = (tmp_path / "comparison.json").read_text()
    assert "24.0" in compared
    assert "43.7662" in compared


def test_requests_are_built_simulated_and_scored(weighbridge: Path, tmp_path: Path) -> None:
    demo = ROOT / "demo"
    artifact = {"path": str(demo / "dataset"), "manifest": str(demo / "locks" / "demo-dataset.json")}
    common = ("--round", "demo", "--dataset", "dataset.json", "--prompt", demo / "prompt.json")
    fetched = ("--kind", "dataset", "--artifact", json.dumps(artifact), "--proof", "dataset.json")
    _run(weighbridge, tmp_path, "fetch", *fetched, "--into", "dataset")
    model = '{"model_name": "m"}'
    _run(weighbridge, tmp_path, "build-requests", *common, "--server", model, "--out", "s")
    command = [str(each) for each in (weighbridge, "simulate", *common, "--store", "s")]
    server = subprocess.Popen(
        command, cwd=tmp_path, env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        assert server.stdout.readline().startswith("http://127.0.0.1:")
    finally:
        server.send_signal(signal.SIGINT)
        _, errors = server.communicate(timeout=30)
    assert "Traceback" not in errors
    write_run(tmp_path / "results", load_round("demo"), "offline", Mode.ACCURACY)
    _run(weighbridge, tmp_path, "evaluate", *common, "--logs", "results/offline/accuracy", "--out", "scored")
    assert json.loads((tmp_path / "scored" / "accuracy.json").read_text())["score"]["unparsable"] > 0


def test_an_endpoint_is_measured_without_a_checkout(weighbridge: Path, tmp_path: Path) -> None:
    behaviour = '{"servers": 8, "mean_s": 0.05}'
    command = [weighbridge, "simulate", "--model-name", "tiny", "--behaviour", behaviour]
    server = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        options = ("--blocks=1", "--seconds=0.2", "--levels=4", "--output=4", "--images=1", "--out=here")
        told = _run(weighbridge, tmp_path, "bench", url, *options)
    finally:
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=30)
    assert "closed-4" in told
    assert (
        json.loads((tmp_path / "here" / "comparison.json").read_text())["systems"]["A"]["model_name"]
        == "tiny"
    )
    assert (tmp_path / "here" / "report.html").is_file()
