"""One probe on a running server: a short LoadGen run, or one as long as the round demands."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import monotonic

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from weighbridge.client.frames import faults
from weighbridge.client.issuer import IssuePlan
from weighbridge.client.sample_counts import SampleCounts
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode, ScenarioRules
from weighbridge.core.errors import InvalidRunError
from weighbridge.gates.performance_checks import performance_checks
from weighbridge.loadgen.loadgen_issuer import LoadGenIssuer
from weighbridge.loadgen.logs import read_detail
from weighbridge.loadgen.work_size import server_schedule_s, work_size
from weighbridge.records.run_record import DETAIL, REQUESTS_TABLE, RunRecord
from weighbridge.records.search_record import Probe
from weighbridge.run.session import Session
from weighbridge.search.limited_times import limited_times_ns
from weighbridge.search.lost_run import LostRunWatch
from weighbridge.search.next_step import Step
from weighbridge.search.probe_judgement import (
    FullRun,
    Judgement,
    OverloadDetector,
    judge_all,
    overload_detectors,
)

log = logging.getLogger(__name__)

# Of a probe, while the server still fills up.
RAMP_SHARE = 0.25


class Prober:
    """Runs the steps of a search on one server."""

    def __init__(
        self,
        session: Session,
        scenario: ScenarioRules,
        probe_s: float,
        switches: Mapping[str, int] | None = None,
        *,
        stop_when_lost: bool = True,
    ) -> None:
        """Use a server that is ready, for a scenario, with probes of a length in seconds.

        `switches` are further keys of LoadGen's user.conf, with their values. With `stop_when_lost`, a
        full-length run ends as soon as it cannot pass any more; a short probe has limits of its own.
        """
        self._switches, self._stop_when_lost = switches, stop_when_lost
        self._session, self._probe_s = session, probe_s
        self._round = session.setup.round_
        self._scenario = scenario

    def run(self, step: Step, number: int, out: Path, label: str) -> Probe:
        """Run a step in folder `out`, and judge it.

        Raises:
            InputError: `out` cannot be used.
            InvalidRunError: something other than the rate ended the run: Ctrl-C, a server that died.
            SetupError: LoadGen does not take the settings, or the server does not come back to rest.
        """
        queries = work_size(self._round, self._scenario, Mode.PERFORMANCE, step.target_qps).samples
        limits = self._scenario.limits.by_name
        fulls = {name: FullRun.of(limit, queries, step.target_qps) for name, limit in limits.items()}
        count = max(1, round(step.target_qps * self._probe_s))
        if step.kind == "confirmation" or count >= queries:
            probe = self._measure(step, number, out, label, fulls, queries, self._round, step.target_qps)
        else:
            rules = probing_round(self._round, self._scenario.name, count)
            rate = (
                step.target_qps * rate_correction(self._round, queries) / rate_correction(self._round, count)
            )
            probe = self._measure(step, number, out, label, fulls, count, rules, rate)
        self._session.settle()
        return probe

    def _measure(
        self,
        step: Step,
        number: int,
        out: Path,
        label: str,
        fulls: Mapping[str, FullRun],
        count: int,
        round_: Round,
        issued_qps: float,
    ) -> Probe:
        detectors = overload_detectors(fulls, count)
        scenario = round_.scenarios[self._scenario.name]
        issuer = LoadGenIssuer(round_, scenario, Mode.PERFORMANCE, issued_qps, label, self._switches)
        whole = round_ is self._round
        loss = self._loss(issuer.plan, out) if whole else None
        record = self._session.measure(issuer, out, partial(_watch, detectors), loss)
        if (
            record.load.aborted not in (None, *(each.reason for each in detectors))
            and not record.ended_as_lost
        ):
            raise InvalidRunError(
                f"the measurement in {out} was ended: {record.load.aborted}; give the same command again."
            )
        issued_s, measured_s = read_times(out)
        ramp_s = 0.0 if whole else RAMP_SHARE * self._probe_s
        judgement = judge_all(issued_s, measured_s, ramp_s, fulls)
        passed, reason = self._verdict(record, judgement, out, whole=whole)
        failed = sum(faults(record.load.failed).values())
        if failed:
            # A request that fails at once is no fast answer.
            judgement = replace(judgement, p50_latency_s=None, p99_latency_s=None, judged_limits={})
        return Probe(
            number=number,
            kind=step.kind,
            target_qps=step.target_qps,
            full_length=whole,
            passed=passed,
            reason=reason,
            duration_s=float((issued_s + measured_s["latency"]).max(initial=0.0)),
            queries=record.load.issued,
            judged=judgement.judged,
            over_latency=judgement.over_latency,
            over_latency_allowed=judgement.over_latency_allowed,
            failed=failed,
            achieved_qps=record.load.achieved_qps,
            p50_latency_s=judgement.p50_latency_s,
            p99_latency_s=judgement.p99_latency_s,
            judged_limits=dict(judgement.judged_limits),
            growth=judgement.growth,
            cut_off=record.load.aborted is not None,
            started=record.load.started,
            folder=str(out),
        )

    def _loss(self, plan: IssuePlan, out: Path) -> LostRunWatch:
        tell, stop = self._session.observer.lost, self._stop_when_lost
        return LostRunWatch(plan, self._round, self._scenario, out, tell, stop=stop)

    def _verdict(
        self, record: RunRecord, judgement: Judgement, out: Path, *, whole: bool
    ) -> tuple[bool, str]:
        """Judge a full-length run by the round's gates, and a short probe by its own requests."""
        if record.load.aborted:
            return False, record.load.aborted
        if record.load.failures:
            kinds = ", ".join(f"{count} {kind}" for kind, count in record.load.failed.items())
            return False, f"{record.load.failures} requests failed ({kinds}); see errors.jsonl"
        if not whole:
            return judgement.passed, judgement.reason
        checks = performance_checks(read_detail(out / DETAIL), self._round, self._scenario)
        missed = [check for check in checks if check.asked and not check.passed]
        if missed:
            return False, "; ".join(check.wording for check in missed)
        return True, f"a full-length run passed every check; {judgement.reason}"


def probing_round(round_: Round, scenario: str, queries: int) -> Round:
    """Return rules under which LoadGen issues exactly this many queries, drawn from all samples."""
    rules = round_.scenarios[scenario].model_copy(
        update={"min_duration_s": 0.001, "min_query_count": queries}
    )
    return round_.model_copy(
        update={
            "loadgen": round_.loadgen_rules.model_copy(update={"whole_passes": False}),
            "scenarios": round_.scenarios | {scenario: rules},
        }
    )


def rate_correction(round_: Round, queries: int) -> float:
    """Return how much faster than its target LoadGen issues the first queries of the round's schedule.

    The gaps are random, though the same in every run: those of a short probe may add up to a rate some
    percent off, and a probe must issue at the rate of the run that it stands for.
    """
    return queries / float(server_schedule_s(queries, 1.0, round_.loadgen_rules.seeds.schedule)[-1])


def _watch(detectors: Sequence[OverloadDetector], counts: SampleCounts) -> str | None:
    now_s = monotonic()
    return next((reason for each in detectors if (reason := each(now_s, counts)) is not None), None)


def read_times(out: Path) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Read when each query of a run was issued, and what limits apply to; in the order of issue.

    Returns:
        (n,) seconds from the first issue, and by a limit's name (n,) seconds, as of `limited_times_ns`.
    """
    columns = ["planned_ns", "first_ns", "end_ns", "tokens"]
    frame = pd.read_parquet(out / REQUESTS_TABLE, columns=columns).sort_values("planned_ns")
    planned_ns, first_ns, end_ns, tokens = (frame[name].to_numpy() for name in columns)
    measured_ns = limited_times_ns(planned_ns, first_ns, end_ns, tokens)
    issued_s = (planned_ns - planned_ns[:1].sum()) / 1e9
    return issued_s, {name: values / 1e9 for name, values in measured_ns.items()}
