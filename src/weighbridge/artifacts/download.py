"""Download files in parallel; continue each where an earlier attempt ended."""

import errno
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO, TypeVar

import httpx2
from huggingface_hub import constants, get_session, hf_raise_for_status
from huggingface_hub.errors import HfHubHTTPError

from weighbridge.artifacts.folder import state_folder
from weighbridge.artifacts.remote import FAILURES, Remote, RemoteFile
from weighbridge.artifacts.transfer_progress import Advance, show_transfer
from weighbridge.core.errors import SetupError
from weighbridge.core.formatting import disk_size

logger = logging.getLogger(__name__)

T = TypeVar("T")

# Not hf_hub_download: when interrupted, it loses what it received of a file, which with the shards of a large
# model is up to 5 GB for each connection.
_CONNECTIONS = 16
_PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
_LONGEST_PAUSE_S = 300.0
_TRANSIENT_STATUS = frozenset({408, 416, 429, 500, 502, 503, 504})
_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class _StoppedError(Exception):
    """Another file's download failed for good, or the user wants to stop."""


def download(remote: Remote, files: Sequence[RemoteFile], folder: Path) -> None:
    """Download files into a folder; each appears there whole or not at all. Hashes are not checked here.

    A received part of a file survives every failure, in the folder's .cache, and is continued the next time.

    Raises:
        SetupError: the disk is too small or full, or the hub cannot be reached or refuses access.
    """
    if not files:
        return
    total_bytes = sum(file.size for file in files)
    here_bytes = sum(min(_size(_part(folder, file)), file.size) for file in files)
    _check_space(remote, folder, total_bytes - here_bytes)
    stop = threading.Event()
    with show_transfer(f"fetching {remote.kind}", total_bytes, here_bytes) as advance:
        pool = ThreadPoolExecutor(_CONNECTIONS)
        try:
            # Largest first, so that the last one running is small.
            for future in as_completed(
                [
                    pool.submit(_download_one, remote, file, folder, advance, stop)
                    for file in sorted(files, key=lambda file: file.size, reverse=True)
                ]
            ):
                future.result()
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
    # The remaining parts belong to files that this commit does not have.
    shutil.rmtree(_parts(folder), ignore_errors=True)


def refuse_errors(response: httpx2.Response) -> None:
    """Check that an answer is the one that was asked for.

    Raises:
        HfHubHTTPError: its status is an error, or a redirection that is not followed.
    """
    hf_raise_for_status(response)
    if not response.is_success:
        raise HfHubHTTPError(f"redirected ({response.status_code})", response=response)


def retried(attempt: Callable[[], T], what: str, source: str) -> T:
    """Return what an attempt returns, after others where it fails in passing.

    Args:
        attempt: Asks a source of artifacts.
        what: What it asks for, for the log.
        source: Whom it asks, for the log.

    Raises:
        httpx2.HTTPError, OSError: the last failure.
    """
    failures = 0
    while True:
        try:
            return attempt()
        except FAILURES as error:
            failures += 1
            pause_s = _pause_s(error, failures)
            if pause_s is None:
                raise
            logger.warning("%s: %s; trying again in %.0f s", what, _brief(error, source), pause_s)
            time.sleep(pause_s)


def _download_one(
    remote: Remote, file: RemoteFile, folder: Path, advance: Advance, stop: threading.Event
) -> None:
    part = _part(folder, file)
    failures = 0
    while True:
        had_bytes = _size(part)
        try:
            part.parent.mkdir(parents=True, exist_ok=True)
            with part.open("ab", buffering=0) as stream:
                _receive(remote, file, stream, advance, stop)
            target = folder / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            part.replace(target)
        except FAILURES as error:
            # A connection that breaks often but makes progress each time comes to its end, too.
            failures = 1 if _size(part) > had_bytes else failures + 1
            pause_s = _pause_s(error, failures)
            if pause_s is None:
                raise _explain(remote, error, folder) from error
            logger.warning("%s: %s; trying again in %.0f s", file.path, _brief(error, remote.title), pause_s)
            if stop.wait(pause_s):
                raise _StoppedError from None
        else:
            return


def _receive(
    remote: Remote, file: RemoteFile, part: BinaryIO, advance: Advance, stop: threading.Event
) -> None:
    """Append the missing bytes of a file to its received part."""
    have = os.fstat(part.fileno()).st_size
    if have > file.size:
        part.truncate(0)
        advance(-file.size)
        have = 0
    if have == file.size:
        return
    headers = dict(remote.headers) | ({"Range": f"bytes={have}-"} if have else {})
    timeout_s = constants.HF_HUB_DOWNLOAD_TIMEOUT
    with get_session().stream(
        "GET",
        remote.url(file.path),
        headers=headers,
        timeout=timeout_s,
        follow_redirects=remote.follow_redirects,
    ) as response:
        refuse_errors(response)
        if have and response.status_code != HTTPStatus.PARTIAL_CONTENT:
            part.truncate(0)
            advance(-have)
        for chunk in response.iter_raw():
            if stop.is_set():
                raise _StoppedError
            _write_all(part, chunk)
            advance(len(chunk))
    received = os.fstat(part.fileno()).st_size
    if received != file.size:
        part.truncate(0)
        advance(-received)
        raise OSError(f"{file.path}: expected {file.size} bytes, {remote.title} sends {received}")


def _write_all(part: BinaryIO, chunk: bytes) -> None:
    """Write without a buffer, so that received bytes survive any end of the program."""
    left = memoryview(chunk)
    while left:  # a disk that fills up first writes a part, and fails only at the next write
        left = left[part.write(left) :]


def _pause_s(error: Exception, failures: int) -> float | None:
    """Return the seconds to wait before another attempt; None where no attempt can help."""
    if failures > len(_PAUSES_S):
        return None
    pause_s = _PAUSES_S[failures - 1]
    if isinstance(error, HfHubHTTPError):
        if error.response.status_code not in _TRANSIENT_STATUS:
            return None
        asked = error.response.headers.get("Retry-After", "")
        return min(max(pause_s, float(asked)), _LONGEST_PAUSE_S) if asked.isdigit() else pause_s
    if isinstance(error, OSError) and error.errno is not None:
        return None
    return pause_s


def _explain(remote: Remote, error: Exception, folder: Path) -> SetupError:
    if isinstance(error, OSError) and error.errno in _DISK_FULL:
        free = disk_size(shutil.disk_usage(folder).free)
        return SetupError(
            f"{folder}: no room to write ({error.strerror}, {free} free); make room or raise the quota, then "
            "run the same command again: what is already here is kept."
        )
    if isinstance(error, OSError) and error.errno is not None:
        return SetupError(f"{folder}: cannot be written ({error.strerror}); choose a folder that can.")
    return remote.explain(error)


def _check_space(remote: Remote, folder: Path, needed_bytes: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    free_bytes = shutil.disk_usage(folder).free
    if needed_bytes > free_bytes:
        raise SetupError(
            f"{folder}: {remote.kind} {remote.name} needs {disk_size(needed_bytes)} more and "
            f"{disk_size(free_bytes)} are free; make room, or fetch into another folder."
        )


def _parts(folder: Path) -> Path:
    return state_folder(folder) / "parts"


def _part(folder: Path, file: RemoteFile) -> Path:
    """Return the path of a file's received part; the id of its content keeps two commits' parts apart."""
    return _parts(folder) / f"{file.path}.{file.content_id[:12]}"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _brief(error: Exception, source: str) -> str:
    if isinstance(error, HfHubHTTPError):
        return f"{source} answers {error.response.status_code}"
    return str(error) or type(error).__name__
