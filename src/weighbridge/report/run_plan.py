"""What a workflow is going to run, how long each run takes, and how many GPU hours that is."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.round import Round
from weighbridge.config.round_of_scenario import round_of_scenario
from weighbridge.config.round_settings import planned_scenarios
from weighbridge.config.scenario_rules import Mode, number_of_repeat, performance_run
from weighbridge.config.settings import portable_settings
from weighbridge.config.target_rate import offline_share
from weighbridge.core.formatting import duration
from weighbridge.core.models import Model
from weighbridge.endpoints.work_of_rounds import work_of_run
from weighbridge.loadgen.own_user_conf import AskedScenario, asked_scenario
from weighbridge.records.quality_answers import MEASURED, MMLU_FOLDER, MeasuredQuality
from weighbridge.records.run_record import RUN_RECORD, RunRecord
from weighbridge.records.search_record import PEAK, Peak
from weighbridge.report.expected_time import ExpectedTime, expected_run, expected_search
from weighbridge.report.planned_jobs import PlannedJobs
from weighbridge.report.spent_time import measured_s, start_times_s
from weighbridge.search.probe_length import probe_length_s

RowState = Literal["to do", "done"]
_S_PER_H = 3600


@dataclass(frozen=True)
class PlanRow:
    """One line of a plan.

    Attributes:
        name: What is done.
        state: Whether it is still to be done, or its result is kept.
        work: What it consists of.
        expected: How long it takes; of what is done, how long it took. None: unknown.
        on_server: Whether a server runs meanwhile.
    """

    name: str
    state: RowState
    work: str
    expected: ExpectedTime | None
    on_server: bool = True


@dataclass(frozen=True)
class RunPlan:
    """The lines of a plan, and what a server of it costs.

    Attributes:
        rows: In the order in which it is done on one machine.
        gpus: GPUs that the servers hold together; 0: none are counted.
    """

    rows: tuple[PlanRow, ...]
    gpus: int

    @property
    def total(self) -> ExpectedTime:
        """The time of servers that is still to come, as far as it is known."""
        known = [row.expected for row in self._to_come if row.expected is not None]
        return sum(known, ExpectedTime.exactly(0.0))

    @property
    def unknown(self) -> tuple[str, ...]:
        """What is still to be done on a server, and takes nobody knows how long."""
        return tuple(row.name for row in self._to_come if row.expected is None)

    @property
    def _to_come(self) -> list[PlanRow]:
        return [row for row in self.rows if row.state == "to do" and row.on_server]


class PlanListing(Model):
    """What `plan --json` prints."""

    steps: tuple[PlanRow, ...] = Field(description="In their order; `expected` is null where it is unknown.")
    gpus: int = Field(description="GPUs that the servers hold together; 0: none are counted.")
    to_come: ExpectedTime = Field(description="Time of servers that is still to come, as far as known, in s.")
    unknown: tuple[str, ...] = Field(description="Steps still to be done that `to_come` does not contain.")

    @classmethod
    def of(cls, plan: RunPlan) -> "PlanListing":
        """Return the listing of a plan."""
        return cls(steps=plan.rows, gpus=plan.gpus, to_come=plan.total, unknown=plan.unknown)


def run_plan(jobs: PlannedJobs) -> RunPlan:
    """Return what the jobs that Snakemake is going to make take.

    Raises:
        InputError: the configuration, or a record of the run directory, is damaged.
    """
    return _Planner(jobs).plan()


class _Planner:
    def __init__(self, jobs: PlannedJobs) -> None:
        self._jobs = jobs
        self._settings = portable_settings(jobs.configuration, jobs.root)
        self._round = load_round(self._settings.round, self._settings.category)
        self._planned = planned_scenarios(self._settings, self._round)
        self._asked: Mapping[str, AskedScenario] = {
            name: asked_scenario(self._settings.scenarios[name], self._round, name, jobs.root)
            for name in self._planned
        }
        self._results = jobs.directory / "results"

    def plan(self) -> RunPlan:
        runs = [*self._performance(), *self._compliance(), *self._accuracy(), *self._mmlu()]
        server = self._settings.server
        uses = len(self._jobs.runs) + len(self._jobs.searched) + self._jobs.asks_mmlu
        rows = [*self._fetches(), *(self._start(uses) if uses and not server.endpoints else ()), *runs]
        return RunPlan(tuple(rows), 0 if server.endpoints else server.gpus * server.nodes_per_replica)

    def _fetches(self) -> Iterator[PlanRow]:
        for kind in self._jobs.fetched:
            yield PlanRow(f"fetch {kind}", "to do", "download or verify", None, on_server=False)

    def _start(self, uses: int) -> Iterator[PlanRow]:
        """Yield the starts of the server: one where it is kept, on one machine, else one for each use."""
        taken = start_times_s(self._results)
        kept = self._settings.server.keep and self._round.runs_are_independent
        starts = 1 if kept else uses
        named = "1 start" if starts == 1 else f"{starts} starts"
        if taken:
            one = ExpectedTime(min(taken), max(taken))
            work = f"{named}; as {len(taken)} before"
        else:
            one = None
            work = f"{named}, at most {duration(self._settings.server.startup_timeout_s)} each"
        yield PlanRow("server start", "to do", work, one * starts if one is not None else None)

    def _performance(self) -> Iterator[PlanRow]:
        """Yield the runs in the workflow's order: Offline first, then searches and rates."""
        for name in self._offline_first():
            searched = self._asked[name].target_qps == "auto"
            if searched or name in self._jobs.searched:
                yield from self._search(name)
            wanted = self._settings.scenarios[name].performance_runs
            # The run that confirms a searched rate is the first.
            for number in range(2 if searched else 1, wanted + 1):
                yield from self._run(name, performance_run(number))
            if self._at_once:
                yield from self._run(name, Mode.ACCURACY)

    def _compliance(self) -> Iterator[PlanRow]:
        for name in self._offline_first():
            for run in self._planned[name].compliance_runs:
                yield from self._run(name, run)

    def _accuracy(self) -> Iterator[PlanRow]:
        for name in () if self._at_once else self._offline_first():
            yield from self._run(name, Mode.ACCURACY)

    def _mmlu(self) -> Iterator[PlanRow]:
        path = self._results / MMLU_FOLDER / MEASURED
        if self._jobs.asks_mmlu:
            asked = self._settings.quality.mmlu
            yield PlanRow("mmlu", "to do", f"its questions, {asked.shots}-shot", None)
        elif path.is_file():
            done = MeasuredQuality.read(path)
            work = f"{done.counts.requests:,} requests"
            yield PlanRow("mmlu", "done", work, ExpectedTime.exactly(done.duration_s))

    @property
    def _at_once(self) -> bool:
        """Whether a scenario's accuracy run is part of the job of its performance run."""
        return self._round.evidence == "endpoints"

    def _offline_first(self) -> list[str]:
        return sorted(self._planned, key=lambda name: not self._planned[name].offline)

    def _run(self, scenario: str, name: str) -> Iterator[PlanRow]:
        round_ = self._rules(scenario)
        rules, rate = round_.scenarios[scenario], self._rate(scenario)
        if (scenario, str(Mode.PERFORMANCE) if self._at_once else name) not in self._jobs.runs:
            yield from self._done(scenario, name)
            return
        run, asked_s = rules.rules_of(name), self._settings.scenarios[scenario].probe_s
        # A compliance test measures no rate that a probe could refuse; the first run has proven a repeat's.
        unprobed = run.compliance_test or number_of_repeat(name)
        probe_s = 0.0 if unprobed else probe_length_s(round_, rules, run.mode, rate, asked_s)
        size = work_of_run(round_, rules, run, rate)
        about = "" if isinstance(self._asked[scenario].target_qps, float) else "about "
        probe = f", probe {duration(probe_s)}" if probe_s else ""
        work = f"{size.samples:,} samples at {about}{rate:.4g}/s{probe}"
        yield PlanRow(f"{scenario} {name}", "to do", work, expected_run(round_, rules, run, rate, probe_s))

    def _done(self, scenario: str, run: str) -> Iterator[PlanRow]:
        path = self._results / scenario / run / RUN_RECORD
        if path.is_file():
            load = RunRecord.read(path).load
            work = f"{load.issued:,} samples at {load.achieved_qps:.4g}/s"
            yield PlanRow(f"{scenario} {run}", "done", work, ExpectedTime.exactly(measured_s(load)))

    def _search(self, scenario: str) -> Iterator[PlanRow]:
        name = f"{scenario} peak search"
        if scenario not in self._jobs.searched:
            path = self._results / scenario / PEAK
            if path.is_file():
                probes = Peak.read(path).probes
                took = ExpectedTime.exactly(sum(probe.duration_s for probe in probes))
                yield PlanRow(name, "done", f"{len(probes)} probes and full-length runs", took)
            return
        search, round_ = self._settings.search, self._rules(scenario)
        # What Offline asks for is the best guess before Offline has run.
        rate = self._start_rate(search.start)
        expected = expected_search(round_, round_.scenarios[scenario], search, rate)
        work = (
            f"up to {search.max_probes} probes of {duration(search.probe_s)}, "
            f"1 to {search.max_confirmations} full-length runs at about {rate:.4g}/s"
        )
        yield PlanRow(name, "to do", work, expected)

    def _rules(self, scenario: str) -> Round:
        return round_of_scenario(self._asked[scenario].overlay.over(self._round, scenario), scenario)

    def _rate(self, scenario: str) -> float:
        asked = self._asked[scenario].target_qps
        if isinstance(asked, float):
            return asked
        if (share := offline_share(asked)) is not None:
            return self._start_rate(share)
        path = self._results / scenario / PEAK
        if scenario not in self._jobs.searched and path.is_file():
            return Peak.read(path).peak_qps
        return self._start_rate(self._settings.search.start)

    def _start_rate(self, share: float) -> float:
        """Return the rate at which a search starts, from the Offline run, or from what is asked of it."""
        offline = next(name for name, rules in self._planned.items() if rules.offline)
        record = self._results / offline / Mode.PERFORMANCE / RUN_RECORD
        if (offline, str(Mode.PERFORMANCE)) not in self._jobs.runs and record.is_file():
            return share * RunRecord.read(record).load.achieved_qps
        asked = self._asked[offline].target_qps
        assert isinstance(asked, float)  # any other is refused by check_against_round
        return share * asked


def hours(expected: ExpectedTime, gpus: int) -> tuple[float, float]:
    """Return the GPU hours of a time of servers, from and to; without GPUs the hours of the servers."""
    each = max(1, gpus) / _S_PER_H
    return expected.least_s * each, expected.most_s * each
