"""Conversations as an issuer: one run at one load, closed or open, through our own workers."""

import math
from pathlib import Path

from weighbridge.client.frames import Driver
from weighbridge.client.issuer import IssuePlan, Target
from weighbridge.client.issuing_job import SCHEDULE_FILE, IssuingJob, write_schedule
from weighbridge.client.load_run import check_client, clear, load_report, run_processes
from weighbridge.client.planned_conversations import NS, planned_conversations
from weighbridge.client.sample_counts import Observe, Stop
from weighbridge.config.load_level import LoadLevel
from weighbridge.config.scenario_rules import Mode
from weighbridge.core.errors import InputError
from weighbridge.core.files import disk_needed
from weighbridge.records.run_record import ERRORS_FILE, REQUESTS_BINARY, REQUESTS_TABLE, LoadReport
from weighbridge.requests.turns import Turns

_LEAST_LATENCY_S = 0.1  # no model answers sooner: what begins within this time is in flight at its end


class ConversationIssuer:
    """Issues the conversations of one run.

    Attributes:
        plan: What it will do.
        evidence: What the client writes of each request.
    """

    official_client = None
    evidence = (REQUESTS_TABLE, ERRORS_FILE)

    def __init__(
        self,
        label: str,
        level: LoadLevel,
        turns: Turns,
        *,
        error_abort: float = 0.05,
        seconds: float | None = None,
    ) -> None:
        """Plan a run.

        Args:
            label: What progress calls the run.
            level: The load.
            turns: Of the run's conversations, in the order in which they begin.
            error_abort: Share of the first 100 requests whose failure ends the run.
            seconds: After how long the run is over in any case; None: with the last measured conversation.

        Raises:
            InputError: no conversation is measured, one has too many turns, or an open loop has no due times.
        """
        self._level, self._error_abort, self._seconds = level, error_abort, seconds
        self._conversations = planned_conversations(turns, level)
        self._largest_request = int(turns["request"].max())
        last_due_s = self._conversations[-1].due_ns / NS
        self.plan = IssuePlan(
            label=label,
            scenario=level.name,
            mode=Mode.PERFORMANCE,
            scheduled=level.open,
            target_qps=len(turns) / last_due_s if level.open and last_due_s else 0.0,
            expected=len(turns),
            schedule_s=seconds or last_due_s,
            limit_s=None,
        )

    def check(self) -> None:
        """Check nothing: the package alone is needed."""

    def issue(
        self, target: Target, out: Path, observe: Observe | None = None, stop: Stop | None = None
    ) -> LoadReport:
        """Run the conversations once against running servers.

        Ctrl-C and SIGTERM end the run within seconds; like a server that is gone, a worker that died, or too
        many failures, they do not raise: the report says `aborted`, and why.

        Args:
            target: Servers, store and client.
            out: Folder for errors.jsonl and requests.parquet; made if missing.
            observe: Receives the counts twice a second, and may end the run.
            stop: Asked every second for a reason to end the run, such as a dead server.

        Raises:
            InputError: the store lacks a request, the key is not set, or there are fewer connections than
                conversations at once.
            SetupError: the disk or the machine fails the run.
        """
        self._check_target(target)
        clear(out, SCHEDULE_FILE)
        schedule = out.resolve() / SCHEDULE_FILE
        try:
            with disk_needed(out):
                write_schedule(schedule, self._conversations)
            group = run_processes(self._driver(target, out.resolve(), schedule), target, observe, stop)
        finally:
            schedule.unlink(missing_ok=True)
        return load_report(group, target.requests, out, target_qps=self.plan.target_qps)

    def _check_target(self, target: Target) -> None:
        requests, client, closed = target.requests, target.client, self._level.closed or 0
        if self._largest_request >= len(requests):
            raise InputError(
                f"{requests.path}: holds {len(requests)} requests, and request {self._largest_request} is to "
                "be sent; build it again."
            )
        if closed > client.connections:
            raise InputError(
                f"client.connections is {client.connections}, too few for {closed} conversations at once; "
                "raise it, or lower the load."
            )
        check_client(client)

    def _driver(self, target: Target, folder: Path, schedule: Path) -> Driver:
        at_once = self._level.closed or math.ceil((self._level.rate or 0) * _LEAST_LATENCY_S)
        job = IssuingJob(
            out=str(folder),
            records=str(folder / REQUESTS_BINARY),
            errors=str(folder / ERRORS_FILE),
            endpoints=list(target.endpoints),
            in_flight=min(at_once, len(self._conversations)),
            store=str(target.requests.path.resolve()),
            schedule=str(schedule),
            closed=self._level.closed or 0,
            seconds=self._seconds or 0,
            error_abort=self._error_abort,
            api_key_env=target.client.api_key_env,
        )
        return Driver("issuer", "the issuer", "weighbridge.client.issuing_process", job)
