"""A running endpoint first: what is needed of its model, told early, and shared between run directories."""

import json
import socket
from pathlib import Path

import pytest
from driver import Workflow
from small_run import DONE, SmallRun, planned

from weighbridge.artifacts.proof import Proof
from weighbridge.core.files import sha256_of


def test_only_the_configuration_of_the_model_is_proven(finished: SmallRun) -> None:
    proof = Proof.read(finished.workflow.directory / "resources" / "model.json")
    assert proof.without_weights
    paths = {entry.path for entry in proof.files}
    assert {"config.json", "tokenizer.json"} <= paths
    assert not [path for path in paths if "safetensors" in path]
    crate = json.loads((finished.results / "ro-crate-metadata.json").read_text())
    assert "Without the weights" in json.dumps(crate)


def test_a_server_that_is_started_fetches_the_rest(finished: SmallRun) -> None:
    assert DONE in finished("submission", "-n")
    started = finished.changes | {"server": {"endpoints": [], "golden": None}}
    plan = finished.workflow("submission", "-n", **started)
    assert plan.code == 0, plan.text
    assert planned(plan.text)["fetch"] == 1


def test_a_dead_url_is_told_before_anything_is_fetched(workflow: Workflow) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    answer = workflow("verdicts", server={"endpoints": url, "endpoints_timeout_s": 0.5})
    assert answer.code != 0
    assert f"the server at {url} did not answer within server.endpoints_timeout_s (0.5 s)" in answer.text
    left = {path.name for path in (workflow.directory / "resources").iterdir()}
    assert not left & {"model.json", "dataset.json", "reference.json", "requests"}


@pytest.mark.parametrize("model_name", [None, "another"])
def test_a_second_run_directory_takes_the_requests_of_the_first(
    finished: SmallRun, tmp_path: Path, model_name: str | None
) -> None:
    first, cache = finished.workflow.directory, finished.workflow.directory.parent / "stores"
    second = SmallRun(tmp_path / "run")
    server = second.changes["server"]
    assert isinstance(server, dict)
    renamed = {} if model_name is None else {"model_name": model_name}
    target = "resources/requests/manifest.json"
    changes = {"server": server | renamed, "requests": {"cache": str(cache)}}
    second(target, **changes)
    log = (tmp_path / "run" / "logs" / "build-requests.log").read_text()
    assert ("the prompts of" if model_name else "the requests of") in log
    stores = [folder / "resources" / "requests" for folder in (first, tmp_path / "run")]
    hashes = [sha256_of(store / "bodies.bin") for store in stores]
    assert (hashes[0] == hashes[1]) == (model_name is None)
    # Snakemake has touched the outputs; neither directory is out of date for it.
    assert DONE in second(target, "-n", **changes)
    assert DONE in finished("submission", "-n")
    # What Snakemake deletes is a name of the files, and not the files.
    (stores[1] / "bodies.bin").unlink()
    assert sha256_of(stores[0] / "bodies.bin") == hashes[0]
