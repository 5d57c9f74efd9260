"""`weighbridge init`: what it writes is valid, and runs as its last lines say."""

import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from driver import BIN, Workflow, run_weighbridge
from planner import planner

from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.round_settings import check_against_round
from weighbridge.config.settings import Settings
from weighbridge.core.models import read_data
from weighbridge.core.plain_data import merged


def initialised(root: Path, out: Path, *arguments: str) -> tuple[list[list[str]], dict[str, object]]:
    """Return the calls at the end of the file that the command writes, and what it says."""
    done = run_weighbridge(root, "init", *arguments, "--out", str(out))
    assert done.code == 0, done.text
    text = out.read_text()
    calls = [shlex.split(line.removeprefix("#")) for line in text.splitlines()[-3:]]
    return calls, yaml.safe_load(text)


def test_an_endpoint_is_asked_for_its_model_and_the_dry_run_is_as_the_file_says(
    root: Path, tmp_path: Path
) -> None:
    out = tmp_path / "mine.yaml"
    command = [str(BIN / "weighbridge"), "simulate", "--model-name", "tiny"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            url = server.stdout.readline().strip()
            calls, written = initialised(root, out, "endpoint", "--endpoint", url)
        finally:
            server.terminate()
    none = {"gpus": 0, "replicas": 1, "tensor_parallel_size": 1, "args": []}
    assert written["server"] == none | {"endpoints": [url], "model_name": "tiny"}
    doctor, listing, running = calls
    assert doctor[:2] == ["weighbridge", "doctor"]
    assert running == ["weighbridge", "submit", "--directory", "runs/mine", "--config", str(out)]
    assert listing == ["snakemake", "-n", "submission", *running[2:4], "--configfile", str(out)]
    again = run_weighbridge(root, "init", "endpoint", "--out", str(out))
    assert again.code == 2
    assert "exists and is not overwritten" in again.text
    place = listing.index("--directory") + 1
    words = [str(BIN / "snakemake"), *listing[1:place], str(tmp_path / "run"), *listing[place + 1 :]]
    code, printed = planner().plan(words, root, Workflow(root, tmp_path).environment)
    assert code == 0, printed
    assert "rule search_peak" in printed


@pytest.mark.parametrize(
    ("arguments", "gpus", "shards"),
    [
        (("node", "--gpus", "4"), 4, 4),
        (("node", "--gpus", "8", "--model", "mine"), 8, 4),
        (("slurm", "--benchmark", "llama3.1-8b/v6.0", "--category", "edge"), 8, 1),
        (("node", "--gpus", "8", "--benchmark", "v6.1-endpoints"), 8, 4),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else None,
)
def test_what_is_written_for_a_node_or_slurm_is_valid(
    root: Path, tmp_path: Path, arguments: tuple[str, ...], gpus: int, shards: int
) -> None:
    calls, written = initialised(root, tmp_path / "mine.yaml", *arguments)
    files = [word for word in calls[1] if word.endswith(".yaml")]
    data = read_data(root / "config.yaml")
    for file in files:
        data = merged(data, read_data(root / file))
    settings = Settings.parse(data, "mine", context={"root": root})
    assert (settings.server.gpus, settings.server.tensor_parallel_size) == (gpus, shards)
    assert set(written["scenarios"]) <= set(settings.scenarios)
    # With the artifacts that the round needs.
    check_against_round(settings, load_round(settings.round, settings.category))
    for call in calls[1:]:
        assert ("--profile" in call) == (arguments[0] == "slurm")


def test_without_a_project_it_says_where_to_go(tmp_path: Path) -> None:
    done = run_weighbridge(tmp_path, "init")
    assert done.code == 2
    assert "weighbridge bench URL" in done.text
    (tmp_path / "config.yaml").write_text("server: {}\n")
    done = run_weighbridge(tmp_path, "init")
    assert done.code == 2
    assert "config.yaml: names no round; add it there, or choose one by --benchmark." in done.text
