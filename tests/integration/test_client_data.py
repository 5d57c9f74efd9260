"""Rows of a dataset, made by the function of a client in a proven checkout: the stand-in's."""

import base64
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from stand_in import PRESET, ROWS, make_client, write_round

from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.artifacts.manifest import write_lock
from weighbridge.artifacts.proof import Proof
from weighbridge.artifacts.resolve import resolve
from weighbridge.artifacts.verify import describe
from weighbridge.benchmarks.qwen3_vl.synthetic import synthesise
from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.artifact_settings import Artifact
from weighbridge.config.round import Round
from weighbridge.core.errors import InputError, SetupError
from weighbridge.endpoints.client_environment import client_environment
from weighbridge.endpoints.dataset_rows import link_rows, make_rows, proven_rows

SAMPLES = 80  # more than one batch


@dataclass(frozen=True)
class Made:
    """A client, a dataset, and the rows that were made of it."""

    folder: Path
    round_: Round
    client: Proof
    dataset: Proof
    proof: Path


def prove(folder: Path, kind: ArtifactKind, pin: Artifact) -> Proof:
    return resolve(pin, kind, folder / kind, folder / f"{kind}.json")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("rows")
    commit = make_client(folder / "checkout")
    pin = Artifact(repo="some/client", revision=commit, path=folder / "checkout")
    # The smaller dataset has one split: all its rows are in `train`.
    synthesise(ArtifactKind.DATASET, round(SAMPLES / 0.8), folder / "dataset")
    write_lock(folder / "lock.json", describe(folder / "dataset", full=True))
    dataset = Artifact(path=folder / "dataset", manifest=folder / "lock.json")
    made = Made(
        folder,
        load_round(str(write_round(folder / "round.yaml", commit, samples=SAMPLES))),
        prove(folder, ArtifactKind.CLIENT, pin),
        prove(folder, ArtifactKind.DATASET, dataset),
        folder / "client-data" / "dataset-8k.json",
    )
    make_rows(made.round_, "interactive", made.client, made.dataset, made.proof)
    return made


def test_rows_are_made_in_order_where_the_client_looks(made: Made) -> None:
    rows = proven_rows(made.proof)
    assert (rows.preset, rows.path, rows.rows) == (PRESET, ROWS, SAMPLES)
    assert rows.dataset_sha256 == made.dataset.manifest_digest
    assert rows.client_commit == made.client.revision
    written = pq.read_table(made.proof.with_suffix("") / ROWS).to_pylist()
    samples = pq.read_table(next((made.folder / "dataset").rglob("train-*.parquet"))).to_pylist()
    for row, sample in zip(written, samples, strict=True):
        assert row["product_title"] == sample["product_title"]
        assert json.loads(row["potential_product_categories"]) == sample["potential_product_categories"]
        assert row["product_image_format"] == "JPEG"
        assert base64.b64decode(row["product_image_base64"])[:3] == b"\xff\xd8\xff"


def test_rows_are_linked_into_the_folder_that_the_client_runs_in(made: Made, tmp_path: Path) -> None:
    link_rows(proven_rows(made.proof), made.proof, tmp_path)
    link = tmp_path / "dataset_cache" / ROWS
    assert link.is_symlink()
    assert pq.read_metadata(link).num_rows == SAMPLES


def test_changed_rows_are_refused(made: Made, tmp_path: Path) -> None:
    table = pq.read_table(made.proof.with_suffix("") / ROWS)
    file, proof = tmp_path / "dataset-8k" / ROWS, tmp_path / "dataset-8k.json"
    proof.write_bytes(made.proof.read_bytes())
    with pytest.raises(InputError, match=f"{file}.*; delete {proof}, and they are made again"):
        proven_rows(proof)
    file.parent.mkdir(parents=True)
    # Packed otherwise, the same rows; in another order, or one of them less, others.
    pq.write_table(table, file, row_group_size=7, compression="zstd")
    assert proven_rows(proof) == proven_rows(made.proof)
    for wrong in (table.take(pa.array([1, 0, *range(2, SAMPLES)])), table.slice(1)):
        pq.write_table(wrong, file)
        with pytest.raises(InputError, match="these are not the rows of their proof"):
            proven_rows(proof)
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(InputError, match="the file is damaged"):
        proven_rows(proof)


def test_another_dataset_name_or_count_is_refused(made: Made, tmp_path: Path) -> None:
    scenario = made.round_.scenarios["interactive"]
    assert scenario.endpoints is not None
    drive = scenario.endpoints.model_copy(update={"dataset": "nobody::q3vl"})
    scenarios = {"interactive": scenario.model_copy(update={"endpoints": drive})}
    unknown = made.round_.model_copy(update={"scenarios": scenarios})
    with pytest.raises(InputError, match="nobody::q3vl: the client has no dataset of this name"):
        make_rows(unknown, "interactive", made.client, made.dataset, tmp_path / "rows.json")
    larger = {"8k": made.round_.further_datasets["8k"].model_copy(update={"samples": SAMPLES + 1})}
    more = made.round_.model_copy(update={"further_datasets": larger})
    with pytest.raises(
        InputError, match=f"there are {SAMPLES} samples in train, and the round has {SAMPLES + 1}"
    ):
        make_rows(more, "interactive", made.client, made.dataset, tmp_path / "rows.json")
    assert not (tmp_path / "rows.json").exists()


def test_a_client_of_another_commit_or_changed_since_is_refused(made: Made, tmp_path: Path) -> None:
    other = made.client.model_copy(update={"revision": "f" * 40})
    with pytest.raises(
        InputError, match=f"is of commit {'f' * 40}, but round stand-in accepts {made.client.revision}"
    ):
        make_rows(made.round_, "interactive", other, made.dataset, tmp_path / "rows.json")
    added = made.client.folder / "src" / "pandas.py"
    added.touch()
    with pytest.raises(SetupError, match=r"changed since it was proven: src/pandas\.py: not of the commit"):
        make_rows(made.round_, "interactive", made.client, made.dataset, tmp_path / "rows.json")
    added.unlink()


def test_a_dataset_changed_since_is_refused(made: Made, tmp_path: Path) -> None:
    file = next((made.folder / "dataset").rglob("train-*.parquet"))
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    with pytest.raises(SetupError, match="is not as locked"):
        make_rows(made.round_, "interactive", made.client, made.dataset, tmp_path / "rows.json")
    file.write_bytes(whole)


def test_the_clients_code_sees_nothing_of_the_user(tmp_path: Path) -> None:
    user = {"PATH": "/bin", "HF_TOKEN": "secret", "HOME": "/home/user", "PYTHONPATH": "/theirs"}
    seen = client_environment(tmp_path / "tree", tmp_path / "home", user)
    assert "secret" not in seen.values()
    assert seen["PATH"] == "/bin"
    assert seen["PYTHONPATH"] == str(tmp_path / "tree" / "src")
    assert seen["HOME"] == str(tmp_path / "home")
    assert sys.prefix not in "".join(seen.values())
