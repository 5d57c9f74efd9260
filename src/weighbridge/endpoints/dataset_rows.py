"""The rows that the official client reads in place of the hub: made by its own function, proven, linked."""

import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from glob import escape
from pathlib import Path

import pyarrow.parquet as pq
from pydantic import Field

import weighbridge
from weighbridge.artifacts.manifest import Manifest
from weighbridge.artifacts.proof import Proof
from weighbridge.artifacts.verify import verify
from weighbridge.config.round import Round
from weighbridge.config.round_of_scenario import round_of_scenario
from weighbridge.core.dataset_files import split_files
from weighbridge.core.errors import InputError, SetupError
from weighbridge.core.files import write_atomic
from weighbridge.core.models import Model, Sha256
from weighbridge.core.parent_death import die_with_parent
from weighbridge.core.parquet import refusing_damage
from weighbridge.endpoints.client_checkout import checkout_of_round
from weighbridge.endpoints.client_environment import client_environment
from weighbridge.endpoints.rows_hash import RowsHash
from weighbridge.records.client_rows import ClientRows

log = logging.getLogger(__name__)

# Where the client looks, in the folder that it runs in.
_CACHE = "dataset_cache"
_BATCH_ROWS = 256
_PROGRAM = "weighbridge.endpoints.row_maker"


class RowsOrder(Model):
    """What the program that makes rows is asked for."""

    preset: str
    files: tuple[Path, ...] = Field(description="Parquet files of the samples, in the samples' order.")
    samples: int = Field(description="How many of the first are made into rows.")
    cache: Path = Field(description="Folder in which the client would look for the file of rows.")


class RowsMade(Model):
    """The file of rows that it wrote."""

    path: str = Field(description="Below the cache.")
    rows: int
    sha256: Sha256


class RowsAnswer(Model):
    """What it answers: the rows, or why it makes none."""

    made: RowsMade | None = None
    refused: str | None = None


def make_rows(round_: Round, scenario: str, client: Proof, dataset: Proof, proof: Path) -> ClientRows:
    """Make the file of rows that the client would make of the hub's dataset, from a proven dataset.

    The function that makes a row of a sample is the client's own, run from its proven checkout by this
    interpreter, whose environment has the client's packages. Rows lie in the folder beside the proof.

    Args:
        round_: The round.
        scenario: A scenario with the dataset.
        client: Proof of the client.
        dataset: Proof of the dataset.
        proof: The file to write, after everything else has succeeded.

    Raises:
        InputError: the client is no checkout of a commit of the round, or knows no such dataset; the dataset
            has fewer samples than the round, or not in Parquet.
        SetupError: the client or the dataset is not as it was proven, or the client's packages are missing.
    """
    of_scenario = round_of_scenario(round_, scenario)
    drive = round_.scenario(scenario).endpoints
    if drive is None:
        raise InputError(f"round {round_.name}: the official client does not drive {scenario}; name another.")
    tree = _proven_tree(client, round_)
    order = RowsOrder(
        preset=drive.dataset,
        files=tuple(_proven_files(dataset, of_scenario.splits)),
        samples=of_scenario.samples,
        cache=proof.with_suffix("").resolve(),
    )
    made = _made(order, tree, round_.client)
    if made.rows != order.samples:
        raise InputError(
            f"{dataset.folder}: there are {made.rows:,} samples in {', '.join(of_scenario.splits)}, and the "
            f"round has {order.samples:,}; use the round's dataset."
        )
    rows = ClientRows(
        preset=order.preset,
        path=made.path,
        rows=made.rows,
        sha256=made.sha256,
        dataset_sha256=dataset.manifest_digest,
        client_commit=str(client.revision),
    )
    write_atomic(proof, rows.model_dump_json(indent=1) + "\n")
    return rows


def proven_rows(proof: Path) -> ClientRows:
    """Read the proof of rows, and hash the rows that lie beside it.

    Raises:
        InputError: the proof or its file is missing, or the rows are not those of the proof.
    """
    rows = ClientRows.read(proof)
    file = _file_of(rows, proof)
    if not file.is_file():
        raise InputError(f"{file}: the rows are missing; delete {proof}, and they are made again.")
    found = RowsHash()
    with refusing_damage(file), pq.ParquetFile(file) as parquet:
        for batch in parquet.iter_batches(_BATCH_ROWS):
            found.add(batch)
    if (found.rows, found.hexdigest()) != (rows.rows, rows.sha256):
        raise InputError(
            f"{file}: these are not the rows of their proof ({found.rows:,} of sha256 {found.hexdigest()} in "
            f"place of {rows.rows:,} of {rows.sha256}); delete {proof}, and they are made again."
        )
    return rows


def link_rows(rows: ClientRows, proof: Path, working: Path) -> None:
    """Link proven rows to where the client looks for them in the folder that it runs in.

    Raises:
        OSError: the link cannot be made.
    """
    link = working / _CACHE / rows.path
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(_file_of(rows, proof))


def _file_of(rows: ClientRows, proof: Path) -> Path:
    return proof.with_suffix("").resolve() / rows.path


def _proven_tree(client: Proof, round_: Round) -> Path:
    checked_out = checkout_of_round(client, round_)
    if checked_out.modified:
        raise SetupError(
            f"{client.folder}: the client was changed since it was proven: {checked_out.changed[0]}; delete "
            "its proof, and fetch it again."
        )
    return checked_out.folder


def _proven_files(dataset: Proof, splits: Sequence[str]) -> list[Path]:
    files = split_files(dataset.folder, splits)
    other = [file for file in files if file.suffix != ".parquet"]
    if other:
        raise InputError(
            f"{other[0]}: the client's function takes samples of Parquet files; use the round's dataset."
        )
    paths = [file.relative_to(dataset.folder).as_posix() for file in files]
    proven = Manifest(files=tuple(entry for entry in dataset.files if entry.path in paths))
    verify(dataset.folder, proven, only=[escape(path) for path in paths])
    return files


def _made(order: RowsOrder, tree: Path, environment_name: str) -> RowsMade:
    """Make rows in a process that sees the client's source, and nothing of the user's."""
    ours = str(Path(weighbridge.__file__).parents[1])
    with tempfile.TemporaryDirectory(prefix="weighbridge-") as scratch:
        home = Path(scratch)
        asked, answer = home / "order.json", home / "answer.json"
        asked.write_text(order.model_dump_json())
        environment = client_environment(tree, home, os.environ)
        environment["PYTHONPATH"] += f"{os.pathsep}{ours}"
        parent, said = os.getpid(), ""
        with subprocess.Popen(
            [sys.executable, "-m", _PROGRAM, str(asked), str(answer)],
            env=environment,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=lambda: die_with_parent(parent, signal.SIGKILL),
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                said = line.strip() or said
                log.info("%s", line.rstrip())
        if process.returncode != 0:
            raise SetupError(
                f"{tree}: the client's code made no rows of {order.preset} ({said}); it needs the client's "
                f"environment, which 'make setup-{environment_name}' makes, and ran with {sys.executable}."
            )
        answered = RowsAnswer.read(answer)
    if answered.made is None:
        raise InputError(answered.refused or f"{order.preset}: no rows were made.")
    return answered.made
