"""Prove that a store's bodies are those of its manifest, before the first is sent and after the last."""

import hashlib
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from weighbridge.core.errors import InputError
from weighbridge.core.files import sha256_of
from weighbridge.requests.bodies import BODIES_FILE, INDEX_FILE
from weighbridge.requests.store import RequestStore

log = logging.getLogger(__name__)

_READ_BYTES = 8 << 20
_TOLD_AFTER_S = 2.0


class StoreCheck:
    """The check of one store. Hashing gigabytes takes seconds, in a thread, while a server starts."""

    def __init__(self, store: RequestStore) -> None:
        self._store = store
        self._bodies, self._index = store.path / BODIES_FILE, store.path / INDEX_FILE
        self._before: object = None
        self._error: BaseException | None = None
        self._given_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store check", daemon=True)
        self._thread.start()

    def refuse(self) -> None:
        """Raise what has been found so far.

        Raises:
            InputError: the bodies or their index are not those that were built.
        """
        if self._error is not None:
            raise self._error

    def finish(self) -> None:
        """Wait for the end of the check.

        Raises:
            InputError: the bodies or their index are not those that were built.
        """
        self._thread.join()
        self.refuse()

    def end(self) -> None:
        """End the thread, though it may not have come to a result."""
        self._given_up.set()
        self._thread.join()

    def _run(self) -> None:
        started = time.monotonic()
        try:
            self._before = self._identity()
            if not self._passes():
                return
        except InputError as error:
            self._error = error
        except OSError as error:
            self._error = InputError(
                f"{error.filename or self._bodies}: cannot be read ({error.strerror}); build the requests "
                "again."
            )
        except BaseException as error:
            self._error = error
        else:
            log.info(
                "the request store is as it was built: %d bodies, %.1f MB, checked in %.1f s",
                len(self._store),
                self._store.manifest.bodies_bytes / 1e6,
                time.monotonic() - started,
            )

    def _passes(self) -> bool:
        """Return whether the store is right; False where the check was ended early."""
        digest = hashlib.sha256()
        with self._bodies.open("rb", buffering=0) as stream:
            while not self._given_up.is_set() and (chunk := stream.read(_READ_BYTES)):
                digest.update(chunk)
        if self._given_up.is_set():
            return False
        if digest.hexdigest() != self._store.manifest.bodies_sha256:
            raise InputError(
                f"{self._bodies}: changed since it was built; delete {self._store.path}, and the next "
                "command builds it again."
            )
        check_index(self._store)
        return True

    def _identity(self) -> object:
        """Return what changes when another file takes the place of one of the two, or the index is edited."""
        numbers = [(found.st_dev, found.st_ino) for found in map(Path.stat, (self._bodies, self._index))]
        return numbers, sha256_of(self._index)

    def sent_sha256(self) -> str:
        """Read the bodies again after a measurement, and return the sha256 of the file that they came from.

        What differs from the manifest is logged as an error. Where it cannot be told, because another file
        has taken the place of that one or the index was edited, a text that is no sha256 is returned.
        """
        started = time.monotonic()
        try:
            found = sha256_of(self._bodies)
            if self._identity() != self._before:
                found = "replaced during the run"
        except OSError as error:
            found = f"unreadable after the run ({error.strerror})"
        if found != self._store.manifest.bodies_sha256:
            log.error(
                "%s: changed during the run; what was sent is not proven to be what the manifest names, and "
                "the run will not pass",
                self._store.path,
            )
        elif (took_s := time.monotonic() - started) > _TOLD_AFTER_S:
            log.info("the bodies that were sent are still as they were built (checked in %.1f s)", took_s)
        return found


@contextmanager
def checking(store: RequestStore) -> Iterator[StoreCheck]:
    """Check a store beside a with block; the thread does not outlive it."""
    check = StoreCheck(store)
    try:
        yield check
    finally:
        check.end()


def check_index(store: RequestStore) -> None:
    """Check that the index cuts the file of bodies between two bodies, everywhere.

    Every body begins with the manifest's prefix and ends with its suffix, and no prompt can hold the prefix:
    there, its quotes would be escaped. So offsets that rise, each before a prefix, and as many as there are
    bodies, are the only ones possible. No format of a store has a hash of its index; this checks all.

    Raises:
        InputError: an offset is wrong.
    """
    prefix, suffix = store.manifest.prefix.encode(), store.manifest.suffix.encode()
    if len(store) and int(np.min(store.sizes())) <= 0:
        raise InputError(f"{store.path / INDEX_FILE}: its offsets do not rise; build the requests again.")
    for number in range(len(store)):
        body = store.body(number)
        # As bytes: a memoryview compares one byte at a time.
        if bytes(body[: len(prefix)]) != prefix or bytes(body[len(body) - len(suffix) :]) != suffix:
            raise InputError(
                f"{store.path / INDEX_FILE}: request {number} does not begin and end as the manifest says; "
                "build the requests again."
            )
