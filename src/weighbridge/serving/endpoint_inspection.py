"""Inspect servers that answer: of which kind they are, and whether they have on what the round forbids."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from weighbridge.config.closed_rules import ServerFeature
from weighbridge.config.server_settings import ServerSettings
from weighbridge.core.errors import SetupError
from weighbridge.records.telemetry_record import Metric
from weighbridge.serving.adapter import ServerAdapter, ServerFacts
from weighbridge.serving.installed_adapters import all_adapters
from weighbridge.serving.probing import inspect_server, other_kind, recognise
from weighbridge.serving.readiness import together

log = logging.getLogger(__name__)

_MEASURE_ANYWAY = ", or measure it anyway without a VALID verdict (server.unproven: measure)"


@dataclass(frozen=True)
class Inspection:
    """What running servers report.

    Attributes:
        first: Adapter and facts of the first; no adapter knows a server of unknown kind.
        prefix_caching: "off", "on", or "unknown" where a server does not report it.
        metric_names: Names on their /metrics pages.
    """

    first: tuple[ServerAdapter | None, ServerFacts]
    prefix_caching: str
    metric_names: Mapping[str, Metric]


def inspect_endpoints(
    endpoints: Sequence[str],
    known: ServerAdapter | None,
    api_key: str | None,
    forbidden: Sequence[ServerFeature],
    *,
    started: bool,
    accept: bool,
) -> Inspection:
    """Inspect all endpoints.

    Args:
        endpoints: Base URLs of servers that answer.
        known: The adapter of their kind; None: it must be recognised.
        api_key: Key to send, if any.
        forbidden: Features that the round forbids the server.
        started: Whether Weighbridge started them.
        accept: Measure a server that has a forbidden feature on; its run never becomes VALID.

    Raises:
        SetupError: a server has a forbidden feature on; of several, each has its sentence.
    """
    inspected = [
        (known, inspect_server(known, endpoint, api_key)) if known else recognise(endpoint, api_key)
        for endpoint in endpoints
    ]
    found = [
        fault
        for endpoint, (adapter, facts) in zip(endpoints, inspected, strict=True)
        for fault in _forbidden_on(endpoint, adapter, facts, forbidden)
    ]
    if found and not accept:
        raise together([SetupError(f"{fault}{'' if started else _MEASURE_ANYWAY}.") for fault in found])
    for fault in found:
        log.warning("%s. It is measured, because server.unproven is 'measure', and never VALID.", fault)
    prefix_caching = _state(ServerFeature.PREFIX_CACHING, [facts for _, facts in inspected])
    if prefix_caching == "unknown" and ServerFeature.PREFIX_CACHING in forbidden:
        log.warning("a server does not report whether prefix caching is off, as the round demands")
    # The page of a server of unknown kind is searched for the names of all kinds.
    kinds = [kind for adapter, _ in inspected for kind in ((adapter,) if adapter else all_adapters())]
    names = {name: metric for kind in kinds for name, metric in kind.metric_names.items()}
    return Inspection(inspected[0], prefix_caching, names)


def refuse_other_kinds(settings: ServerSettings, known: ServerAdapter, api_key: str | None) -> None:
    """Check that no endpoint is of another kind than `server.adapter` says.

    Raises:
        SetupError: one is; of several, each has its sentence.
    """
    others = [
        SetupError(
            f"server.adapter is '{settings.adapter}', but the server at {endpoint} reports itself as "
            f"{other.title}; remove server.adapter, or correct it or the endpoint."
        )
        for endpoint in settings.endpoints
        if (other := other_kind(known, endpoint, api_key))
    ]
    if others:
        raise together(others)


def _forbidden_on(
    endpoint: str, adapter: ServerAdapter | None, facts: ServerFacts, forbidden: Sequence[ServerFeature]
) -> Iterator[str]:
    for feature in forbidden:
        if facts.features.get(feature):
            switch = adapter.switches.get(feature) if adapter else None
            remedy = f"start it with {switch.remedy}" if switch and switch.remedy else "switch it off"
            yield f"the server at {endpoint} has {feature} on, which the round forbids; {remedy}"


def _state(feature: ServerFeature, servers: Sequence[ServerFacts]) -> str:
    """Return "on" if any server has a feature on, "off" if all have it off, else "unknown"."""
    states = [facts.features.get(feature) for facts in servers]
    if any(states):
        return "on"
    return "unknown" if None in states else "off"
