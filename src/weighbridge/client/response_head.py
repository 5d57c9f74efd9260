"""What the head of a response says about its connection; looked at once a connection, not once an answer."""

import re

_NS = 1_000_000_000
# An idle connection is not used again after this long. Servers that say nothing close theirs after 5 s
# (uvicorn, so vLLM): a request sent at that moment would fail, though neither side is at fault.
REUSE_WITHIN_NS = 3 * _NS
# Where the server says when it closes: this much earlier, for the way that a request takes.
_MARGIN_S = 1.0
# However long a server waits, a firewall between may forget a silent connection earlier and say nothing.
_LONGEST_S = 60.0
_ANNOUNCED = re.compile(rb"\r\nkeep-alive:[^\r\n]*?\btimeout *= *\"?(\d{1,9})\b", re.IGNORECASE)


def final_head(data: bytes) -> bytes:
    """Return the head of the final response in what has arrived; empty while it is not complete.

    Interim responses (100, 103), which may precede it, are left out.
    """
    head, separator, rest = data.partition(b"\r\n\r\n")
    while separator and re.match(rb"HTTP/1\.\d 1\d\d\b", head):
        head, separator, rest = rest.partition(b"\r\n\r\n")
    return head if separator else b""


def reuse_within_ns(head: bytes) -> int:
    """Return how long a connection may be idle and still be used again, in ns.

    Args:
        head: The head of one of its responses. `Keep-Alive: timeout=N` announces that the server closes
            after N idle seconds; Node.js, gunicorn, Apache and some load balancers send it.
    """
    found = _ANNOUNCED.search(head)
    if found is None:
        return REUSE_WITHIN_NS
    closes_s = int(found[1])
    return int(min(max(closes_s - _MARGIN_S, closes_s / 2), _LONGEST_S) * _NS)


def ends_with_connection(head: bytes) -> bool:
    """Return whether the response ends when the connection closes (no Content-Length, not chunked)."""
    head = head.lower()
    return (
        head.startswith(b"http/1.")
        and b"\r\ncontent-length:" not in head
        and b"\r\ntransfer-encoding:" not in head
    )
