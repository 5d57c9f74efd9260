"""From a dataset's rows to complete request bodies, in parallel: what a chunk is and how it is encoded."""

import json
import signal
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq

from weighbridge.benchmarks.protocol import Task
from weighbridge.benchmarks.registry import load_benchmark
from weighbridge.config.settings import RequestSettings
from weighbridge.core.errors import InputError

ROWS_PER_CHUNK = 128  # a row group as the hub writes them, so that it is read once; some 16 MB of bodies


def envelope(task: Task, model_name: str, settings: RequestSettings) -> tuple[str, str]:
    """Return the JSON text of every request before and after its prompt."""
    before, after = task.envelope(model_name, settings)
    head = _json(before)[:-1]
    tail = f",{_json(after)[1:]}" if after else "}"
    return f'{head}{"," if before else ""}"{task.api.prompt_field}":', tail


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True)
class Chunk:
    """Rows start to stop of one row group, the number of the first among all samples, and where they go."""

    file: Path
    group: int
    start: int
    stop: int
    sample: int
    part: Path


def chunks_of(files: Iterable[Path], parts: Path) -> Iterator[Chunk]:
    """Cut files into chunks, in the order that numbers the samples; `parts` is a folder for them."""
    sample = 0
    for file in files:
        metadata = pq.ParquetFile(file).metadata
        for group in range(metadata.num_row_groups):
            rows = metadata.row_group(group).num_rows
            for start in range(0, rows, ROWS_PER_CHUNK):
                stop = min(start + ROWS_PER_CHUNK, rows)
                yield Chunk(file, group, start, stop, sample, parts / str(sample))
                sample += stop - start


@dataclass(frozen=True)
class Encoder:
    """What an encoding process needs for every row; installed once a process."""

    task: Task
    settings: RequestSettings
    prefix: bytes
    suffix: bytes

    @classmethod
    def install(
        cls, benchmark: str, prompt: Path | None, settings: RequestSettings, prefix: bytes, suffix: bytes
    ) -> None:
        """Prepare this process; a pool runs it once in each of its own."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which ends the pool in order
        global _encoder  # a pool's initializer has no other place to leave it
        _encoder = cls(load_benchmark(benchmark).task(prompt), settings, prefix, suffix)

    def body(self, row: Mapping[str, Any]) -> bytes:
        """Encode one row of the dataset."""
        # The same bytes as json's, at a tenth of its time: a picture is 110 KB of text.
        return self.prefix + msgspec.json.encode(self.task.prompt_of(row, self.settings)) + self.suffix


_encoder: Encoder


def encode(chunk: Chunk) -> list[int]:
    """Encode a chunk's rows, in order, into its part; returns the sizes of the bodies.

    Through a file, because a pipe between processes would cost a tenth of the encoding again.

    Raises:
        InputError: a row lacks a value, or cannot be used; names the sample.
    """
    table = _row_group(chunk.file, chunk.group).slice(chunk.start, chunk.stop - chunk.start)
    sizes = []
    with chunk.part.open("wb", buffering=0) as part:
        for number, row in enumerate(table.to_pylist(), start=chunk.sample):
            try:
                sizes.append(part.write(_encoder.body(row)))
            except (InputError, TypeError, KeyError) as error:
                raise InputError(f"{chunk.file}: sample {number}: {error}; use another dataset.") from None
    return sizes


def bodies_of(chunk: Chunk, sizes: Iterable[int]) -> Iterator[memoryview]:
    """Read an encoded chunk's part and remove it; yields the bodies."""
    content = memoryview(chunk.part.read_bytes())
    chunk.part.unlink()
    for size in sizes:
        yield content[:size]
        content = content[size:]


@lru_cache(maxsize=1)  # neighbouring chunks share a row group
def _row_group(file: Path, group: int) -> Any:
    columns = [*_encoder.task.columns]
    with pq.ParquetFile(file) as parquet:
        missing = [name for name in columns if name not in parquet.schema_arrow.names]
        if missing:
            raise InputError(f"{file}: the column '{missing[0]}' is missing; this is another dataset.")
        return parquet.read_row_group(group, columns=columns, use_threads=False)
