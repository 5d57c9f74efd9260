"""Check and warm servers that answer, outside the clock."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path

from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.server_settings import ServerSettings
from weighbridge.core.errors import InputError
from weighbridge.core.openai_api import AnswerKind
from weighbridge.records.run_record import ServerRecord
from weighbridge.requests.store import RequestStore
from weighbridge.run.recorded_server import server_record
from weighbridge.serving.golden_answer import Golden, check_golden
from weighbridge.serving.probing import at_once, warm_up
from weighbridge.serving.running_server import RunningServer
from weighbridge.serving.token_id_check import check_token_ids

log = logging.getLogger(__name__)


def prepare_server(
    running: RunningServer,
    settings: ServerSettings,
    client: ClientSettings,
    requests: RequestStore,
    api_key: str | None,
    of_golden: RequestStore | None = None,
) -> ServerRecord:
    """Check and warm every endpoint outside the clock, and return what is recorded of the servers.

    Args:
        running: The servers.
        settings: Their settings.
        client: The client's settings.
        requests: The requests that are measured; the warm-up sends some of them.
        api_key: Key to send, if any.
        of_golden: The requests of which one has a golden answer; None: those that are measured.

    Raises:
        InputError: the golden answer is of no request that is stored.
        SetupError: a server answers wrongly, or not at all.
    """
    started = time.monotonic()
    bodies, api = spread(requests, settings.warmup_requests), requests.manifest.api

    def prepare(endpoint: str) -> None:
        if requests.manifest.answers is AnswerKind.TOKENS:
            check_token_ids(endpoint, api, requests.sent(0), api_key, client.request_timeout_s)
        if settings.golden is not None:
            body = known_request(settings.golden, of_golden or requests)
            check_golden(endpoint, settings.golden, api, body, api_key, client.request_timeout_s)
        warm_up(endpoint, api, bodies, api_key, client.request_timeout_s)

    at_once(prepare, running.endpoints, len(running.endpoints))
    warmup_s = time.monotonic() - started
    warmed = f"{len(bodies) * len(running.endpoints)} warm-up requests answered in {warmup_s:.1f} s"
    log.info("checked: %s", "; ".join((*passed_checks(running, settings, requests), warmed)))
    return server_record(
        running, settings, api_key, settings.warmup_requests * len(running.endpoints), warmup_s
    )


def known_request(golden: Path, requests: RequestStore) -> bytes:
    """Return the stored request whose answer was recorded.

    Raises:
        InputError: the store has fewer requests.
    """
    sample = Golden.read(golden).sample
    if sample >= len(requests):
        raise InputError(
            f"{golden}: was recorded for sample {sample}, and the store has the samples 0 to "
            f"{len(requests) - 1}; record it anew for one of these, or set server.golden to null."
        )
    return bytes(requests.body(sample))


def passed_checks(
    running: RunningServer, settings: ServerSettings, requests: RequestStore
) -> tuple[str, ...]:
    """Return what was checked of servers before the clock, one phrase a check, with what could not be."""
    count, caching = len(running.endpoints), running.prefix_caching
    up = "the server is up and serves" if count == 1 else f"{count} servers are up and serve"
    phrases = [
        f"{up} {settings.model_name}",
        f"prefix caching {caching}" if caching != "unknown" else "prefix caching not reported",
    ]
    if requests.manifest.answers is AnswerKind.TOKENS:
        phrases.append("token ids come back as sent and counted")
    phrases.append(
        f"sample {Golden.read(settings.golden).sample} answered as recorded in {settings.golden.name}"
        if settings.golden is not None
        else "no golden answer to compare (weighbridge golden record makes one)"
    )
    return tuple(phrases)


def spread(requests: RequestStore, count: int) -> Sequence[bytes]:
    """Return requests spread evenly over the whole store, so that the warm-up covers all lengths."""
    step = max(1, len(requests) // max(1, count))
    return [requests.sent(index) for index in range(0, len(requests), step)[:count]]
