"""Request stores that run directories share, in a folder where each is named by what it is made from.

CACHE/PROMPTS/STORE/ holds the three files of a store. PROMPTS is a hash of all that decides the prompts,
STORE of the model's name, which is in every body. A store appears there whole or not at all, and its bodies
are hashed each time before they are used. A run directory gets the same files once more (a reflink, else a
hard link, else a copy), so any folder in the cache can be deleted at any time.
"""

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import PIL
from filelock import FileLock

from weighbridge.artifacts.folder import WITHOUT_WEIGHTS
from weighbridge.artifacts.manifest import matches
from weighbridge.artifacts.proof import Proof
from weighbridge.benchmarks.registry import load_benchmark
from weighbridge.config.fingerprint import VERSIONS
from weighbridge.config.request_settings import RequestSettings
from weighbridge.config.round import Round
from weighbridge.config.round_of_scenario import has_streams
from weighbridge.core import dataset_files, images
from weighbridge.core.errors import InputError
from weighbridge.core.file_sharing import share_file
from weighbridge.core.files import sha256_of, write_atomic
from weighbridge.core.replaced_folder import replaced_folder
from weighbridge.records.store_manifest import MANIFEST_FILE, StoreManifest, StoreOrigin
from weighbridge.requests import encoding
from weighbridge.requests.bodies import BODIES_FILE, INDEX_FILE
from weighbridge.requests.store import RequestStore, write_store
from weighbridge.requests.store_check import checking

log = logging.getLogger(__name__)

_DIGITS = 32
_LARGE_FILES = (BODIES_FILE, INDEX_FILE)
_UNFINISHED = ".unfinished."


@dataclass(frozen=True)
class Recipe:
    """What a store is made from.

    Attributes:
        prompts: All that decides its prompts, as plain data: files by their hashes, settings, code.
        model_name: The name that the requests ask for.
        envelope: Returns the texts around a prompt under that name, and those of streamed runs, if any.
    """

    prompts: dict[str, object]
    model_name: str
    envelope: Callable[[], tuple[tuple[str, str], tuple[str, str] | None]]

    def place(self, cache: Path) -> Path:
        """Return the folder of the store in a cache."""
        return cache / _digest(self.prompts) / _digest(self.model_name)


def prompts_of(
    round_: Round, settings: RequestSettings, dataset: Proof, prompt: Path | None, tokenizer: Proof | None
) -> dict[str, object]:
    """Return all that decides the prompts of a store, as plain data.

    Args:
        round_: The round.
        settings: The request settings, completed from the round.
        dataset: Proof of the dataset.
        prompt: The benchmark's prompt file, if it has one.
        tokenizer: Proof of the model whose tokenizer makes prompts, if one does.
    """
    read = tokenizer.files if tokenizer else ()
    return {
        "version": VERSIONS["requests"],
        "code": code_of(load_benchmark(round_.benchmark).folder),
        "pillow": PIL.__version__,
        "benchmark": round_.benchmark,
        "samples": [round_.of_dataset, round_.samples],
        "splits": round_.splits,
        "streamed": has_streams(round_),
        "settings": settings.model_dump(mode="json"),
        "dataset": {entry.path: entry.sha256 for entry in dataset.files},
        "prompt": None if prompt is None else sha256_of(prompt),
        "tokenizer": {entry.path: entry.sha256 for entry in read if matches(entry.path, WITHOUT_WEIGHTS)},
    }


def code_of(benchmark: Path) -> str:
    """Hash the code that makes prompts: a benchmark's Python files, and those that encode for all of them.

    The version of the stage is raised by hand; this also tells apart what was not released yet.
    """
    shared = [Path(str(module.__file__)) for module in (encoding, images, dataset_files)]
    digest = hashlib.sha256()
    for path in (*shared, *sorted(benchmark.rglob("*.py"))):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def shared_store(
    cache: Path | None,
    recipe: Recipe,
    out: Path,
    build: Callable[[], StoreManifest],
    look: Callable[[], object] = lambda: None,
) -> StoreManifest:
    """Take a store from the cache; or build it, and leave it there for others.

    What the cache cannot do (it cannot be written, the disk is full) is told, and costs only time.

    Args:
        cache: The cache's folder; None: there is none.
        recipe: What the store is made from.
        out: The store's folder; an existing store is replaced.
        build: Builds it there.
        look: Says of the dataset what `build` would say; called where nothing is built.

    Raises:
        What `build` and `look` raise; OSError: `out` cannot be written.
    """
    if cache is None:
        return build()
    place = recipe.place(cache)
    with _turn(place):
        manifest = _taken(place, recipe, out)
        if manifest is not None:
            look()
            return manifest
        manifest = _with_other_name(place, recipe, out)
        if manifest is not None:
            look()
        else:
            manifest = build()
        _leave(out, place)
    return manifest


@contextmanager
def _turn(place: Path) -> Iterator[None]:
    """Let one process at a time build a store, so that a second one takes it over."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(place.with_suffix(".lock"))
        lock.acquire(blocking=False)
    except TimeoutError:
        log.info("waiting: another command makes the same requests")
        lock.acquire()
    except (OSError, NotImplementedError):  # a cache that cannot be written can still be read
        yield
        return
    try:
        yield
    finally:
        lock.release()


def _taken(place: Path, recipe: Recipe, out: Path) -> StoreManifest | None:
    """Put a store of the cache at `out`, after its bodies have proven to be those of its manifest."""
    if not _is_ours(place):
        return None
    try:
        with replaced_folder(out) as unfinished:
            means = {share_file(place / name, unfinished / name) for name in _LARGE_FILES}
            shutil.copyfile(place / MANIFEST_FILE, unfinished / MANIFEST_FILE)
            # Here and not in the cache: what is proven is what is used.
            manifest = _proven(unfinished, recipe)
    except InputError as error:
        log.warning("%s: this shared request store is damaged and is made again", place)
        log.debug("what is damaged: %s", error)
        shutil.rmtree(place, ignore_errors=True)
        return None
    except OSError as error:  # it may be deleted at any time; where `out` is at fault, `build` says so
        log.warning("%s: cannot be taken (%s); the requests are made again", place, error.strerror)
        return None
    log.info("%s: the requests of %s, as %s", out, place, " and ".join(sorted(means)))
    return manifest


def _proven(folder: Path, recipe: Recipe) -> StoreManifest:
    """Return a store's manifest, after its bodies and index were checked.

    Raises:
        InputError: they are not as they were built, or the store is another one.
    """
    store = _checked(folder)
    if store.model_name != recipe.model_name:
        raise InputError(f"{folder}: its requests ask for {store.model_name}, not {recipe.model_name}.")
    return store.manifest


def _checked(folder: Path) -> RequestStore:
    """Return a store, after its bodies and index were checked.

    Raises:
        InputError: they are not as they were built.
    """
    store = RequestStore.open(folder)
    with checking(store) as check:
        check.finish()
    return store


def _with_other_name(place: Path, recipe: Recipe, out: Path) -> StoreManifest | None:
    """Make a store of another one's prompts, which differs in the model's name alone; None: there is none."""
    store = next(_usable(place.parent), None)
    if store is None:
        return None
    (prefix, suffix), streamed = recipe.envelope()
    renamed = {"model_name": recipe.model_name, "prefix": prefix, "suffix": suffix, "streamed": streamed}
    same = {name: getattr(store.manifest, name) for name in StoreOrigin.model_fields}
    origin = StoreOrigin.model_validate(same | renamed)
    log.info("%s: the prompts of %s, for the model %s", out, store.path, recipe.model_name)
    return write_store(out, _enveloped(store, prefix, suffix), lambda: origin)


def _usable(stores: Path) -> Iterator[RequestStore]:
    """Yield the stores of a folder that are ours, and as they were built."""
    for folder in sorted(stores.glob("*/")):
        if not folder.name.startswith(_UNFINISHED) and _is_ours(folder):
            with suppress(InputError):
                yield _checked(folder)


def _enveloped(store: RequestStore, prefix: str, suffix: str) -> Iterator[bytes]:
    """Yield a store's prompts with other texts around them."""
    start, end = len(store.manifest.prefix.encode()), len(store.manifest.suffix.encode())
    before, after = prefix.encode(), suffix.encode()
    for number in range(len(store)):
        body = store.body(number)
        yield b"".join((before, body[start : len(body) - end], after))


def _leave(store: Path, place: Path) -> None:
    """Put a store that was just built into the cache, whole or not at all."""
    unfinished: str | None = None
    try:
        # Left by commands that were killed: this one has the turn.
        for left in place.parent.glob(f"{_UNFINISHED}{place.name}.*"):
            shutil.rmtree(left, ignore_errors=True)
        unfinished = tempfile.mkdtemp(dir=place.parent, prefix=f"{_UNFINISHED}{place.name}.")
        for name in _LARGE_FILES:
            share_file(store / name, Path(unfinished, name))
        write_atomic(Path(unfinished, MANIFEST_FILE), (store / MANIFEST_FILE).read_bytes())
        Path(unfinished).chmod(0o755)
        if not _is_whole(place):
            shutil.rmtree(place, ignore_errors=True)
        Path(unfinished).rename(place)
    except OSError as error:
        if not _is_whole(place):  # else another machine, whose lock is not seen here, was first
            log.warning(
                "%s: the requests are not shared with other run directories (%s); nothing else depends on it",
                place.parent,
                error.strerror,
            )
    finally:
        if unfinished is not None:  # renamed, unless something failed or ended this
            shutil.rmtree(unfinished, ignore_errors=True)


def _is_whole(place: Path) -> bool:
    return all((place / name).is_file() for name in (MANIFEST_FILE, *_LARGE_FILES))


def _is_ours(place: Path) -> bool:
    """Return whether a whole store lies in the cache that no other user could have written.

    Its hash stands beside it: it shows damage, and nothing of who wrote both.
    """
    if not _is_whole(place):
        return False
    try:
        owners = {(place / name).stat().st_uid for name in ("", MANIFEST_FILE, *_LARGE_FILES)}
    except OSError:
        return False
    if not owners <= {0, os.geteuid()}:
        log.warning("%s: belongs to another user and is not used", place)
        return False
    return True


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
