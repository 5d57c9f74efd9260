"""A model server's own figures, from its /metrics page."""

import http.client
from collections.abc import Sequence
from urllib.parse import urlsplit

from weighbridge.system.telemetry.metrics_page import read_page
from weighbridge.system.telemetry.samples import Reading

_TIMEOUT_S = 2.0
_LARGEST_BYTES = 8 << 20  # a full page of vLLM has some 45 KB an engine


class Server:
    """One endpoint, asked over one connection that stays open.

    The standard library's client takes a third of httpx2's CPU time for a page.
    """

    def __init__(self, number: int, url: str, api_key: str | None) -> None:
        """Take a base URL, with or without /v1."""
        self.name = f"server {number}"
        self._url = urlsplit(url)
        self._path = f"{self._url.path.rstrip('/').removesuffix('/v1')}/metrics"
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._connection: http.client.HTTPConnection | None = None

    def read(self) -> Sequence[Reading]:
        """Ask for the page once.

        Raises:
            OSError, HTTPException: it cannot be had.
            ValueError: it is not a model server's page.
        """
        try:
            page = self._page()
        except ConnectionError:
            page = self._page()  # the server had closed the idle connection; this opens another
        found = read_page(page)
        if not found:
            raise ValueError(f"{self._path} has no figures of vLLM or SGLang")
        return [Reading(self.name, metric, value) for metric, value in found.items()]

    def close(self) -> None:
        """Close the connection; the next reading opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _page(self) -> str:
        try:
            connection = self._connection = self._connection or self._connect()
            connection.request("GET", self._path, headers=self._headers)
            with connection.getresponse() as response:
                body = response.read(_LARGEST_BYTES)
                if response.status != http.client.OK or len(body) == _LARGEST_BYTES:
                    raise OSError(f"{self._path} answers {response.status} with {len(body)} bytes")
        except BaseException:
            self.close()  # the rest of an answer must not be taken for the next one
            raise
        return body.decode("utf-8", "replace")

    def _connect(self) -> http.client.HTTPConnection:
        tls = self._url.scheme == "https"
        kind = http.client.HTTPSConnection if tls else http.client.HTTPConnection
        return kind(self._url.netloc.rpartition("@")[2], timeout=_TIMEOUT_S)
