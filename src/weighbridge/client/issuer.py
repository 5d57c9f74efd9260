"""The interface between a session and what issues requests, such as LoadGen.

A session has servers that answer and are warm. An issuer gets their addresses, measures once, and reports.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from weighbridge.client.sample_counts import Observe, Stop
from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.scenario_rules import Mode
from weighbridge.records.official_client import OfficialClient
from weighbridge.records.run_record import LoadReport
from weighbridge.requests.sent_requests import SentRequests


@dataclass(frozen=True)
class IssuePlan:
    """What an issuer will do, as observers show it.

    Attributes:
        label: Name shown to people, such as 'server performance'.
        scenario: Name of the scenario.
        mode: Performance or accuracy.
        scheduled: Queries have due times, and latency counts from them.
        target_qps: Samples per second expected, or queries per second to issue where they are scheduled.
        expected: Samples that will be issued.
        schedule_s: When the last query is due, in seconds; without due times, the time expected for all.
        limit_s: The round's latency limit, in seconds; None: there is none.
        compliance_test: Name of the compliance test, such as TEST06; None: the run is none of one.
    """

    label: str
    scenario: str
    mode: Mode
    scheduled: bool
    target_qps: float
    expected: int
    schedule_s: float
    limit_s: float | None
    compliance_test: str | None = None

    @property
    def kind(self) -> str:
        """What the run is: its mode, or its compliance test."""
        return self.compliance_test or str(self.mode)


@dataclass(frozen=True)
class Target:
    """What requests are sent to, and how.

    Attributes:
        endpoints: Base URLs of the servers.
        requests: The opened requests.
        client: Workers, connections, timeouts, name of the key's variable.
    """

    endpoints: tuple[str, ...]
    requests: SentRequests
    client: ClientSettings


class Issuer(Protocol):
    """Issues the requests of one run."""

    @property
    def plan(self) -> IssuePlan:
        """What it will do."""

    @property
    def evidence(self) -> tuple[str, ...]:
        """Names of the files that prove the run; run.json records the sha256 of those that exist."""

    @property
    def official_client(self) -> OfficialClient | None:
        """The official client that issued the requests, after the run; None: another issuer did."""

    def check(self) -> None:
        """Check the issuer's own library and settings, before any server starts.

        Raises:
            SetupError: the library is missing, or is not the one that the round requires.
        """

    def issue(self, target: Target, out: Path, observe: Observe, stop: Stop) -> LoadReport:
        """Measure once. A run that ends early does not raise: the report says `aborted`, and why.

        Args:
            target: What to send to.
            out: Folder for the issuer's logs, errors.jsonl and requests.parquet; made if missing.
            observe: Receives the counts of the run, and may end it.
            stop: Asked at least once a second for a reason to end the run.

        Raises:
            InputError: the target or the folder cannot be used.
            SetupError: the library refuses the settings, or wrote no logs.
        """
