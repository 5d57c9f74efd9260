"""Fetching the questions of MMLU: from a hub, from a folder, or made up; and what is refused."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_server import COMMIT, REPO, TREE, Fault, Hub, serving
from question_files import rows_of, write_mmlu, write_split

from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.artifacts.hub import Repository
from weighbridge.artifacts.proof import Proof
from weighbridge.config.artifact_settings import Artifact
from weighbridge.config.fingerprint import fingerprint
from weighbridge.config.quality_settings import MMLU_DATASET
from weighbridge.quality.questions import read_questions

PIN = Artifact(repo=REPO, revision=COMMIT)
FILES = ["all/dev-00000-of-00001.parquet", "all/test-00000-of-00001.parquet"]


@pytest.fixture(scope="module")
def mmlu(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mmlu")
    write_mmlu(folder)
    return folder


@pytest.fixture
def hub(tmp_path: Path, mmlu: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    files = {path: (mmlu / path).read_bytes() for path in FILES}
    others = ("README.md", "all/validation-00000-of-00001.parquet", "anatomy/test-00000-of-00001.parquet")
    with serving(Hub(files | dict.fromkeys(others, b"x" * 2000))) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        for name in ("HF_TOKEN", "HUGGINGFACE_HUB_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        yield hub


def fetch(folder: Path, artifact: Artifact) -> subprocess.CompletedProcess[str]:
    """Fetch as the workflow does."""
    options = {
        "--kind": "mmlu",
        "--settings": fingerprint("fetch", artifact=artifact),
        "--into": str(folder / "mmlu"),
        "--proof": str(folder / "mmlu.json"),
    }
    command = [sys.executable, "-m", "weighbridge", "fetch"]
    return subprocess.run(
        [*command, *(each for option in options.items() for each in option)],
        capture_output=True,
        text=True,
        check=False,
    )


def refusal(folder: Path, artifact: Artifact) -> str:
    done = fetch(folder, artifact)
    assert done.returncode in (2, 3)
    assert not (folder / "mmlu.json").exists()
    return done.stderr.splitlines()[-1]


def test_only_the_questions_of_all_subjects_are_fetched(tmp_path: Path, hub: Hub) -> None:
    done = fetch(tmp_path, PIN)
    assert done.returncode == 0, done.stderr
    assert "mmlu: 2 files proven" in done.stdout
    proof = Proof.read(tmp_path / "mmlu.json")
    assert (proof.kind, proof.repo, proof.revision) == ("mmlu", REPO, COMMIT)
    assert [file.path for file in proof.files] == FILES
    assert {seen.path for seen in hub.seen} == {TREE, *FILES}
    assert read_questions(proof.folder).available == 14_042


def test_the_hub_is_asked_for_a_dataset() -> None:
    repository = Repository(MMLU_DATASET, ArtifactKind.MMLU)
    assert "/datasets/cais/mmlu/resolve/c30699e8" in repository.url(FILES[0])
    assert repository.page.endswith("/datasets/cais/mmlu")


def test_a_dataset_without_a_question_is_refused_before_it_is_proven(
    tmp_path: Path, hub: Hub, mmlu: Path
) -> None:
    write_split(tmp_path / "damaged", "test", rows_of({"anatomy": 3}))
    hub.files[FILES[1]] = (tmp_path / "damaged" / FILES[1]).read_bytes()
    assert "has no question of abstract_algebra, and 56 of 57 subjects are missing" in refusal(tmp_path, PIN)
    del hub.files[FILES[1]]
    assert "has no file all/test-*.parquet" in refusal(tmp_path, PIN)


def test_errors_name_the_setting(tmp_path: Path, hub: Hub) -> None:
    hub.always[TREE] = Fault(status=404, headers={"X-Error-Code": "RepoNotFound"})
    assert f"mmlu {REPO}: {hub.url}/datasets/{REPO} does not exist" in refusal(tmp_path, PIN)
    twice = Artifact(repo="not/a/repo", revision=COMMIT)
    assert "quality.mmlu.dataset.repo is 'not/a/repo'" in refusal(tmp_path, twice)
    nowhere = Artifact(path=tmp_path / "nowhere")
    assert "quality.mmlu.dataset: path is" in refusal(tmp_path, nowhere)


def test_a_folder_is_proven_in_place(tmp_path: Path, mmlu: Path) -> None:
    lock = tmp_path / "lock.json"
    command = [sys.executable, "-m", "weighbridge", "lock", str(mmlu), "--out", str(lock)]
    subprocess.run(command, check=True, capture_output=True)
    done = fetch(tmp_path, Artifact(path=mmlu, manifest=lock))
    assert done.returncode == 0, done.stderr
    assert Proof.read(tmp_path / "mmlu.json").folder == mmlu
    assert not (tmp_path / "mmlu").exists()


def test_made_up_questions_need_no_benchmark(tmp_path: Path) -> None:
    done = fetch(tmp_path, Artifact(synthetic=3))
    assert done.returncode == 0, done.stderr
    proof = Proof.read(tmp_path / "mmlu.json")
    assert proof.folder == tmp_path / "mmlu-synthetic"
    assert [file.path for file in proof.files] == FILES
    found = read_questions(proof.folder)
    assert (found.name, found.available) == ("synthetic", 12)
    digest = proof.manifest_digest
    assert fetch(tmp_path, Artifact(synthetic=3)).returncode == 0
    assert json.loads((tmp_path / "mmlu.json").read_text())["manifest_digest"] == digest
