"""Encode a dataset's rows as request bodies, in chunks that processes encode in parallel."""

import json
import signal
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq

from weighbridge.benchmarks.protocol import Task
from weighbridge.benchmarks.registry import load_benchmark
from weighbridge.config.request_settings import RequestSettings
from weighbridge.core.dataset_files import DatasetSamples
from weighbridge.core.errors import InputError
from weighbridge.core.parent_death import die_with_parent
from weighbridge.core.parquet import refusing_damage

ROWS_PER_CHUNK = 128  # about 16 MB of bodies


def envelope(task: Task, model_name: str, settings: RequestSettings) -> tuple[str, str]:
    """Return the JSON text before and after the prompt, which is the same in every request."""
    before, after = task.envelope(model_name, settings)
    head = _json(before)[:-1]
    tail = f",{_json(after)[1:]}" if after else "}"
    return f'{head}{"," if before else ""}"{task.api.prompt_field}":', tail


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True)
class Chunk:
    """Rows of one Parquet row group.

    Attributes:
        file: The Parquet file.
        named: What errors name: the file or, where it was made of the dataset's, the dataset.
        columns: Its columns that requests are built from.
        group: Index of the row group in the file.
        start, stop: Range of rows in the row group.
        sample: Index of the first row among all samples.
        part: File for the encoded bodies.
    """

    file: Path
    named: Path
    columns: tuple[str, ...]
    group: int
    start: int
    stop: int
    sample: int
    part: Path


def chunks_of(samples: DatasetSamples, columns: Iterable[str], parts: Path) -> Iterator[Chunk]:
    """Yield the chunks of a dataset in the order of its samples.

    Args:
        samples: The samples.
        columns: Columns that requests are built from; those that the dataset lacks are left out.
        parts: Folder for the parts, and for a copy of datasets that are not Parquet.

    Raises:
        InputError: a column is missing, or a file is damaged.
    """
    held = tuple(column for column in columns if column not in samples.lacks)
    sample = 0
    for file in samples.as_parquet(held, parts):
        named = file if file in samples.files else samples.dataset
        with refusing_damage(file), pq.ParquetFile(file) as parquet:
            metadata = parquet.metadata
        for group in range(metadata.num_row_groups):
            rows = metadata.row_group(group).num_rows
            for start in range(0, rows, ROWS_PER_CHUNK):
                stop = min(start + ROWS_PER_CHUNK, rows)
                yield Chunk(file, named, held, group, start, stop, sample, parts / str(sample))
                sample += stop - start


def first_of(chunks: Iterable[Chunk], samples: int) -> list[Chunk]:
    """Return the chunks of the first samples, the last one cut where they end."""
    kept = (chunk for chunk in chunks if chunk.sample < samples)
    return [replace(chunk, stop=min(chunk.stop, chunk.start + samples - chunk.sample)) for chunk in kept]


@dataclass(frozen=True)
class Encoder:
    """Encoder of rows, installed once per encoding process.

    Attributes:
        task: The benchmark's task.
        settings: The request settings.
        prefix, suffix: Bytes of a body before and after its prompt.
    """

    task: Task
    settings: RequestSettings
    prefix: bytes
    suffix: bytes

    @classmethod
    def install(
        cls,
        parent: int,
        benchmark: str,
        prompt: Path | None,
        model: Path | None,
        settings: RequestSettings,
        prefix: bytes,
        suffix: bytes,
    ) -> None:
        """Create this process's encoder, and end with the parent; the initializer of a process pool."""
        die_with_parent(parent)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C and stops the pool
        global _encoder  # a pool's initializer can pass results only through a global
        _encoder = cls(load_benchmark(benchmark).task(prompt, model), settings, prefix, suffix)

    def body(self, row: Mapping[str, Any]) -> bytes:
        """Return the request body of one row of the dataset."""
        # The same bytes as json.dumps, in a tenth of the time: an image is 110 KB of text.
        return self.prefix + msgspec.json.encode(self.task.prompt_of(row, self.settings)) + self.suffix


_encoder: Encoder


def encode(chunk: Chunk) -> list[int]:
    """Encode a chunk's rows in order into its part file; return the sizes of the bodies in bytes.

    The bodies go through a file because a pipe between processes would add a tenth of the encoding time.

    Raises:
        InputError: a row lacks a value or cannot be encoded; the message names the sample.
    """
    sizes = []
    with chunk.part.open("wb", buffering=0) as part:
        for number, row in enumerate(_rows(chunk), start=chunk.sample):
            try:
                body = _encoder.body(row)
            except (InputError, TypeError, KeyError, ValueError, AttributeError) as error:
                raise InputError(f"{chunk.named}: sample {number}: {error}; use another dataset.") from None
            written = part.write(body)
            if written < len(body):
                part.write(body[written:])  # a disk that fills up takes a part, and says so at the next write
            sizes.append(len(body))
    return sizes


def bodies_of(chunk: Chunk, sizes: Iterable[int]) -> Iterator[memoryview]:
    """Read and delete an encoded chunk's part file; yield the bodies."""
    content = memoryview(chunk.part.read_bytes())
    chunk.part.unlink()
    for size in sizes:
        yield content[:size]
        content = content[size:]


def _rows(chunk: Chunk) -> list[dict[str, Any]]:
    table = _row_group(chunk.file, chunk.group, chunk.columns).slice(chunk.start, chunk.stop - chunk.start)
    with refusing_damage(chunk.file):
        rows: list[dict[str, Any]] = table.to_pylist()
    return rows


@lru_cache(maxsize=1)  # neighbouring chunks share a row group
def _row_group(file: Path, group: int, columns: tuple[str, ...]) -> Any:
    with refusing_damage(file), pq.ParquetFile(file) as parquet:
        missing = [name for name in columns if name not in parquet.schema_arrow.names]
        if missing:
            raise InputError(f"{file}: the column '{missing[0]}' is missing; use the round's dataset.")
        return parquet.read_row_group(group, columns=list(columns), use_threads=False)
