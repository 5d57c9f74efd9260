"""The RO-Crate of a run directory: readable with the library, complete, correct and reproducible."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loadgen_files import record_values, seal, small_round, write_results
from rocrate.rocrate import ROCrate

from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.artifacts.manifest import FileEntry
from weighbridge.artifacts.proof import Proof
from weighbridge.config.scenario_rules import Mode
from weighbridge.core.errors import InputError
from weighbridge.core.files import sha256_of
from weighbridge.provenance import CRATE, write_crate

ROUND = small_round()
REVISION = "a" * 40
SNAKEFILE = "submission/closed/ACME/src/qwen3-vl-235b-a22b/Snakefile"
PRODUCTS = ("summary.json", "report.html", "submission.tar.gz", "check.txt", "originals/originals.json")


def _proof(kind: ArtifactKind, folder: Path, repo: str | None) -> Proof:
    return Proof(
        kind=kind,
        folder=folder,
        repo=repo,
        revision=REVISION if repo else None,
        manifest_digest="b" * 64,
        files=(FileEntry(path="x", size=7, sha256="c" * 64), FileEntry(path="y", size=3, sha256="d" * 64)),
    )


@pytest.fixture
def results(tmp_path: Path) -> Path:
    results = tmp_path / "results"
    write_results(results, ROUND)
    for name in (SNAKEFILE, *PRODUCTS, "server/performance/telemetry.parquet"):
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        (results / name).write_text(f"this is {name}")
    return results


def _write(results: Path) -> dict[str, dict[str, Any]]:
    artifacts = [
        _proof(ArtifactKind.MODEL, results, "Qwen/Some-Model"),
        _proof(ArtifactKind.DATASET, results, None),
        _proof(ArtifactKind.REFERENCE, results, "mlcommons/inference"),
    ]
    write_crate(results, artifacts, "ACME")
    graph = json.loads((results / CRATE).read_text())["@graph"]
    entities = {entity["@id"]: entity for entity in graph}
    assert len(entities) == len(graph), "an id is there twice"
    return entities


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if value.keys() == {"@id"}:
            yield value["@id"]
        else:
            for part in value.values():
                yield from _references(part)
    elif isinstance(value, list):
        for part in value:
            yield from _references(part)


def test_the_library_reads_it_back(results: Path) -> None:
    _write(results)
    crate = ROCrate(results)
    assert crate.root_dataset["name"] == "Benchmark of round small by ACME"
    assert "demonstration" in crate.root_dataset["description"]
    assert crate.root_dataset["datePublished"] == "2026-01-01T00:01:00Z"
    assert crate.mainEntity.id == SNAKEFILE
    assert crate.mainEntity.lang.name == "Snakemake"
    profiles = {profile.id for profile in crate.root_dataset["conformsTo"]}
    assert {"https://w3id.org/ro/wfrun/process/0.5", "https://w3id.org/ro/wfrun/workflow/0.5"} < profiles
    stated = {entity["@id"] for entity in crate.metadata.properties()["conformsTo"]}
    assert "https://w3id.org/ro/crate/1.1" in stated
    assert {part.id for part in crate.root_dataset["hasPart"]} >= {*PRODUCTS, "server/verdict.json"}


def test_every_file_that_it_names_is_there_with_its_size_and_hash(results: Path) -> None:
    files = {name: entity for name, entity in _write(results).items() if "File" in entity["@type"]}
    assert len(files) > 20
    assert "server/performance/telemetry.parquet" in files
    for name, entity in files.items():
        path = results / name
        assert path.is_file()
        assert int(entity["contentSize"]) == path.stat().st_size
        assert entity["sha256"] == sha256_of(path)


def test_every_reference_leads_to_an_entity(results: Path) -> None:
    entities = _write(results)
    referred = set(_references([*entities.values()]))
    assert {name for name in referred if not name.startswith("https://")} <= entities.keys()
    assert {"#submitter", "#requests", SNAKEFILE} <= referred


def test_the_inputs_are_named_with_their_pins(results: Path) -> None:
    entities = _write(results)
    model = entities[f"https://huggingface.co/Qwen/Some-Model/tree/{REVISION}/"]
    assert (model["@type"], model["version"]) == ("Dataset", REVISION)
    assert entities[model["identifier"]["@id"]]["value"] == "b" * 64
    assert model["description"].startswith("2 files, 10 bytes")
    assert f"https://github.com/mlcommons/inference/tree/{REVISION}/" in entities
    assert entities["#dataset"]["@type"] == "CreativeWork"
    used = set(_references(entities["#run-offline-accuracy"]["object"]))
    assert used == {model["@id"], "#requests"}
    assert set(_references(entities["#requests"]["isBasedOn"])) == {"#dataset"}  # these runs had no prompt


def test_a_prompt_is_an_input_where_the_runs_had_one(results: Path) -> None:
    for path in results.glob("*/*/run.json"):
        record = json.loads(path.read_text())
        record["pins"]["prompt"] = "e" * 64
        path.write_text(json.dumps(record))
    entities = _write(results)
    assert entities["#prompt"]["sha256"] == "e" * 64
    assert set(_references(entities["#requests"]["isBasedOn"])) == {"#dataset", "#prompt"}


def test_a_run_names_agent_times_place_and_software(results: Path) -> None:
    entities = _write(results)
    run = entities["#run-server-performance"]
    assert (run["startTime"], run["endTime"]) == ("2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z")
    assert entities[run["agent"]["@id"]]["name"] == "ACME"
    assert entities[run["location"]["@id"]]["name"] == "node"
    software = [entities[name] for name in _references(run["instrument"])]
    assert [(program["name"], program["softwareVersion"]) for program in software] == [
        ("Weighbridge", "0.1.0"),
        ("MLCommons LoadGen", ROUND.loadgen_rules.versions[-1]),
        ("vLLM", "0.12.0"),
    ]
    assert software[0]["sha256"] == "c" * 64
    assert "0" * 40 in software[0]["description"]
    assert "server/performance/mlperf_log_detail.txt" in set(_references(run["result"]))
    assert run["actionStatus"].endswith("/CompletedActionStatus")


def test_verdict_and_score_are_values_too(results: Path) -> None:
    entities = _write(results)
    assert entities["#outcome-server"]["value"] == "VALID"
    assert (entities["#rate-server"]["value"], entities["#rate-server"]["unitText"]) == (19.5, "queries/s")
    assert entities["#accuracy-offline"]["value"] == 0.79
    made = set(_references(entities["#verdict-server"]["result"]))
    assert made == {"server/verdict.json", "#outcome-server", "#rate-server", "#accuracy-server"}


def test_a_run_that_ended_early_has_failed(results: Path) -> None:
    folder = results / "offline" / Mode.ACCURACY
    values = record_values(ROUND, "offline", Mode.ACCURACY)
    values["load"]["aborted"] = "the server died"
    seal(folder, values)
    run = _write(results)["#run-offline-accuracy"]
    assert run["actionStatus"].endswith("/FailedActionStatus")
    assert run["error"] == "the server died"


def test_the_same_files_give_the_same_bytes_with_no_path_of_this_machine(results: Path) -> None:
    _write(results)
    first = (results / CRATE).read_bytes()
    for path in results.rglob("*"):
        os.utime(path, (1, 1))
    _write(results)
    assert (results / CRATE).read_bytes() == first
    text = first.decode()
    assert str(results.parent) not in text
    assert not re.search(r'"@id": "(/|file:|\.\.)', text)


def test_without_a_tree_the_crate_describes_the_runs_alone(results: Path) -> None:
    (results / SNAKEFILE).unlink()
    entities = _write(results)
    assert entities["./"]["conformsTo"] == {"@id": "https://w3id.org/ro/wfrun/process/0.5"}
    assert "mainEntity" not in entities["./"]
    assert "#workflow" not in entities
    assert {"@id": "summary.json"} in entities["./"]["hasPart"]


def test_without_a_run_there_is_no_crate(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no run"):
        write_crate(tmp_path, [], "ACME")
