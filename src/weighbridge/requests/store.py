"""The request store: every sample's ready-to-send body in one file, built once and mapped by every worker.

A store is a folder:
  bodies.bin     the JSON bodies, one after the other
  index.bin      offsets of the bodies: n + 1 little-endian int64 (format 1: the same as index.npy)
  manifest.json  what they were made from, and their hash

Each body is PREFIX + prompt + SUFFIX. Prefix (model name) and suffix (sampling) are the same for all and
stand in the manifest, so another model's name or an endpoint's extras can be put around the same prompts.
"""

import hashlib
import json
import multiprocessing
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, Literal

import numpy as np
import PIL
from numpy.typing import NDArray
from pydantic import Field, model_validator

from weighbridge.benchmarks.registry import load_benchmark
from weighbridge.config.settings import RequestSettings
from weighbridge.core.errors import InputError, SetupError
from weighbridge.core.files import sha256_of, write_atomic
from weighbridge.core.models import Model
from weighbridge.core.openai_api import Api
from weighbridge.core.parquet import split_files
from weighbridge.requests.bodies import BODIES_FILE, INDEX_FILE, Bodies
from weighbridge.requests.encoding import ROWS_PER_CHUNK, Encoder, bodies_of, chunks_of, encode, envelope

MANIFEST_FILE = "manifest.json"
_INDEX_FILE_OF_FORMAT_1 = "index.npy"
_BENCHMARK_OF_FORMAT_1 = "qwen3-vl-235b-a22b"

Buffer = bytes | memoryview
Progress = Callable[[int, int], None]


class StoreOrigin(Model):
    """What a store's bodies are made from."""

    dataset: dict[str, str] = Field(default={}, description="Files of the dataset and their sha256.")
    prompt_sha256: str = Field(default="", description="Of the prompt's file; empty: there is none.")
    benchmark: str
    api: Api = Api.CHAT
    model_name: str
    settings: RequestSettings = RequestSettings()
    pillow: str = Field(default=PIL.__version__, description="Another release may encode pictures otherwise.")
    prefix: str = Field(description="What every body starts with, up to its prompt.")
    suffix: str = Field(description="What every body ends with, after its prompt.")


class StoreManifest(StoreOrigin):
    """A store's origin, and what it holds."""

    format: Literal[1, 2] = 2
    count: int
    bodies_bytes: int
    bodies_sha256: str

    @model_validator(mode="before")
    @classmethod
    def _convert_format_1(cls, data: Any) -> Any:
        """Name the benchmark of a store of format 1, which knew one benchmark and named its task."""
        if isinstance(data, dict) and data.get("format") == 1 and "task" in data:
            rest = {key: value for key, value in data.items() if key != "task"}
            return rest | {"benchmark": _BENCHMARK_OF_FORMAT_1}
        return data

    @property
    def dataset_digest(self) -> str:
        """One hash over the dataset's files."""
        return hashlib.sha256(json.dumps(self.dataset, sort_keys=True).encode()).hexdigest()


class RequestStore:
    """A built store, open for reading."""

    def __init__(self, path: Path, manifest: StoreManifest, bodies: Bodies) -> None:
        self.path = path
        self.manifest = manifest
        self._bodies = bodies

    @classmethod
    def open(cls, path: Path) -> "RequestStore":
        """Map a store.

        Raises:
            InputError: the store is missing, incomplete, or does not match its manifest.
        """
        if not (path / MANIFEST_FILE).is_file():
            raise InputError(f"{path}: no request store; build it with 'weighbridge build-requests'.")
        manifest = StoreManifest.read(path / MANIFEST_FILE)
        if manifest.format == 1:
            _add_index(path)
        bodies = Bodies(path)
        if len(bodies) != manifest.count or bodies.total_bytes != manifest.bodies_bytes:
            raise InputError(
                f"{path}: holds {len(bodies)} bodies of {bodies.total_bytes} bytes, its manifest says "
                f"{manifest.count} of {manifest.bodies_bytes}; build the requests again."
            )
        return cls(path, manifest, bodies)

    def __len__(self) -> int:
        return self.manifest.count

    def body(self, index: int) -> memoryview:
        """Return one sample's body, without copying it."""
        return self._bodies[index]

    def sizes(self) -> NDArray[np.int64]:
        """Sizes of all bodies, in bytes."""
        return np.diff(np.asarray(self._bodies.offsets))

    def verify(self) -> None:
        """Hash all bodies.

        Raises:
            InputError: they are not the bytes that the manifest names.
        """
        if sha256_of(self.path / BODIES_FILE) != self.manifest.bodies_sha256:
            raise InputError(f"{self.path / BODIES_FILE}: changed since it was built; build it again.")


def build_store(
    *,
    dataset: Path,
    splits: tuple[str, ...],
    prompt: Path | None,
    benchmark: str,
    model_name: str,
    settings: RequestSettings,
    expected_samples: int,
    out: Path,
    processes: int,
    progress: Progress | None = None,
) -> StoreManifest:
    """Encode every sample of a dataset and write the store, in parallel, whole or not at all.

    Args:
        dataset: Folder of Parquet files as the hub lays them out.
        splits: Splits in the order that numbers the samples.
        prompt: The benchmark's prompt file, where it has one.
        benchmark: Name of the benchmark that makes the prompts.
        model_name: Name under which the server knows the model.
        settings: Streaming, picture mode, sampling parameters.
        expected_samples: Samples that the round wants.
        out: The store's folder; an older store there is replaced.
        processes: Encoding processes.
        progress: Told the samples done and the samples in all.

    Raises:
        InputError: files, columns or pictures that cannot be read, or another number of samples.
        SetupError: an encoding process was killed.
    """
    files = split_files(dataset, splits)
    task = load_benchmark(benchmark).task(prompt)  # a wrong prompt fails here, not within a pool
    prefix, suffix = envelope(task, model_name, settings)
    out.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.parts.") as parts,
        ProcessPoolExecutor(
            processes,
            multiprocessing.get_context("spawn"),
            Encoder.install,
            (benchmark, prompt, settings, prefix.encode(), suffix.encode()),
        ) as pool,
    ):
        chunks = list(chunks_of(files, Path(parts)))
        samples = sum(chunk.stop - chunk.start for chunk in chunks)
        if samples != expected_samples:
            raise InputError(
                f"{dataset}: {samples} samples in the splits {', '.join(splits)}, the round wants "
                f"{expected_samples}; fetch the dataset again or choose another round."
            )
        hashes = [pool.submit(sha256_of, file) for file in files]

        def origin() -> StoreOrigin:
            names = (str(file.relative_to(dataset)) for file in files)
            return StoreOrigin(
                dataset=dict(zip(names, (digest.result() for digest in hashes), strict=True)),
                prompt_sha256="" if prompt is None else sha256_of(prompt),
                benchmark=benchmark,
                api=task.api,
                model_name=model_name,
                settings=settings,
                prefix=prefix,
                suffix=suffix,
            )

        try:
            sizes = zip(chunks, pool.map(encode, chunks), strict=True)
            bodies = (body for chunk, found in sizes for body in bodies_of(chunk, found))
            return write_store(out, _counted(bodies, samples, progress), origin)
        except BrokenProcessPool:
            raise SetupError(
                f"one of {processes} encoding processes died, of too little memory perhaps; use fewer."
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def write_store(out: Path, bodies: Iterable[Buffer], origin: Callable[[], StoreOrigin]) -> StoreManifest:
    """Write bodies as a store beside `out`, then move it there in one step.

    Args:
        out: The store's folder; an older store there is replaced.
        bodies: The complete bodies, in the order of the samples.
        origin: Tells what they were made from; asked once they are written.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    try:
        offsets, digest = [0], hashlib.sha256()
        with (unfinished / BODIES_FILE).open("wb", buffering=1 << 20) as stream:
            for body in bodies:
                stream.write(body)
                digest.update(body)
                offsets.append(offsets[-1] + len(body))
        (unfinished / INDEX_FILE).write_bytes(np.array(offsets, dtype="<i8").tobytes())
        manifest = StoreManifest(
            **origin().model_dump(),
            count=len(offsets) - 1,
            bodies_bytes=offsets[-1],
            bodies_sha256=digest.hexdigest(),
        )
        # Last: a store without a manifest is refused, so this line is what makes it one.
        write_atomic(unfinished / MANIFEST_FILE, manifest.model_dump_json(indent=2) + "\n")
        unfinished.chmod(0o755)
        if out.exists():
            shutil.rmtree(out)
        unfinished.rename(out)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return manifest


def _add_index(store: Path) -> None:
    """Write the index of a store of format 1 as format 2 has it: its bodies are the same, no run is repeated.

    Raises:
        InputError: the old index cannot be read, or the folder cannot be written.
    """
    if (store / INDEX_FILE).exists():
        return
    try:
        offsets = np.load(store / _INDEX_FILE_OF_FORMAT_1)
        write_atomic(store / INDEX_FILE, offsets.astype("<i8", casting="no").tobytes())
    except (OSError, EOFError, ValueError, TypeError) as error:
        raise InputError(
            f"{store}: a request store of an older release, whose {_INDEX_FILE_OF_FORMAT_1} cannot be "
            f"converted ({error}); make the folder writable, or build the requests again."
        ) from None


def _counted(bodies: Iterable[Buffer], total: int, progress: Progress | None) -> Iterator[Buffer]:
    for done, body in enumerate(bodies, start=1):
        yield body
        if progress is not None and (done % ROWS_PER_CHUNK == 0 or done == total):
            progress(done, total)
