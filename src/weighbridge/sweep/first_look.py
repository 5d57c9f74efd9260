"""A first look at a system, before anything is planned: forced lengths, and how fast it is."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from weighbridge.config.load_level import LoadLevel
from weighbridge.config.sweep_settings import NOISE_FLOOR_SYSTEM
from weighbridge.config.workload import Workload
from weighbridge.core.errors import InputError, InvalidRunError
from weighbridge.records.sweep_plan import SweepPlan
from weighbridge.sweep.length_probe import LengthAnswer, ProbedSystem, probe_length
from weighbridge.sweep.load_sizes import ClosedRates, doubling
from weighbridge.sweep.sizing import Sizer, SizingStore
from weighbridge.sweep.sweep_session import Sweep
from weighbridge.sweep.systems import OpenSystem

log = logging.getLogger(__name__)

_WORST_LAST = (LengthAnswer.HONOURED, LengthAnswer.IGNORED, LengthAnswer.REJECTED)


@dataclass
class FirstLook:
    """What was seen of the systems.

    Attributes:
        sweep: The sweep.
        stores: What sizing sends, by workload.
        rates: By workload and system.
        probed: By system.
        common_tokens: Prompt tokens of a one-word request, by system.
    """

    sweep: Sweep
    stores: Mapping[str, SizingStore]
    rates: dict[str, dict[str, ClosedRates]] = field(default_factory=dict)
    probed: dict[str, str] = field(default_factory=dict)
    common_tokens: dict[str, int] = field(default_factory=dict)

    def know(self, plan: SweepPlan) -> None:
        """Take over what a plan says of the systems."""
        self.probed |= plan.probed
        self.common_tokens |= plan.common_tokens

    def rates_of(self, workload: str, system: str) -> ClosedRates:
        """Return the rates of a system; to those of a new one, none belong yet."""
        rates = self.rates.setdefault(workload, {})
        return rates.setdefault(system, ClosedRates(self.sweep.settings.stop))

    def look_at(self, system: OpenSystem, wanted: Mapping[str, Iterable[LoadLevel]], *, auto: bool) -> None:
        """Probe a system, and find its rates at the closed loops that are wanted of each workload.

        Raises:
            InputError: the system rejects requests that force their length.
            SetupError: it fails a first request.
            InvalidRunError: a sizing run ends early.
        """
        settings = self.sweep.settings
        workloads = [workload for workload in settings.workloads if workload.name in wanted]
        self.sweep.observer.system(system.name, "first requests")
        for workload in workloads:
            self._note(system.name, workload, probe_length(system, workload))
        sizer = Sizer(settings, system, self.sweep.folder.path, self.sweep.observer.measuring)
        for workload in workloads:
            store, rates = self.stores[workload.name], self.rates_of(workload.name, system.name)

            def rate(closed: int, workload: Workload = workload, store: SizingStore = store) -> float:
                self.sweep.observer.system(system.name, f"sizing {workload.name} closed-{closed}")
                return sizer.rate(store, closed)

            loads = [level.closed for level in wanted[workload.name] if level.closed is not None]
            if auto:
                _measure_doubled(rates, rate)
            rates.measure(sorted(loads), rate)

    def _note(self, name: str, workload: Workload, found: ProbedSystem) -> None:
        if found.prompt_tokens is not None:
            self.common_tokens[name] = max(found.prompt_tokens, self.common_tokens.get(name, 0))
        if found.lengths is None:
            return
        if found.lengths is LengthAnswer.REJECTED:
            raise InputError(
                f"system {name} rejects requests that force their length with {workload.force_length}; set "
                f"force_length of workload {workload.name} to what all systems take, such as min_tokens or "
                "none."
            )
        before = self.probed.get(name, LengthAnswer.HONOURED)
        self.probed[name] = str(max(found.lengths, LengthAnswer(before), key=_WORST_LAST.index))

    def copy_baseline(self) -> None:
        """Copy what is known of the baseline to its second copy."""
        baseline = self.sweep.settings.reference
        if baseline in self.probed:
            self.probed[NOISE_FLOOR_SYSTEM] = self.probed[baseline]
        if baseline in self.common_tokens:
            self.common_tokens[NOISE_FLOOR_SYSTEM] = self.common_tokens[baseline]


def _measure_doubled(rates: ClosedRates, rate: Callable[[int], float]) -> None:
    """Find the rates of doubled loads; one that a system cannot take ends the search, unless it is the first.

    Raises:
        InvalidRunError: the system takes no load at all.
    """
    try:
        rates.measure(doubling(), rate)
    except InvalidRunError as error:
        if not rates.rates:
            raise
        log.warning("the last load that is tried is closed-%d: %s", max(rates.rates), error)
