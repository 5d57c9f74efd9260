"""A probe at the rate of a long run, before it: a rate that cannot pass then costs a minute."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode, ScenarioRules
from weighbridge.core.files import write_atomic
from weighbridge.core.formatting import duration
from weighbridge.loadgen.work_size import work_size
from weighbridge.records.search_record import PROBE, PROBE_FOLDER, Probe
from weighbridge.run.session import Session
from weighbridge.search.next_step import Step
from weighbridge.search.probe_judgement import FullRun, sure_miss
from weighbridge.search.probe_length import probe_length_s
from weighbridge.search.prober import RAMP_SHARE, Prober, read_times

log = logging.getLogger(__name__)


def rate_probe(
    round_: Round,
    scenario: ScenarioRules,
    mode: Mode,
    target_qps: float,
    probe_s: float,
    out: Path,
    switches: Mapping[str, int] | None = None,
) -> Callable[[Session], str | None] | None:
    """Return what probes the rate of a run before it, for `execute`; None where there is no probe.

    See `probe_length_s` for when there is none.

    Args:
        round_: The rules.
        scenario: The run's.
        mode: The run's.
        target_qps: Queries/s that it will issue.
        probe_s: Length of the probe; 0: none.
        out: Folder of the run.
        switches: Further keys of LoadGen's user.conf, with their values.
    """
    if not probe_length_s(round_, scenario, mode, target_qps, probe_s):
        return None
    return _RateProbe(scenario, target_qps, probe_s, out / PROBE_FOLDER, switches)


@dataclass(frozen=True)
class _RateProbe:
    """A probe that is still to come; the arguments are those of `rate_probe`."""

    scenario: ScenarioRules
    target_qps: float
    probe_s: float
    out: Path
    switches: Mapping[str, int] | None

    def __call__(self, session: Session) -> str | None:
        """Probe the rate, keep the probe in its folder, and return why the run is not worth making."""
        label = f"probe of {duration(self.probe_s)} at {self.target_qps:g} queries/s"
        prober = Prober(session, self.scenario, self.probe_s, self.switches)
        probe = prober.run(Step("probe", self.target_qps), 1, self.out, label)
        size = work_size(session.setup.round_, self.scenario, Mode.PERFORMANCE, self.target_qps)
        missed = self._missed(probe, size.samples)
        # A search would have judged more strictly; its reason stays, as what was seen.
        probe = probe.model_copy(update={"passed": missed is None, "reason": missed or probe.reason})
        write_atomic(self.out / PROBE, probe.model_dump_json(indent=2) + "\n")
        if missed is None:
            log.info("%s: the run may pass (%s)", label, probe.reason)
            return None
        setting = f"scenarios.{self.scenario.name}"
        return (
            f"a {label} shows that the run of {duration(size.scheduled_s)} would not pass: {missed}; lower "
            f"{setting}.target_qps, or set it to 'auto' to search for the highest rate that passes; with "
            f"{setting}.probe_s: 0 the run is made without a probe. The probe is in {self.out}."
        )

    def _missed(self, probe: Probe, queries: int) -> str | None:
        if probe.cut_off or probe.failed:
            return probe.reason
        limits = self.scenario.limits.by_name
        fulls = {name: FullRun.of(limit, queries, self.target_qps) for name, limit in limits.items()}
        issued_s, measured_s = read_times(self.out)
        return sure_miss(issued_s, measured_s, RAMP_SHARE * self.probe_s, fulls)
