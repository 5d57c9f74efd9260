"""Inputs that were damaged after they were proven, or stand where another thing should."""

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from weighbridge.artifacts.manifest import read_lock
from weighbridge.artifacts.proof import Proof
from weighbridge.artifacts.verify import describe
from weighbridge.benchmarks.rounds import load_round
from weighbridge.cli.artifacts import lock
from weighbridge.config.request_settings import RequestSettings
from weighbridge.core.dataset_files import DatasetSamples, read_columns
from weighbridge.core.errors import InputError
from weighbridge.core.files import sha256_of
from weighbridge.loadgen.logs import read_answers, read_detail, read_validity
from weighbridge.requests.encoding import chunks_of
from weighbridge.requests.store import build_store
from weighbridge.submission.checker import check_submission

PROOF = {
    "kind": "dataset", "folder": "x", "folder_starts_at": "proof", "repo": None, "revision": None,
    "manifest_digest": "c" * 64, "files": [],
}  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"folder_starts_at": ["proof"]},
        {"folder_starts_at": {}},
        {"folder": None},
        {"folder": ["x"]},
        {"files": [{"path": "../../x", "size": 1, "sha256": "d" * 64}]},
        {"files": [{"path": "x", "size": 1.0, "sha256": "d" * 64}]},
        {"files": [{"path": "x", "size": True, "sha256": "d" * 64}]},
        {"files": [{"path": "/x", "size": 1, "sha256": "d" * 64}]},
        {"kind": "thing"},
    ],
    ids=str,
)
def test_a_proof_that_is_none(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "proof.json"
    path.write_text(json.dumps(PROOF | change))
    with pytest.raises(InputError, match=f"^{path}"):
        Proof.read(path)


def test_a_lock_that_is_a_folder_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be read .*; write a lock with 'weighbridge lock"):
        read_lock(tmp_path)


@pytest.mark.parametrize(
    "name", ["mlperf_log_detail.txt", "mlperf_log_accuracy.json", "mlperf_log_summary.txt"]
)
@pytest.mark.parametrize("kind", ["pipe", "zeros", "folder"])
def test_a_log_that_is_no_ordinary_file(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / name
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "zeros":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    for read in (read_detail, read_validity, lambda each: read_answers(each, 1)):
        with pytest.raises(InputError, match="cannot be read"):
            read(path)
    with pytest.raises(OSError, match=r"ordinary file|Is a directory"):
        sha256_of(path)


@pytest.mark.parametrize("kind", ["file", "empty"])
def test_nothing_is_locked_where_there_is_no_folder_with_files(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "folder"
    if kind == "file":
        folder.touch()
    else:
        folder.mkdir()
    with pytest.raises(InputError, match="no folder with files to lock"):
        lock(folder, tmp_path / "lock.json")
    assert not (tmp_path / "lock.json").exists()


def test_a_tree_that_is_a_pipe_is_no_archive(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "tree")
    with pytest.raises(InputError, match="neither a folder nor an archive"):
        check_submission(tmp_path / "tree", load_round("v6.0"))


def _dataset(folder: Path) -> Path:
    file = folder / "train.parquet"
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.table({"text": [f"text {number}" for number in range(2000)]}), file, compression="none")
    return file


@pytest.mark.parametrize("damage", ["empty", "cut", "page", "folder", "missing"])
def test_a_damaged_parquet_file_is_one_sentence(tmp_path: Path, damage: str) -> None:
    file = _dataset(tmp_path / "data")
    content = file.read_bytes()
    if damage in ("folder", "missing"):
        file.unlink()
        if damage == "folder":
            file.mkdir()
    else:
        page = content[:4] + b"\xff" * 60 + content[64:]
        file.write_bytes({"empty": b"", "cut": content[: len(content) // 2], "page": page}[damage])
    with pytest.raises(InputError, match="parquet") as caught:
        read_columns(tmp_path / "data", ["train"], ["text"])
    assert "\n" not in str(caught.value)
    if damage != "page":  # which only reading the rows shows
        with pytest.raises(InputError, match="cannot be read as Parquet"):
            list(chunks_of(DatasetSamples(file.parent, (file,)), ("text",), tmp_path))


def test_a_dataset_that_changed_after_its_proof_makes_no_store(root: Path, tmp_path: Path) -> None:
    dataset = root / "demo" / "dataset"
    proven = {entry.path: entry.sha256 for entry in describe(dataset, full=True).files}
    first = next(iter(proven))
    with pytest.raises(InputError, match=f"{first}: changed since its proof was written"):
        build_store(
            dataset=dataset,
            splits=("test",),
            prompt=root / "demo" / "prompt.json",
            benchmark="qwen3-vl-235b-a22b",
            model_name="m",
            settings=RequestSettings(),
            expected_samples=96,
            out=tmp_path / "requests",
            processes=1,
            proven=proven | {first: "0" * 64},
        )
    assert not (tmp_path / "requests").exists()
    assert list(tmp_path.iterdir()) == []
