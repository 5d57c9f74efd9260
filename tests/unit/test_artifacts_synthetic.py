"""Synthetic artifacts: the number of samples, the columns that the task reads, and reproducibility."""

from pathlib import Path

import pytest

from weighbridge.artifacts.folder import ArtifactKind, check_contents
from weighbridge.artifacts.verify import describe
from weighbridge.benchmarks.qwen3_vl.synthetic import synthesise
from weighbridge.benchmarks.registry import load_benchmark
from weighbridge.config.artifact_settings import Artifact
from weighbridge.core.errors import InputError

ROOT = Path(__file__).parents[2]


def test_the_task_reads_a_synthetic_catalogue(tmp_path: Path) -> None:
    synthesise(ArtifactKind.DATASET, 103, tmp_path / "dataset")
    truth = (
        load_benchmark("qwen3-vl-235b-a22b")
        .task(ROOT / "rehearsal" / "prompt.json")
        .truth(tmp_path / "dataset", ("train", "test"))
    )
    assert len(truth) == 103
    assert all(row.category in row.candidates for row in truth.itertuples())


def test_the_same_number_gives_the_same_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        synthesise(ArtifactKind.DATASET, 20, tmp_path / name)
    assert describe(tmp_path / "one") == describe(tmp_path / "two")


def test_an_empty_model_is_accepted_and_a_synthetic_reference_refused(tmp_path: Path) -> None:
    synthesise(ArtifactKind.MODEL, 1, tmp_path / "model")
    check_contents(ArtifactKind.MODEL, tmp_path / "model")
    with pytest.raises(InputError, match="cannot be synthetic"):
        synthesise(ArtifactKind.REFERENCE, 1, tmp_path / "reference")


def test_a_synthetic_artifact_has_no_other_origin() -> None:
    with pytest.raises(InputError, match="'synthetic' excludes repo"):
        Artifact.parse({"synthetic": 5, "repo": "a/b", "revision": "0" * 40}, "artifact")
