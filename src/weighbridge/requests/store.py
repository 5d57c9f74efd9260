"""Request store: every sample's complete request body in one file, built once and memory-mapped by workers.

A store is a folder:
  bodies.bin     the JSON bodies, concatenated
  index.bin      offsets of the bodies: n + 1 little-endian int64 (format 1: the same as index.npy)
  manifest.json  what the bodies were built from, and their hash

Each body is PREFIX + prompt + SUFFIX. Prefix (model name) and suffix (sampling) are the same for all bodies
and recorded in the manifest, so that other names or parameters can be put around the same prompts.
"""

import logging
import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import PIL
from numpy.typing import NDArray

from weighbridge.benchmarks.protocol import Task
from weighbridge.benchmarks.registry import check_requests, load_benchmark
from weighbridge.config.request_settings import RequestSettings
from weighbridge.core.dataset_files import DatasetSamples
from weighbridge.core.errors import InputError, SetupError
from weighbridge.core.files import sha256_of, write_atomic
from weighbridge.core.openai_api import AnswerKind, Api
from weighbridge.core.replaced_folder import replaced_folder
from weighbridge.records.store_manifest import MANIFEST_FILE, StoreManifest, StoreOrigin
from weighbridge.requests.bodies import INDEX_FILE, Bodies
from weighbridge.requests.encoding import (
    ROWS_PER_CHUNK,
    Encoder,
    bodies_of,
    chunks_of,
    encode,
    envelope,
    first_of,
)
from weighbridge.requests.sent_form import SentForm
from weighbridge.requests.written_store import Buffer, write_bodies

log = logging.getLogger(__name__)

_INDEX_FILE_OF_FORMAT_1 = "index.npy"

Progress = Callable[[int, int], None]


class RequestStore:
    """A request store, open for reading.

    Attributes:
        path: Its folder.
        manifest: What its bodies were built from.
        form: How they are sent.
    """

    def __init__(self, path: Path, manifest: StoreManifest, bodies: Bodies, form: SentForm) -> None:
        self.path: Path = path
        self.manifest = manifest
        self.form: SentForm = form
        self._bodies = bodies

    @classmethod
    def open(cls, path: Path, *, streamed: bool = False) -> "RequestStore":
        """Open and memory-map a store, for a run that needs streamed answers or any other use.

        Raises:
            InputError: the store is missing, incomplete, does not match its manifest, or cannot be streamed.
        """
        if not (path / MANIFEST_FILE).is_file():
            raise InputError(f"{path}: no request store; build it with 'weighbridge build-requests'.")
        manifest = StoreManifest.read(path / MANIFEST_FILE)
        if manifest.format == 1:
            _add_index(path)
        bodies = Bodies(path)
        if len(bodies) != manifest.count or bodies.total_bytes != manifest.bodies_bytes:
            raise InputError(
                f"{path}: contains {len(bodies)} bodies of {bodies.total_bytes} bytes, but its manifest "
                f"names {manifest.count} of {manifest.bodies_bytes}; build the requests again."
            )
        return cls(path, manifest, bodies, SentForm.of(manifest, path, streamed=streamed))

    def __len__(self) -> int:
        return self.manifest.count

    @property
    def api(self) -> Api:
        """The kind of request."""
        return self.manifest.api

    @property
    def answers(self) -> AnswerKind:
        """What of an answer is kept."""
        return self.manifest.answers

    @property
    def model_name(self) -> str:
        """The name that the requests ask for."""
        return self.manifest.model_name

    def body(self, index: int) -> memoryview:
        """Return one sample's body as it is stored, without copying it."""
        return self._bodies[index]

    def sizes(self) -> NDArray[np.int64]:
        """Return the size of each stored body in bytes, shape (n,)."""
        return np.diff(np.asarray(self._bodies.offsets))

    def sent(self, index: int) -> bytes:
        """Return one sample's body as it is sent."""
        return self.form.body(self._bodies[index])

    def sent_sizes(self) -> NDArray[np.int64]:
        """Return the size of each body as it is sent, in bytes, shape (n,)."""
        return self.sizes() + self.form.longer


def build_store(
    *,
    dataset: Path,
    splits: tuple[str, ...],
    prompt: Path | None,
    model: Path | None = None,
    streamed: bool = False,
    benchmark: str,
    model_name: str,
    settings: RequestSettings,
    expected_samples: int,
    first: int | None = None,
    out: Path,
    processes: int,
    proven: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> StoreManifest:
    """Encode every sample of a dataset in parallel and write the store, completely or not at all.

    Args:
        dataset: Folder of the dataset's Parquet files.
        splits: The dataset's splits, in the order of the samples.
        prompt: The benchmark's prompt file, if it has one.
        model: Folder of the model, whose tokenizer makes the prompts of some benchmarks.
        streamed: Record what streamed runs send around the same prompts.
        benchmark: Name of the benchmark.
        model_name: Name under which the model is served.
        settings: Streaming, image encoding and sampling parameters.
        expected_samples: Number of samples that the round requires of the dataset.
        first: Encode only this many of the first samples; None: all.
        out: The store's folder; an existing store is replaced.
        processes: Number of encoding processes.
        proven: sha256 of the dataset's files, from its proof; None: not compared.
        progress: Called with the number of samples done and the total.

    Raises:
        InputError: files, columns or images cannot be read, a file changed since its proof was written, the
            number of samples differs, or the benchmark cannot send what the settings ask for.
        SetupError: an encoding process was killed.
    """
    check_requests(benchmark, settings)
    task = load_benchmark(benchmark).task(prompt, model)  # a wrong prompt fails here rather than in the pool
    (prefix, suffix), streaming = envelopes(task, model_name, settings, streamed=streamed)
    of_dataset = checked_samples(task, dataset, splits)
    files = of_dataset.files
    out.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.parts.") as parts,
        ProcessPoolExecutor(
            processes,
            multiprocessing.get_context("spawn"),
            Encoder.install,
            (os.getpid(), benchmark, prompt, model, settings, prefix.encode(), suffix.encode()),
        ) as pool,
    ):
        chunks = list(chunks_of(of_dataset, task.columns, Path(parts)))
        samples = sum(chunk.stop - chunk.start for chunk in chunks)
        if samples != expected_samples:
            raise InputError(
                f"{dataset}: {samples} samples in the splits {', '.join(splits)}, but the round has "
                f"{expected_samples}; fetch the dataset again or choose another round."
            )
        chunks, samples = first_of(chunks, first or samples), first or samples
        hashes = [pool.submit(sha256_of, file) for file in files]

        def origin() -> StoreOrigin:
            names = (file.relative_to(dataset).as_posix() for file in files)
            found = dict(zip(names, (digest.result() for digest in hashes), strict=True))
            changed = [name for name in found if proven and proven.get(name) != found[name]]
            if changed:
                raise InputError(
                    f"{dataset / changed[0]}: changed since its proof was written; fetch the dataset again."
                )
            return StoreOrigin(
                dataset=found,
                prompt_sha256="" if prompt is None else sha256_of(prompt),
                benchmark=benchmark,
                api=task.api,
                answers=task.answers,
                model_name=model_name,
                settings=settings,
                pillow=PIL.__version__,
                prefix=prefix,
                suffix=suffix,
                streamed=streaming,
            )

        try:
            sizes = zip(chunks, pool.map(encode, chunks), strict=True)
            bodies = (body for chunk, found in sizes for body in bodies_of(chunk, found))
            return write_store(out, _counted(bodies, samples, progress), origin)
        except BrokenProcessPool:
            raise SetupError(
                f"one of {processes} encoding processes was killed, perhaps for lack of memory; use fewer."
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def checked_samples(task: Task, dataset: Path, splits: tuple[str, ...]) -> DatasetSamples:
    """Return a dataset's samples, after a look at a few of them; warn of what a user must know.

    Args:
        task: The benchmark's task.
        dataset: Folder of the dataset.
        splits: The dataset's splits, in the order of the samples.

    Raises:
        InputError: a split is missing, or requests from these samples would be of no use.
    """
    found = task.samples(dataset, splits)
    for sentence in task.check_samples(found):
        log.warning("%s", sentence)
    return found


def envelopes(
    task: Task, model_name: str, settings: RequestSettings, *, streamed: bool
) -> tuple[tuple[str, str], tuple[str, str] | None]:
    """Return what stands around the prompts, and what streamed runs send there; None where that is the same.

    Args:
        task: The benchmark's task.
        model_name: Name under which the model is served.
        settings: The request settings.
        streamed: Whether runs are streamed that the settings do not stream.
    """
    stored = envelope(task, model_name, settings)
    if settings.stream or not streamed:
        return stored, None
    return stored, envelope(task, model_name, settings.model_copy(update={"stream": True}))


def write_store(out: Path, bodies: Iterable[Buffer], origin: Callable[[], StoreOrigin]) -> StoreManifest:
    """Write bodies as a store to a temporary folder, then rename it to `out`.

    Args:
        out: The store's folder; an existing store is replaced.
        bodies: The complete bodies, in the order of the samples.
        origin: Returns the store's origin; called after the bodies are written.
    """
    with replaced_folder(out) as unfinished:
        written = write_bodies(unfinished, bodies)
        manifest = StoreManifest(
            **origin().model_dump(),
            count=written.number,
            bodies_bytes=written.total_bytes,
            bodies_sha256=written.sha256,
        )
        # Written last: a folder without a manifest is not accepted as a store.
        write_atomic(unfinished / MANIFEST_FILE, manifest.text() + "\n")
    return manifest


def _add_index(store: Path) -> None:
    """Convert the index of a store of format 1 to format 2; the bodies are the same, so runs stay valid.

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
