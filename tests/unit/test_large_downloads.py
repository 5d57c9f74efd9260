"""How much is going to be downloaded, and what is announced of it."""

from pathlib import Path

import pytest

from weighbridge.artifacts.folder import WITHOUT_WEIGHTS, ArtifactKind
from weighbridge.artifacts.large_downloads import LARGE_BYTES, announced_downloads, missing_bytes
from weighbridge.artifacts.manifest import FileEntry, Manifest, write_lock
from weighbridge.config.artifact_settings import Artifact
from weighbridge.core.errors import SetupError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def locked(folder: Path, **sizes: int) -> Artifact:
    path = folder / "lock.json"
    files = tuple(FileEntry(path=name, size=size, sha256="0" * 64) for name, size in sizes.items())
    write_lock(path, Manifest(files=files))
    return Artifact(repo="someone/large", revision=COMMIT, manifest=path)


def test_what_is_on_disk_is_not_downloaded(tmp_path: Path) -> None:
    artifact = locked(tmp_path, one=3, two=LARGE_BYTES)
    assert missing_bytes(artifact, ArtifactKind.MODEL, tmp_path) == 3 + LARGE_BYTES
    (tmp_path / "one").write_bytes(b"abc")
    assert missing_bytes(artifact, ArtifactKind.MODEL, tmp_path) == LARGE_BYTES
    (tmp_path / "one").write_bytes(b"ab")
    assert missing_bytes(artifact, ArtifactKind.MODEL, tmp_path) == 3 + LARGE_BYTES


def test_only_large_downloads_are_announced(tmp_path: Path) -> None:
    small = {ArtifactKind.MODEL: locked(tmp_path, one=LARGE_BYTES)}
    assert announced_downloads(small, tmp_path / "resources", here=True) is None
    (tmp_path / "other").mkdir()
    more = small | {ArtifactKind.DATASET: locked(tmp_path / "other", one=1)}
    sentence = announced_downloads(more, tmp_path / "resources", here=True)
    assert sentence is not None
    assert sentence.startswith(
        "20.0 GB of the model someone/large and 1 bytes of the dataset someone/large would"
    )


def test_weights_that_endpoints_serve_are_no_download(tmp_path: Path) -> None:
    sizes = {"config.json": 5, "model-1.safetensors": LARGE_BYTES}
    model = {ArtifactKind.MODEL: locked(tmp_path, **sizes)}
    assert announced_downloads(model, tmp_path / "resources", here=True) is not None
    assert announced_downloads(model, tmp_path / "resources", here=True, without_weights=True) is None
    assert missing_bytes(model[ArtifactKind.MODEL], ArtifactKind.MODEL, tmp_path, WITHOUT_WEIGHTS) == 5


def test_no_question_where_nothing_is_downloaded(tmp_path: Path) -> None:
    model = Artifact(path=tmp_path, manifest=tmp_path / "lock.json")
    assert missing_bytes(model, ArtifactKind.MODEL, tmp_path) == 0
    assert missing_bytes(Artifact(synthetic=4), ArtifactKind.DATASET, tmp_path) == 0
    reference = Artifact(repo="mlcommons/inference", revision=COMMIT)
    assert missing_bytes(reference, ArtifactKind.REFERENCE, tmp_path) == 0


def test_an_unknown_size_is_announced_where_another_machine_downloads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    model = {ArtifactKind.MODEL: Artifact(repo="someone/large", revision=COMMIT)}
    with pytest.raises(SetupError, match="HF_HUB_OFFLINE forbids"):
        announced_downloads(model, tmp_path / "resources", here=True)
    sentence = announced_downloads(model, tmp_path / "resources", here=False)
    assert sentence is not None
    assert "the model someone/large (of a size not known here) would be downloaded" in sentence
