"""The performance phase of a finished run of the official client, to be issued again by our own client."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from weighbridge.client.conversation_issuer import ConversationIssuer
from weighbridge.config.load_level import LoadLevel
from weighbridge.core.errors import InputError
from weighbridge.endpoints.client_results import ClientResults
from weighbridge.endpoints.events import ClientPhase, Events, Numbers
from weighbridge.endpoints.schedule import arrivals_ns
from weighbridge.records.run_record import RUN_RECORD, RunRecord
from weighbridge.requests.turns import TURN_TYPE, RunPhase, Turns

_AT_ONCE = LoadLevel(constant=1e6)  # what is due at the same time; the issuer counts connections by it


@dataclass(frozen=True)
class ReplayedPhase:
    """What the official client issued, and when it was due.

    Attributes:
        phase: Its queries.
        scenario: Name of the scenario.
        target_qps: Queries/s; None: all were due at once.
        due_ns: When each was due, since the first could be, shape (n,).
        streamed: Whether answers were streamed.
    """

    phase: ClientPhase
    scenario: str
    target_qps: float | None
    due_ns: Numbers
    streamed: bool

    @classmethod
    def of(cls, run: Path) -> "ReplayedPhase":
        """Read a finished run.

        Raises:
            InputError: its record, report or log is missing or damaged, or its load has no times to issue
                queries at.
        """
        record = RunRecord.read(run / RUN_RECORD)
        config, events = ClientResults.read(run).config, Events.read(run)
        phase = events.performance if events else None
        if config is None or phase is None or not len(phase):
            raise InputError(
                f"{run}: no run of the official client with its configuration and log of events; restore its "
                "report, or repeat the run."
            )
        load, seed = config.settings.load_pattern, config.settings.runtime.scheduler_random_seed
        if load.type == "max_throughput":
            due_ns, qps = np.zeros(len(phase), dtype=np.int64), None
        elif load.type == "poisson" and load.target_qps and seed is not None:
            due_ns, qps = arrivals_ns(len(phase), load.target_qps, seed), load.target_qps
        else:
            raise InputError(
                f"{run}: its load pattern is {load.type}, whose queries have no due times; take a run at a "
                "rate, or an offline one."
            )
        return cls(phase, record.scenario, qps, due_ns, bool(config.streams))

    def issuer(self) -> ConversationIssuer:
        """Return what issues the same samples when they were due."""
        turns: Turns = np.zeros(len(self.phase), dtype=TURN_TYPE)
        turns["request"], turns["due_s"] = self.phase.sample, self.due_ns / 1e9
        turns["phase"] = RunPhase.MEASURED
        level = _AT_ONCE if self.target_qps is None else LoadLevel(poisson=self.target_qps)
        issuer = ConversationIssuer(f"{self.scenario} cross-measured", level, turns)
        issuer.plan = replace(
            issuer.plan,
            scenario=self.scenario,
            scheduled=self.target_qps is not None,
            target_qps=self.target_qps or 0.0,
        )
        return issuer
