"""Proofs of folders that the user gives, and the cheap checks of what a folder must hold."""

from pathlib import Path

import pytest

from weighbridge.artifacts.folder import ArtifactKind, check_contents
from weighbridge.artifacts.manifest import write_lock
from weighbridge.artifacts.proof import Proof
from weighbridge.artifacts.resolve import resolve
from weighbridge.artifacts.verify import describe
from weighbridge.config.artifact_settings import Artifact
from weighbridge.config.fingerprint import ROOT_VARIABLE
from weighbridge.core.errors import InputError, SetupError


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def folder_with(tmp_path: Path, *paths: str) -> Path:
    folder = tmp_path / "artifact"
    folder.mkdir()
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)
    return folder


def unused(kind: ArtifactKind, samples: int, folder: Path) -> None:
    raise AssertionError(f"nothing is to be made up, and {samples} samples of a {kind} were, in {folder}")


def test_a_given_folder_is_proven_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_with(tmp_path, "config.json", "model.safetensors")
    manifest = describe(folder)
    write_lock(tmp_path / "lock.json", manifest)
    monkeypatch.chdir(tmp_path)
    artifact = Artifact(path=Path("artifact"), manifest=Path("lock.json"))
    made = resolve(artifact, ArtifactKind.MODEL, tmp_path / "unused", tmp_path / "proof.json", unused)
    assert Proof.read(tmp_path / "proof.json") == made
    assert made == Proof(
        kind=ArtifactKind.MODEL,
        folder=folder,
        repo=None,
        revision=None,
        manifest_digest=manifest.digest,
        files=manifest.files,
    )
    assert not (tmp_path / "unused").exists()


def proof_of(folder: Path) -> Proof:
    return Proof(
        kind=ArtifactKind.MODEL, folder=folder, repo=None, revision=None, manifest_digest="0" * 64, files=()
    )


@pytest.mark.parametrize("place", ["run/resources/model", "demo/model"], ids=["fetched", "given"])
def test_a_proof_holds_in_a_moved_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    root, moved = tmp_path / "checkout", tmp_path / "moved"
    (root / "run" / "resources").mkdir(parents=True)
    monkeypatch.setenv(ROOT_VARIABLE, str(root))
    proof_of(root / place).write(root / "run" / "resources" / "model.json")
    assert str(root) not in (root / "run" / "resources" / "model.json").read_text()
    root.rename(moved)
    monkeypatch.setenv(ROOT_VARIABLE, str(moved))
    assert Proof.read(moved / "run" / "resources" / "model.json") == proof_of(moved / place)


def test_a_fetched_artifact_moves_with_its_run_directory_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path / "checkout"))
    (tmp_path / "run").mkdir()
    proof_of(tmp_path / "run" / "model").write(tmp_path / "run" / "model.json")
    (tmp_path / "run").rename(tmp_path / "copy")
    assert Proof.read(tmp_path / "copy" / "model.json").folder == tmp_path / "copy" / "model"


def test_a_folder_elsewhere_stays_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path / "checkout"))
    proof_of(Path("/data/model")).write(tmp_path / "run" / "model.json")
    assert Proof.read(tmp_path / "run" / "model.json").folder == Path("/data/model")


def test_no_proof_is_written_of_a_folder_that_differs(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, "config.json", "model.safetensors")
    write_lock(tmp_path / "lock.json", describe(folder))
    (folder / "config.json").write_text("other")
    with pytest.raises(SetupError, match="not as locked"):
        resolve(
            Artifact(path=folder, manifest=tmp_path / "lock.json"),
            ArtifactKind.MODEL,
            tmp_path,
            tmp_path / "proof.json",
            unused,
        )
    assert not (tmp_path / "proof.json").exists()


def test_a_given_folder_needs_a_lock(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, "config.json", "model.safetensors")
    with pytest.raises(InputError, match=r"weighbridge lock .* artifacts\.model\.manifest"):
        resolve(Artifact(path=folder), ArtifactKind.MODEL, tmp_path, tmp_path / "proof.json", unused)


@pytest.mark.parametrize(
    ("kind", "paths", "says"),
    [
        (ArtifactKind.MODEL, ["config.json"], r"without weights \(\*\.safetensors\)"),
        (ArtifactKind.MODEL, ["model.safetensors", "sub/config.txt"], r"without config\.json"),
        (ArtifactKind.DATASET, ["data/train.csv"], r"without Parquet or JSON files"),
        (ArtifactKind.REFERENCE, ["README.md"], r"without Python sources"),
    ],
)
def test_a_folder_that_lacks_the_essential_is_refused_at_once(
    tmp_path: Path, kind: ArtifactKind, paths: list[str], says: str
) -> None:
    with pytest.raises(SetupError, match=says):
        check_contents(kind, folder_with(tmp_path, *paths))


@pytest.mark.parametrize(
    ("kind", "paths"),
    [
        (ArtifactKind.MODEL, ["config.json", "model-00001-of-00002.safetensors"]),
        (ArtifactKind.DATASET, ["data/train-00000-of-00001.parquet"]),
        (ArtifactKind.REFERENCE, ["tools/check.py"]),
    ],
)
def test_a_folder_with_the_essential_is_accepted(
    tmp_path: Path, kind: ArtifactKind, paths: list[str]
) -> None:
    check_contents(kind, folder_with(tmp_path, *paths))


def test_a_missing_folder_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"does not exist; correct artifacts\.dataset\.path"):
        check_contents(ArtifactKind.DATASET, tmp_path / "nowhere")


def test_a_folder_of_links_is_proven_through_them(tmp_path: Path) -> None:
    blobs = folder_with(tmp_path, "one", "two")
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "snapshot" / "config.json").symlink_to(blobs / "one")
    (tmp_path / "snapshot" / "a.safetensors").symlink_to(blobs / "two")
    assert [entry.size for entry in describe(tmp_path / "snapshot").files] == [3, 3]
    check_contents(ArtifactKind.MODEL, tmp_path / "snapshot")
