"""The official endpoints client as an issuer: one invocation, which measures and then scores."""

import logging
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from weighbridge.benchmarks.model_tokenizer import ModelTokenizer
from weighbridge.client.issuer import IssuePlan, Target
from weighbridge.client.load_run import check_load, clear
from weighbridge.client.sample_counts import Observe, Stop
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode, ScenarioRules
from weighbridge.core.errors import InputError
from weighbridge.core.files import write_atomic
from weighbridge.core.secrets import mask
from weighbridge.endpoints.client_config import ClientPlan, planned_work
from weighbridge.endpoints.client_environment import client_environment
from weighbridge.endpoints.client_process import ClientLaunch, ClientProcess
from weighbridge.endpoints.client_report import write_report
from weighbridge.endpoints.dataset_rows import link_rows
from weighbridge.endpoints.events import Events
from weighbridge.endpoints.kept_key import hide_key
from weighbridge.endpoints.proven_client import CLIENT_MODULE, ProvenClient, check_import, packages_sha256
from weighbridge.records.official_client import (
    CLIENT_FILES,
    CLIENT_FOLDER,
    CLIENT_LOG,
    CLIENT_REQUEST,
    EVENTS,
    OfficialClient,
)
from weighbridge.records.run_record import (
    ERRORS_FILE,
    REQUESTS_BINARY,
    REQUESTS_TABLE,
    SAMPLED_ANSWERS,
    LoadReport,
)

log = logging.getLogger(__name__)


class EndpointsIssuer:
    """Lets the official client issue the queries of a scenario: a performance phase, then an accuracy phase.

    Attributes:
        plan: What it will do, both phases together.
        judged_plan: What it will do in the performance phase.
        evidence: The client's report, what it was asked for, and what was read of it.
        official_client: Which client it was; None before the run.
    """

    evidence = (
        *((CLIENT_FOLDER / path).as_posix() for path in CLIENT_FILES),
        CLIENT_REQUEST,
        CLIENT_LOG,
        REQUESTS_TABLE,
        ERRORS_FILE,
        SAMPLED_ANSWERS,
    )

    def __init__(
        self,
        round_: Round,
        scenario: ScenarioRules,
        target_qps: float,
        client: ProvenClient,
        model: Path,
        label: str | None = None,
    ) -> None:
        """Plan a run.

        Args:
            round_: What the round fixes, as it holds for the scenario.
            scenario: The scenario.
            target_qps: Queries/s to issue; offline: samples/s expected.
            client: The client.
            model: Folder of the model, whose tokenizer counts tokens.
            label: What progress calls the run; default: the scenario.
        """
        self._round, self._scenario, self._target_qps = round_, scenario, target_qps
        self._client, self._model = client, model
        self.official_client: OfficialClient | None = None
        performance, accuracy = (planned_work(round_, scenario, mode, target_qps) for mode in Mode)
        limit = scenario.limits.latency
        self._samples = performance.samples
        self.judged_plan = IssuePlan(
            label=label or scenario.name,
            scenario=scenario.name,
            mode=Mode.PERFORMANCE,
            scheduled=scenario.has_schedule,
            target_qps=target_qps,
            expected=performance.samples,
            schedule_s=performance.scheduled_s,
            limit_s=limit.limit_s if limit else None,
        )
        self.plan = replace(
            self.judged_plan,
            expected=performance.samples + accuracy.samples,
            schedule_s=performance.scheduled_s + accuracy.scheduled_s,
        )

    def check(self) -> None:
        """Check that the client is a commit of the round, that its packages are here, and what it will read.

        Raises:
            InputError: the client is none of the round's or no checkout of its commit, or the rows are not
                made of the round's dataset by it, or the model has no tokenizer.
            SetupError: git is missing, the checkout's repository is damaged, or a package is missing.
        """
        self._before = self._client.checked_out(self._round)
        if self._before.modified:
            log.warning(
                "%s: the client differs from its commit: %s; the run will not count",
                self._before.folder,
                self._before.changed[0],
            )
        self._rows = self._client.proven_rows(self._round, self._scenario)
        ModelTokenizer(self._model)
        with _working_folder() as folder:
            check_import(self._before.folder, folder, self._round)

    def issue(
        self, target: Target, out: Path, observe: Observe | None = None, stop: Stop | None = None
    ) -> LoadReport:
        """Run the client once against running servers; see `Issuer`.

        Args:
            target: Servers, store and client settings.
            out: Folder for the client's report and our records of it; made if missing.
            observe: Receives the counts of both phases twice a second, and may end the run.
            stop: Asked for a reason to end the run.

        Raises:
            InputError: the store does not fit the round, the key is not set, or the folder cannot be used.
            SetupError: the client cannot be started, or the checkout cannot be read.
        """
        check_load(target.requests, target.client, self._round.samples)
        out = out.resolve()
        clear(out, CLIENT_REQUEST, CLIENT_LOG)
        shutil.rmtree(out / CLIENT_FOLDER, ignore_errors=True)
        plan = ClientPlan(
            round_=self._round,
            scenario=self._scenario,
            target_qps=self._target_qps,
            samples=self._samples,
            model_name=target.requests.model_name,
            tokenizer=self._model,
            endpoints=target.endpoints,
            client=target.client,
            report=out / CLIENT_FOLDER,
        )
        write_atomic(out / CLIENT_REQUEST, plan.text(), private=True)
        name = target.client.api_key_env
        key = os.environ.get(name) if name else None
        with _working_folder() as folder:
            link_rows(self._rows, self._client.rows, folder)
            process = ClientProcess(self._launch(plan, out, folder, {name: key} if name and key else {}))
            process.run(observe, stop)
        if key:
            hide_key(key, [out / CLIENT_LOG, out / CLIENT_FOLDER])
        # It may end in a line of the client's, which may repeat what a server says.
        process.aborted = process.aborted and mask(process.aborted, [key])
        self.official_client = self._record(process)
        events = self._read_events(process, out)
        self._check_complete(process, events, out)
        sent_bytes = int(target.requests.sent_sizes().sum())
        report = write_report(process, plan, events, out, sent_bytes, key)
        (out / REQUESTS_BINARY).unlink(missing_ok=True)
        return report

    def _launch(self, plan: ClientPlan, out: Path, folder: Path, key: dict[str, str]) -> ClientLaunch:
        command = ["benchmark", "from-config", "-c", str(out / CLIENT_REQUEST), "--mode", "both"]
        return ClientLaunch(
            command=[sys.executable, "-m", CLIENT_MODULE, *command],
            environment=client_environment(self._before.folder, folder, os.environ) | key,
            folder=folder,
            log=out / CLIENT_LOG,
            requests=out / REQUESTS_BINARY,
            events=out / CLIENT_FOLDER / EVENTS,
            target_qps=plan.target_qps,
            stall_limit_s=plan.client.stall_limit_s,
        )

    def _record(self, process: ClientProcess) -> OfficialClient:
        proof, before, after = self._client.proof, self._before, self._client.checked_out(self._round)
        if after.modified and not before.modified:
            process.warnings.append(f"the client's checkout was changed during the run: {after.changed[0]}")
        return OfficialClient(
            repo=proof.repo or str(proof.folder.name),
            commit=before.commit,
            tree=before.tree,
            modified=before.modified or after.modified,
            packages_sha256=packages_sha256(),
            python=platform.python_version(),
            dataset_name=self._rows.preset,
            dataset_sha256=self._rows.sha256,
            dataset_rows=self._rows.rows,
            exit_code=process.exit_code,
        )

    def _read_events(self, process: ClientProcess, out: Path) -> Events | None:
        """Read the log; one that cannot be read ends a run whose end was regular."""
        try:
            return Events.read(out)
        except InputError as error:
            process.aborted = process.aborted or str(error).rstrip(".")
            return None

    def _check_complete(self, process: ClientProcess, events: Events | None, out: Path) -> None:
        """Note why a run is none that ended in its order, which the client's exit code does not tell."""
        if process.aborted is not None:
            return
        missing = [path for path in CLIENT_FILES if not (out / CLIENT_FOLDER / path).is_file()]
        phase = events.performance if events is not None else None
        issued = len(phase) if phase is not None else 0
        if issued < self._samples:
            process.aborted = (
                f"the official client issued {issued} of {self._samples} queries and ended as if that were "
                f"all; something interrupted it, see {CLIENT_LOG}"
            )
        elif missing:
            process.aborted = (
                f"the official client ended without {', '.join(map(str, missing))}; see {CLIENT_LOG}"
            )
        elif events is not None and not events.ended:
            process.aborted = (
                f"{CLIENT_FOLDER / EVENTS} ends before the run did; make room in /dev/shm, where the client "
                "keeps it"
            )


@contextmanager
def _working_folder() -> Iterator[Path]:
    """Make a folder for the client to run in, with a short path, for the sake of its sockets; remove it."""
    folder = Path(tempfile.mkdtemp(prefix="weighbridge-client-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
