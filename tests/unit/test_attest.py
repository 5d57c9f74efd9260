"""What attestation.json says: subjects, inputs, verdicts by hashes; the same bytes again; never the key."""

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from attested_tree import RECORDS, Attested, write_attested
from tree_evidence import CLOSED, MODEL, build, inputs_in, write_judged

from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.artifacts.proof import Proof
from weighbridge.benchmarks.rounds import round_digest
from weighbridge.core.errors import InputError
from weighbridge.core.files import sha256_of
from weighbridge.provenance.attest import attest
from weighbridge.submission.tree import manifest_of


@pytest.fixture(scope="module")
def attested(tmp_path_factory: pytest.TempPathFactory) -> Attested:
    """Return an attested tree; tests must not change it."""
    return write_attested(tmp_path_factory.mktemp("attested"))


def _statement(path: Path) -> Any:
    return json.loads(b64decode(json.loads(path.read_text())["payload"]))


def test_the_archive_and_each_of_its_files_is_a_subject(attested: Attested) -> None:
    statement = _statement(attested.attestation)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    subjects = {each["name"]: each["digest"] for each in statement["subject"]}
    files = {entry.path: {"sha256": entry.sha256} for entry in manifest_of(attested.tree).files}
    assert subjects == {"tree.tar.gz": {"sha256": sha256_of(attested.archive)}, **files}


def test_what_it_was_made_from_stands_there_by_hashes(attested: Attested) -> None:
    predicate = _statement(attested.attestation)["predicate"]
    parameters = predicate["buildDefinition"]["externalParameters"]
    assert parameters == {
        "round": "qwen3-vl-235b-a22b/small",
        "division": "closed",
        "submitter": "Me",
        "system": "box",
    }
    made_from = {each["name"]: each for each in predicate["buildDefinition"]["resolvedDependencies"]}
    record = json.loads((attested.tree / RECORDS / "Server" / "performance.json").read_text())
    requests = json.loads((attested.tree / RECORDS / "requests.json").read_text())
    assert made_from["model"]["digest"] == {
        "gitCommit": MODEL.revision,
        "weighbridgeManifest": record["pins"]["model"],
    }
    assert made_from["model"]["uri"] == f"https://huggingface.co/{MODEL.repo}"
    assert made_from["requests"]["digest"] == {"sha256": requests["bodies_sha256"]}
    assert json.dumps(made_from["requests"]["annotations"]) == '{"count": 600, "bytes": 1}'
    assert made_from["round"]["digest"] == {"weighbridgeRound": round_digest(CLOSED)}
    assert made_from["code"]["digest"] == {
        "gitCommit": record["git_revision"],
        "weighbridgeCode": record["code_sha256"],
    }
    assert made_from["code"]["annotations"]["version"] == record["weighbridge_version"]
    verdicts = {each["name"]: each for each in predicate["runDetails"]["byproducts"]}
    verdict = verdicts["verdict on Server of box"]
    assert verdict["digest"] == {"sha256": sha256_of(attested.tree / RECORDS / "Server" / "verdict.json")}
    assert verdict["annotations"]["outcome"] == "VALID"


def test_the_lock_and_the_reference_are_named_where_there_are_any(tmp_path: Path) -> None:
    inputs = inputs_in(tmp_path)
    write_judged(tmp_path, inputs)
    lock = tmp_path / "project" / "requirements" / "workflow.lock"
    lock.parent.mkdir()
    lock.write_text("numpy==2\n")
    build(tmp_path, inputs)
    reference = Proof(
        kind=ArtifactKind.REFERENCE,
        folder=tmp_path,
        repo="mlcommons/inference",
        revision="b" * 40,
        manifest_digest="c" * 64,
        files=(),
    )
    path = tmp_path / "attestation.json"
    attest(tmp_path / "tree.tar.gz", CLOSED, reference=reference, signer=None, output=path)
    made_from = _statement(path)["predicate"]["buildDefinition"]["resolvedDependencies"]
    by_name = {each["name"]: each for each in made_from}
    assert by_name["packages in requirements/workflow.lock"]["digest"] == {"sha256": sha256_of(lock)}
    assert by_name["reference"]["uri"] == "https://github.com/mlcommons/inference"
    assert by_name["reference"]["digest"] == {"gitCommit": "b" * 40, "weighbridgeManifest": "c" * 64}


def test_a_checkout_with_changes_is_not_called_a_commit_and_runs_of_two_are_told_apart(
    tmp_path: Path,
) -> None:
    inputs = inputs_in(tmp_path)
    write_judged(tmp_path, inputs)
    path = tmp_path / "results" / "server" / "accuracy" / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"git_revision": f"{'1' * 40}-dirty"}))
    build(tmp_path, inputs)
    output = tmp_path / "attestation.json"
    attest(tmp_path / "tree.tar.gz", CLOSED, reference=None, signer=None, output=output)
    made_from = _statement(output)["predicate"]["buildDefinition"]["resolvedDependencies"]
    code = {each["name"]: each for each in made_from if each["name"].startswith("code")}
    assert len(code) == 2
    changed = code["code of box server accuracy"]
    assert "gitCommit" not in changed["digest"]
    assert changed["annotations"]["revision"] == f"{'1' * 40}-dirty"


def test_the_same_archive_and_key_give_the_same_bytes(attested: Attested, tmp_path: Path) -> None:
    before = attested.attestation.read_bytes()
    attested.attest()
    assert attested.attestation.read_bytes() == before


def test_the_key_is_in_no_file_that_was_written(attested: Attested) -> None:
    lines = [line for line in attested.key.read_text().splitlines() if not line.startswith("-----")]
    secret = b64decode("".join(lines))[-32:]
    for path in attested.root.rglob("*"):
        if path.is_file() and path != attested.key:
            content = path.read_bytes()
            assert lines[0].encode() not in content, path
            assert secret not in content, path
    payload = json.loads(attested.attestation.read_text())["payload"]
    assert secret not in b64decode(payload)


def test_a_tree_without_records_is_not_attested(attested: Attested, tmp_path: Path) -> None:
    loadgen = CLOSED.loadgen_rules.model_copy(update={"model": "another"})
    other = CLOSED.model_copy(update={"benchmark": "another", "loadgen": loadgen})
    with pytest.raises(InputError, match="holds no records of runs of round another/small"):
        attest(attested.archive, other, reference=None, signer=None, output=tmp_path / "a.json")
    with pytest.raises(InputError, match="is not an archive"):
        attest(attested.tree, CLOSED, reference=None, signer=None, output=tmp_path / "a.json")
    assert not (tmp_path / "a.json").exists()
