"""Telemetry of a model server, from its /metrics page."""

import http.client
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from weighbridge.records.telemetry_record import Metric
from weighbridge.system.telemetry.samples import MetricReading

_TIMEOUT_S = 2.0
_LARGEST_BYTES = 8 << 20  # a full page of vLLM has some 45 KB an engine


def read_page(text: str, names: Mapping[str, Metric]) -> dict[Metric, float]:
    """Return the metrics on a page; those of several engines are summed, shares (0 to 1) averaged.

    Args:
        text: The page, in Prometheus' text format.
        names: The server's names, each with what it measures.

    Raises:
        ValueError: a line that should hold a number does not.
    """
    # Most of a page is histograms, and the parser is slow: 18 ms for a page of two engines, 0.6 ms this way.
    beginnings = tuple(names)
    lines = [line for line in text.split("\n") if line.startswith(beginnings)]
    found: defaultdict[Metric, list[float]] = defaultdict(list)
    for family in text_string_to_metric_families("\n".join([*lines, ""])):
        for sample in family.samples:
            metric = names.get(sample.name)  # another name may begin with one of these
            if metric is not None and math.isfinite(sample.value):
                found[metric].append(sample.value)
    return {
        metric: fmean(values) if metric is Metric.KV_CACHE_USAGE else sum(values)
        for metric, values in found.items()
    }


class ServerSource:
    """One endpoint, read over one connection that stays open.

    The standard library's client takes a third of httpx2's CPU time for a page.
    """

    def __init__(self, number: int, url: str, api_key: str | None, names: Mapping[str, Metric]) -> None:
        """Prepare to read the endpoint `url` (with or without /v1), which reports metrics by these names."""
        self.name = f"server {number}"
        self._names = names
        self._url = urlsplit(url)
        self._path = f"{self._url.path.rstrip('/').removesuffix('/v1')}/metrics"
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._connection: http.client.HTTPConnection | None = None

    def read(self) -> Sequence[MetricReading]:
        """Read the page once.

        Raises:
            OSError, HTTPException: the server does not answer with a page.
            ValueError: the page has none of the expected metrics.
        """
        try:
            page = self._page()
        except ConnectionError:
            page = self._page()  # the server had closed the idle connection; this opens another
        found = read_page(page, self._names)
        if not found:
            raise ValueError(f"{self._path} has none of the expected metrics")
        return [MetricReading(self.name, metric, value) for metric, value in found.items()]

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
            self.close()  # the rest of this response must not be read as the next one
            raise
        return body.decode("utf-8", "replace")

    def _connect(self) -> http.client.HTTPConnection:
        tls = self._url.scheme == "https"
        kind = http.client.HTTPSConnection if tls else http.client.HTTPConnection
        return kind(self._url.netloc.rpartition("@")[2], timeout=_TIMEOUT_S)
