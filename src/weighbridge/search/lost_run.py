"""Whether a run can still pass, while it lasts: no later answer takes back what is late already."""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic

from weighbridge.client.frames import RequestOutcome
from weighbridge.client.issuer import IssuePlan
from weighbridge.client.request_log import Records, RequestLogTail
from weighbridge.client.sample_counts import DrivenPhase, SampleCounts
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import LatencyLimit, Mode, ScenarioRules
from weighbridge.core.formatting import duration
from weighbridge.core.percentiles import index_of_percentile
from weighbridge.gates.performance_checks import lower_target_qps
from weighbridge.loadgen.early_stopping import discarded, max_over_latency
from weighbridge.monitor.unanswered import UnansweredSinceIssue
from weighbridge.records.run_record import ERRORS_FILE, REQUESTS_BINARY, LostRun
from weighbridge.search.limited_times import limited_times_ns

log = logging.getLogger(__name__)

_NS = 1e9
_LOOK_EVERY_S = 1.0
# LoadGen stamps a first token and an end when it is told of them, which may be this much later than the
# client saw them. Where both count, as in the time per output token, less beyond a limit is not certain.
_TOLD_LATER_NS = 50e6
# From fewer answers no rate is suggested.
_FEWEST_ANSWERS = 20
_NAMES = {"latency": "latency", "ttft": "time to the first token", "tpot": "time per output token"}


def allowed_late(queries: int, percentile: float, *, early_stopping: bool, estimated: bool = False) -> int:
    """Return the most late queries with which a run of so many may pass.

    LoadGen compares the value at index floor(n * percentile), and where the round asks for early stopping,
    that test must pass too. A run that is too short for the test fails it with any latencies, which no rate
    mends; there the percentile alone counts. Where the estimate of early stopping is compared with the limit
    (`estimated`), it is one less: the estimate is the slowest of those that are not set aside.

    Longer runs may have more: what exceeds this for the longest run that is possible exceeds it for all.
    """
    within = queries - 1 - index_of_percentile(queries, percentile)
    most = discarded if estimated else max_over_latency
    passing = most(queries, percentile) if early_stopping else None
    return within if passing is None else min(within, passing)


class LateSamples:
    """Counts the samples of a run that are late for certain: ended ones, and open ones over a limit.

    Attributes:
        failed: Requests that failed.
        aborted: Whether the run was ended: what its open requests become then says nothing of it.
        first_planned_ns: When the first of the ended ones was issued; 0: none has ended.
    """

    def __init__(self, limits: Mapping[str, LatencyLimit]) -> None:
        """Count by these limits: latency, ttft, tpot."""
        self.failed, self.aborted = 0, False
        self._limits = limits
        self._ended = dict.fromkeys(limits, 0)
        self._unanswered = UnansweredSinceIssue()
        self._answers, self._first_end_ns, self._last_end_ns = 0, 0, 0
        self.first_planned_ns = 0

    def add(self, records: Records) -> None:
        """Take the records of requests that ended since the last call."""
        if len(records):
            first_ns = int(records["planned_ns"].min())
            self.first_planned_ns = min(self.first_planned_ns or first_ns, first_ns)
        answered = records[records["outcome"] == RequestOutcome.OK]
        self.failed += len(records) - len(answered)
        self.aborted |= bool((records["outcome"] == RequestOutcome.ABORTED).any())
        self._unanswered.add(records)
        if not len(answered):
            return
        end_ns = answered["end_ns"]
        measured_ns = limited_times_ns(
            answered["planned_ns"],
            answered["first_ns"],
            end_ns,
            answered["tokens"],
            told_later_ns=_TOLD_LATER_NS,
        )
        for name, limit in self._limits.items():
            self._ended[name] += int((measured_ns[name] > limit.limit_s * _NS).sum())
        self._first_end_ns = min(self._first_end_ns or int(end_ns.min()), int(end_ns.min()))
        self._last_end_ns = max(self._last_end_ns, int(end_ns.max()))
        self._answers += len(answered)

    def late(self, counts: SampleCounts) -> dict[str, int]:
        """Return by limit how many samples are late, whatever comes; call it after the records were added.

        The time per output token of an open sample can still become short.

        Args:
            counts: The run's, of a moment after the last call's.
        """
        self._unanswered.note(counts.at_ns, counts.issued)
        ages_ns, waiting = self._unanswered.ages(counts.at_ns)
        # Which open samples have begun to answer is not known; at worst it is those that wait longest.
        begun = max(0, counts.first_tokens - (counts.completed - counts.failed))
        found = dict(self._ended)
        for name, spared in (("latency", 0), ("ttft", begun)):
            if (limit := self._limits.get(name)) is not None:
                over = int(waiting[ages_ns > limit.limit_s * _NS].sum())
                found[name] += max(0, over - spared)
        return found

    @property
    def served_qps(self) -> float | None:
        """Answers per second between the first and the last; None: too few to say."""
        span_ns = self._last_end_ns - self._first_end_ns
        return (self._answers - 1) / span_ns * _NS if self._answers >= _FEWEST_ANSWERS and span_ns else None


class LostRunWatch:
    """Watches a run by its counts and its request log; says once that it cannot pass any more.

    Attributes:
        lost: Why it cannot; None: it may, as far as is known.
    """

    def __init__(
        self,
        plan: IssuePlan,
        round_: Round,
        scenario: ScenarioRules,
        out: Path,
        tell: Callable[[str], None],
        *,
        stop: bool,
    ) -> None:
        """Watch a run that LoadGen or the official client issues.

        Args:
            plan: What it does, the judged queries alone. Of an accuracy or compliance run, latencies are not
                judged.
            round_: The rules.
            scenario: The run's.
            out: Its folder.
            tell: Receives the sentence, for those who watch the run.
            stop: Whether the run is ended then.
        """
        self.lost: LostRun | None = None
        self._plan, self._scenario, self._stop, self._tell = plan, scenario, stop, tell
        judged = plan.mode is Mode.PERFORMANCE and plan.compliance_test is None
        self._limits = scenario.limits.by_name if judged else {}
        # The official client's results hold early stopping's estimate, which is compared with the limit.
        self._estimated = round_.evidence == "endpoints"
        self._early_stopping = round_.loadgen is None or round_.loadgen.early_stopping
        self._samples = LateSamples(self._limits)
        self._file = out / REQUESTS_BINARY
        self._tail: RequestLogTail | None = None
        self._begun_ns = 0
        self._due_s, self._broken = 0.0, False

    def __call__(self, counts: SampleCounts) -> str | None:
        """Look once a second; return the reason to end the run, if it is lost and shall end then."""
        if counts.phase not in (None, DrivenPhase.PERFORMANCE):
            return None
        if self.lost is None and not self._broken and counts.at_ns and counts.issued:
            self._begun_ns = self._begun_ns or counts.at_ns
            if monotonic() >= self._due_s:
                self._due_s = monotonic() + _LOOK_EVERY_S
                self._look(counts)
        return self.lost.reason if self.lost is not None and self._stop else None

    def close(self) -> None:
        """Close the request log."""
        if self._tail is not None:
            self._tail.close()

    def _look(self, counts: SampleCounts) -> None:
        try:
            self._read()
            if not self._samples.aborted:
                self.lost = self._find(counts)
        except Exception:  # hours of measuring are worth more than this sentence
            self._broken = True
            log.warning("whether the run can still pass is not watched; the run goes on", exc_info=True)
        if self.lost is not None:
            then = "it is ended" if self._stop else "it goes on to its end, and does not count"
            sentence = f"{self.lost.reason}; {then}. {self.lost.remedy}"
            log.warning("%s: %s", self._plan.label, sentence)
            self._tell(sentence)

    def _read(self) -> None:
        if self._tail is None:
            with suppress(FileNotFoundError):
                self._tail = RequestLogTail(self._file)
        while self._tail is not None and len(records := self._tail.new()):
            self._samples.add(records)

    def _find(self, counts: SampleCounts) -> LostRun | None:
        late = self._samples.late(counts)
        # The counts of a driver that is seen in parts begin late.
        begun_ns = min(self._begun_ns, self._samples.first_planned_ns or self._begun_ns)
        after_s = (counts.at_ns - begun_ns) / _NS
        lost = f"the run cannot pass any more after {duration(after_s)}: "
        if failed := self._samples.failed:
            requests = "1 request" if failed == 1 else f"{failed:,} requests"
            reason = f"{lost}{requests} of {counts.issued:,} failed, and none may"
            return LostRun(after_s=after_s, reason=reason, remedy=f"Find the cause in {ERRORS_FILE}.")
        queries = max(self._plan.expected, counts.issued)
        for name, limit in self._limits.items():
            allowed = allowed_late(
                queries, limit.percentile, early_stopping=self._early_stopping, estimated=self._estimated
            )
            if late[name] > allowed:
                reason = (
                    f"{lost}{late[name]:,} of {counts.issued:,} queries are over the limit of "
                    f"{limit.limit_s:g} s ({_NAMES[name]}), and of all {queries:,} only {allowed:,} may be"
                )
                target, lower = self._plan.target_qps, self._lower_target_qps()
                search = ", or set it to 'auto' to search for the highest rate that passes"
                remedy = (
                    f"Lower scenarios.{self._scenario.name}.target_qps from {target:g}"
                    f"{f' (try {lower:g})' if lower else ''}{search if self._scenario.searchable else ''}."
                )
                return LostRun(after_s=after_s, reason=reason, remedy=remedy, suggested_target_qps=lower)
        return None

    def _lower_target_qps(self) -> float | None:
        served, target = self._samples.served_qps, self._plan.target_qps
        return None if served is None else lower_target_qps(target, min(served, target), target)
