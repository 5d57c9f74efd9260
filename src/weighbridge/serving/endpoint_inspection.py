"""Inspect servers that answer: of which kind they are, and whether they have on what the round forbids."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from weighbridge.config.closed_rules import ServerFeature
from weighbridge.core.errors import SetupError
from weighbridge.records.telemetry_record import Metric
from weighbridge.serving.adapter import ServerAdapter, ServerFacts
from weighbridge.serving.installed_adapters import all_adapters
from weighbridge.serving.probing import at_once, inspect_server, recognise
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


@dataclass(frozen=True)
class Inspector:
    """Inspect endpoints for what the settings and the round demand of them.

    Attributes:
        known: The adapter of their kind; None: it must be recognised.
        api_key: Key to send, if any.
        forbidden: Features that the round forbids the server.
        started: Whether Weighbridge started them; else another kind than the known one is refused.
        accept: Measure a server that has a forbidden feature on; its run never becomes VALID.
    """

    known: ServerAdapter | None
    api_key: str | None
    forbidden: Sequence[ServerFeature]
    started: bool = False
    accept: bool = False

    def faults(self, endpoint: str) -> list[SetupError]:
        """Return why an endpoint that answers cannot be measured, each reason in a sentence."""
        return self._refused(endpoint, self._look(endpoint))

    def inspect(self, endpoints: Sequence[str]) -> Inspection:
        """Inspect all endpoints, which answer, at once.

        Raises:
            SetupError: one is of another kind than the known one, or has a forbidden feature on; of several,
                each has its sentence.
        """
        seen: dict[str, tuple[ServerAdapter | None, ServerFacts]] = {}

        def look(endpoint: str) -> None:
            seen[endpoint] = self._look(endpoint)

        at_once(look, endpoints, len(endpoints))
        refused = {endpoint: self._refused(endpoint, seen[endpoint]) for endpoint in endpoints}
        if any(refused.values()):
            raise together(refused)
        for endpoint in endpoints:
            for fault in self._forbidden_on(endpoint, *seen[endpoint]):
                log.warning(
                    "%s. It is measured, because server.unproven is 'measure', and never VALID.", fault
                )
        inspected = [seen[endpoint] for endpoint in endpoints]
        prefix_caching = _state(ServerFeature.PREFIX_CACHING, [facts for _, facts in inspected])
        if prefix_caching == "unknown" and ServerFeature.PREFIX_CACHING in self.forbidden:
            log.warning("a server does not report whether prefix caching is off, as the round demands")
        # The page of a server of unknown kind is searched for the names of all kinds.
        kinds = [kind for adapter, _ in inspected for kind in ((adapter,) if adapter else all_adapters())]
        names = {name: metric for kind in kinds for name, metric in kind.metric_names.items()}
        return Inspection(inspected[0], prefix_caching, names)

    def _look(self, endpoint: str) -> tuple[ServerAdapter | None, ServerFacts]:
        """Return the adapter that fits a server, which is the known one unless another is seen; its facts."""
        if self.known is not None and self.started:
            return self.known, inspect_server(self.known, endpoint, self.api_key)
        adapter, facts = recognise(endpoint, self.api_key, self.known)
        return adapter or self.known, facts

    def _refused(self, endpoint: str, seen: tuple[ServerAdapter | None, ServerFacts]) -> list[SetupError]:
        adapter, facts = seen
        found = []
        if self.known is not None and adapter is not None and adapter.title != self.known.title:
            found.append(
                f"server.adapter stands for {self.known.title}, but the server at {endpoint} reports itself "
                f"as {adapter.title}; remove server.adapter, or correct it or the endpoint."
            )
        if not self.accept:
            anyway = "" if self.started else _MEASURE_ANYWAY
            found += [f"{fault}{anyway}." for fault in self._forbidden_on(endpoint, adapter, facts)]
        return [SetupError(sentence) for sentence in found]

    def _forbidden_on(
        self, endpoint: str, adapter: ServerAdapter | None, facts: ServerFacts
    ) -> Iterator[str]:
        for feature in self.forbidden:
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
