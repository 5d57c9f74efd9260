"""LoadGen as an issuer: one run of one scenario, driven by LoadGen in a process of its own."""

import math
from collections.abc import Mapping
from pathlib import Path

from weighbridge.client.answer_sample import share_of
from weighbridge.client.frames import Driver
from weighbridge.client.issuer import IssuePlan, Target
from weighbridge.client.load_run import check_load, clear, load_report, run_processes
from weighbridge.client.sample_counts import Observe, Stop
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import LoadGenScenario, Mode, RunRules, ScenarioRules
from weighbridge.core.errors import InputError, SetupError
from weighbridge.core.files import write_atomic
from weighbridge.loadgen.compliance_run import ComplianceRun
from weighbridge.loadgen.loadgen_job import LoadGenJob
from weighbridge.loadgen.loadgen_settings import check_loadgen, user_conf
from weighbridge.loadgen.logs import cut_off
from weighbridge.loadgen.work_size import work_of_run
from weighbridge.records.run_record import (
    ANSWERS,
    AUDIT_CONFIG,
    DETAIL,
    ERRORS_FILE,
    REQUESTS_BINARY,
    REQUESTS_TABLE,
    SAMPLED_ANSWERS,
    SUMMARY,
    USER_CONF,
    LoadReport,
)

# No model answers sooner: whatever is issued within this time is in flight at its end.
_LEAST_LATENCY_S = 0.1


class LoadGenIssuer:
    """Issues the requests of a scenario as LoadGen's rules and seeds demand.

    Attributes:
        plan: What it will do.
        evidence: LoadGen's logs, and what the client wrote of each request.
    """

    official_client = None
    evidence = (DETAIL, SUMMARY, ANSWERS, AUDIT_CONFIG, REQUESTS_TABLE, ERRORS_FILE, SAMPLED_ANSWERS)

    def __init__(
        self,
        round_: Round,
        scenario: ScenarioRules,
        mode: Mode,
        target_qps: float,
        label: str | None = None,
        switches: Mapping[str, int] | None = None,
        compliance: ComplianceRun | None = None,
    ) -> None:
        """Plan a run.

        Args:
            round_: What the round fixes.
            scenario: One of its scenarios.
            mode: Performance or accuracy.
            target_qps: Server: queries/s to issue. Offline: samples/s expected. SingleStream: queries/s
                expected, one after the other.
            label: What progress calls the run; default: scenario and mode.
            switches: Further keys of user.conf, with their values.
            compliance: The compliance test whose run this is; None: none.
        """
        self._round, self._scenario, self._mode, self._target_qps = round_, scenario, mode, target_qps
        self._switches, self._compliance = switches, compliance
        test = compliance.test if compliance else None
        size = work_of_run(round_, scenario, RunRules(mode=mode, compliance_test=test), target_qps)
        limit = scenario.limits.latency
        self.plan = IssuePlan(
            label=label or f"{scenario.name} {test or mode}",
            scenario=scenario.name,
            mode=mode,
            scheduled=scenario.has_schedule,
            target_qps=target_qps,
            expected=size.samples,
            schedule_s=size.scheduled_s,
            limit_s=limit.limit_s if limit else None,
            compliance_test=test,
        )

    @property
    def judged_plan(self) -> IssuePlan:
        """What it will do of what is judged: all."""
        return self.plan

    def check(self) -> None:
        """Check that the installed LoadGen is the round's.

        Raises:
            SetupError: it is another release, or carries other seeds.
        """
        check_loadgen(self._round)

    def issue(
        self, target: Target, out: Path, observe: Observe | None = None, stop: Stop | None = None
    ) -> LoadReport:
        """Run LoadGen once against running servers.

        Ctrl-C and SIGTERM end the run within seconds; like a server that is gone or a worker that died, they
        do not raise: the report says `aborted`, and why.

        Args:
            target: Servers, store and client.
            out: Folder for LoadGen's logs, user.conf, errors.jsonl and requests.parquet; made if missing.
            observe: Receives the counts twice a second, and may end the run.
            stop: Asked every second for a reason to end the run, such as a dead server.

        Raises:
            InputError: the store does not fit the round, the key is not set, an audit.config lies around that
                is not the run's, or the system does not allow as many connections as the settings ask for.
            SetupError: LoadGen does not take the settings, or the disk did not take its logs.
        """
        check_load(target.requests, target.client, self._round.samples)
        if self._round.streams(self._scenario) and not target.requests.form.stream:
            raise InputError(
                f"{target.requests.path}: opened for answers that are not streamed, but LoadGen measures the "
                f"token latencies of {self._scenario.name}; open it for streamed ones."
            )
        # This LoadGen would not follow it, but whoever starts another in these folders would.
        for folder in (Path.cwd(), *(() if self._compliance else (out,))):
            if (folder / AUDIT_CONFIG).exists():
                raise InputError(f"{folder / AUDIT_CONFIG}: LoadGen would follow it; move it away.")
        clear(out, "mlperf_log_*")
        if self._compliance is not None:
            write_atomic(out / AUDIT_CONFIG, self._compliance.audit)
        conf = user_conf(self._round, self._scenario, self._target_qps, self._switches)
        write_atomic(out / USER_CONF, conf)
        group = run_processes(self._driver(target, out), target, observe, stop)
        if group.aborted is None:
            _check_logs(out, self._mode)
        return load_report(
            group,
            target.requests,
            out,
            target_qps=self._target_qps,
        )

    def _driver(self, target: Target, out: Path) -> Driver:
        folder = out.resolve()
        job = LoadGenJob(
            model=self._scenario.loadgen_model or "",
            scenario=str(self._scenario.loadgen_scenario),
            accuracy=self._mode is Mode.ACCURACY,
            seeds=self._round.loadgen_rules.seeds.model_dump(),
            samples=self._round.samples,
            store=str(target.requests.path.resolve()),
            user_conf=str(folder / USER_CONF),
            out=str(folder),
            records=str(folder / REQUESTS_BINARY),
            errors=str(folder / ERRORS_FILE),
            endpoints=list(target.endpoints),
            first_tokens=self._round.streams(self._scenario),
            in_flight=self._in_flight(),
            api_key_env=target.client.api_key_env,
            audit=str(folder / AUDIT_CONFIG) if self._compliance else "",
            answers=target.requests.answers,
            sampled="" if self._logs_answers else str(folder / SAMPLED_ANSWERS),
            sampled_share=share_of(self.plan.expected),
        )
        return Driver("loadgen", "LoadGen", "weighbridge.loadgen.loadgen_process", job)

    @property
    def _logs_answers(self) -> bool:
        """Return whether LoadGen itself logs the answers."""
        return self._mode is Mode.ACCURACY or self._compliance is not None

    def _in_flight(self) -> int:
        """Return how many requests are certain to be in flight at once soon after the start."""
        if self._scenario.loadgen_scenario is LoadGenScenario.OFFLINE:
            return self.plan.expected
        if self._scenario.has_schedule:
            return math.ceil(self._target_qps * _LEAST_LATENCY_S)
        return 1


def _check_logs(out: Path, mode: Mode) -> None:
    name = cut_off(out, performance=mode is Mode.PERFORMANCE)
    if name is not None:
        raise SetupError(
            f"{out / name}: LoadGen could not write it to its end; make the folder writable, make room on "
            "its disk, and repeat the run."
        )
