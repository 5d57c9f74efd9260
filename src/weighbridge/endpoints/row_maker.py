"""The program that makes rows with the official client's own function; its source is on the path.

A few samples at a time are in memory, so that a dataset of any size can be made.
"""

import importlib
import logging
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Features, Image

from weighbridge.artifacts.transfer_progress import show_transfer
from weighbridge.core.errors import InputError
from weighbridge.core.files import write_atomic
from weighbridge.endpoints.dataset_rows import RowsAnswer, RowsMade, RowsOrder
from weighbridge.endpoints.rows_hash import RowsHash

Row = dict[str, Any]

_FUNCTION = "_process_sample_to_row"
_BATCH_ROWS = 64
_IMAGE_FIELDS = {"bytes", "path"}


def make(order: RowsOrder) -> RowsMade:
    """Write the file of rows where the client looks for it.

    Raises:
        InputError: the client has no such dataset, or not in the form that this program knows.
    """
    dataset, row_of = _of_client(order.preset)
    splits = "+".join(dataset.DEFAULT_SPLITS)
    path = Path(dataset.DATASET_ID) / splits / f"{dataset.DATASET_ID}_{splits}.parquet"
    file = order.cache / path
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.part")
    made = RowsHash()
    writer = None
    try:
        for rows in _batches(order, row_of):
            writer = writer or pq.ParquetWriter(part, pa.schema([(name, pa.string()) for name in rows[0]]))
            table = _table(rows, writer.schema, order.preset)
            writer.write_table(table)
            made.add(table)
    finally:
        if writer is not None:
            writer.close()
    if writer is None:
        raise InputError(f"{order.files[0].parent}: there are no samples; use the round's dataset.")
    part.replace(file)
    _check_place(dataset, order.cache, file)
    return RowsMade(path=path.as_posix(), rows=made.rows, sha256=made.hexdigest())


def _of_client(preset: str) -> tuple[Any, Callable[[Row], Row]]:
    """Return the client's class of a dataset, and its function that makes a row of a sample."""
    manager = importlib.import_module("inference_endpoint.dataset_manager")
    dataset = manager.Dataset.PREDEFINED.get(preset.partition("::")[0])
    function = getattr(sys.modules[dataset.__module__], _FUNCTION, None) if dataset else None
    if function is None or not hasattr(dataset, "DEFAULT_SPLITS"):
        raise InputError(
            f"{preset}: the client has no dataset of this name that {_FUNCTION} makes; correct the round."
        )
    return dataset, function


def _batches(order: RowsOrder, row_of: Callable[[Row], Row]) -> Iterator[list[Row]]:
    """Yield rows of the first samples, a few at a time; images are decoded and encoded on all cores."""
    files = [pq.ParquetFile(file) for file in order.files]
    count = min(order.samples, sum(file.metadata.num_rows for file in files))
    total_bytes = sum(file.stat().st_size for file in order.files)
    samples = islice((sample for file in files for sample in _samples(file)), count)
    with ThreadPoolExecutor() as pool, show_transfer("making rows", total_bytes) as advance:
        while batch := list(islice(samples, _BATCH_ROWS)):
            yield list(pool.map(lambda sample: row_of(sample()), batch))
            advance(total_bytes * len(batch) // count)


def _samples(file: pq.ParquetFile) -> Iterator[Callable[[], Row]]:
    """Yield what decodes each sample of a file as the library datasets does, images to those of Pillow.

    A file may not say that a column is an image; the dataset's card does so on the hub.
    """
    features = Features.from_arrow_schema(file.schema_arrow)
    for name, feature in features.items():
        if isinstance(feature, dict) and feature.keys() == _IMAGE_FIELDS:
            features[name] = Image()
    for batch in file.iter_batches(_BATCH_ROWS):
        for sample in batch.to_pylist():
            yield partial(features.decode_example, sample)


def _table(rows: list[Row], schema: pa.Schema, preset: str) -> pa.Table:
    for row in rows:
        if list(row) != schema.names or not all(isinstance(text, str | None) for text in row.values()):
            raise InputError(f"{preset}: the client makes rows that are not the same columns of text each.")
    return pa.Table.from_pylist(rows, schema=schema)


def _check_place(dataset: Any, cache: Path, file: Path) -> None:
    """Check by the client's own function that it reads this file, without reading all of it into memory."""
    read: list[Path] = []
    setattr(pd, "read_parquet", lambda path, *_, **__: read.append(Path(path)))  # noqa: B010 its type differs
    dataset.generate(datasets_dir=cache)
    if read != [file]:
        raise InputError(f"{file}: the client looks for its rows elsewhere: {', '.join(map(str, read))}.")


def main() -> None:
    """Read the order from the first argument's file, and write the answer into the second's."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    order, answer = RowsOrder.read(Path(sys.argv[1])), Path(sys.argv[2])
    try:
        answered = RowsAnswer(made=make(order))
    except InputError as error:
        answered = RowsAnswer(refused=str(error))
    write_atomic(answer, answered.model_dump_json())


if __name__ == "__main__":
    main()
