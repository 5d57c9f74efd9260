"""Accuracy logs cut for a submission tree, as the official tool cuts them; the original stays whole."""

from pathlib import Path

from weighbridge.core.files import sha256_of, write_atomic
from weighbridge.loadgen.logs import TRUNCATION_MARK

_KEPT_BYTES = 4096


def truncate_log(log: Path, into: Path) -> None:
    """Write the first and the last 4096 bytes of a log, with a mark between, into another file.

    The official tool (tools/submission/truncate_accuracy_log.py in mlcommons/inference) cuts every log that
    has no hash yet, however short: in a log below 8192 bytes the two ends overlap, and so they do here.
    """
    write_atomic(into, truncated(log))


def truncated(log: Path) -> bytes:
    """Cut a log: what stands in a tree in its place."""
    content = log.read_bytes()
    return content[:_KEPT_BYTES] + TRUNCATION_MARK + content[-_KEPT_BYTES:]


def with_hash(accuracy_text: str, log: Path) -> str:
    """Add the hash of the whole log to the text of accuracy.txt, alone on its line.

    A hash that the text already has is dropped: the checker takes the first one for the log's.
    """
    lines = [line for line in accuracy_text.splitlines() if not line.startswith("hash=")]
    return "\n".join([*lines, f"hash={sha256_of(log)}"]) + "\n"
