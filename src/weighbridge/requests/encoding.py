"""From a dataset's rows to complete request bodies, in parallel: what a chunk is and how it is encoded."""

import base64
import io
import json
import signal
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import msgspec
import pyarrow.parquet as pq
from PIL import Image, ImageOps

from weighbridge.benchmarks.registry import Task, load_task
from weighbridge.config.settings import RequestSettings
from weighbridge.core.errors import InputError

ROWS_PER_CHUNK = 128  # a row group as the hub writes them, so that it is read once; some 16 MB of bodies
_ORIENTATION = 0x0112  # EXIF tag


def envelope(model_name: str, settings: RequestSettings) -> tuple[str, str]:
    """Make the JSON text before and after the messages, as the reference's client writes it.

    Unset sampling parameters are sent as null, max_tokens only when set. Source: task.py of
    multimodal/qwen3-vl in mlcommons/inference, and the body that its OpenAI client makes of it.
    """
    before: dict[str, object] = {"model": model_name}
    after = {
        name: value
        for name, value in settings.sampling.model_dump().items()
        if name != "max_tokens" or value is not None
    }
    after["response_format"] = None
    if settings.stream:
        before["stream"] = True
        after["stream_options"] = {"include_usage": True}
    return f'{_json(before)[:-1]},"messages":', f",{_json(dict(sorted(after.items())))[1:]}"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def picture_url(content: bytes, mode: Literal["reencode", "original"]) -> str:
    """Make the data URL of a picture.

    'reencode' decodes and saves it again with Pillow's defaults (a JPEG loses a little), and turns it upright
    first, as `datasets` does when it decodes: the bytes that the reference sends.

    Raises:
        InputError: the bytes are no picture that Pillow reads.
    """
    try:
        with Image.open(io.BytesIO(content)) as picture:
            kind = picture.format
            if mode == "reencode":
                picture.load()
                upright = ImageOps.exif_transpose(picture) if _ORIENTATION in picture.getexif() else picture
                buffer = io.BytesIO()
                upright.save(buffer, format=kind)
                content = buffer.getvalue()
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(f"a picture cannot be decoded ({error})") from None
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


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
    picture: Literal["reencode", "original"]
    prefix: bytes
    suffix: bytes

    @classmethod
    def install(
        cls, task: str, prompt: Path, picture: Literal["reencode", "original"], prefix: bytes, suffix: bytes
    ) -> None:
        """Prepare this process; a pool runs it once in each of its own."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which ends the pool in order
        global _encoder  # a pool's initializer has no other place to leave it
        _encoder = cls(load_task(task, prompt), picture, prefix, suffix)

    def body(self, row: Mapping[str, Any]) -> bytes:
        """Encode one row of the dataset."""
        url = None
        if self.task.picture_column is not None:
            url = picture_url(row[self.task.picture_column]["bytes"], self.picture)
        # The same bytes as json's, at a tenth of its time: a picture is 110 KB of text.
        return self.prefix + msgspec.json.encode(self.task.messages(row, url)) + self.suffix


_encoder: Encoder


def encode(chunk: Chunk) -> list[int]:
    """Encode a chunk's rows, in order, into its part; returns the sizes of the bodies.

    Through a file, because a pipe between processes would cost a tenth of the encoding again.

    Raises:
        InputError: a row lacks a value, or its picture cannot be decoded; names the sample.
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
    if _encoder.task.picture_column is not None:
        columns.append(_encoder.task.picture_column)
    with pq.ParquetFile(file) as parquet:
        missing = [name for name in columns if name not in parquet.schema_arrow.names]
        if missing:
            raise InputError(f"{file}: the column '{missing[0]}' is missing; this is another dataset.")
        return parquet.read_row_group(group, columns=columns, use_threads=False)
