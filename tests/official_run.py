"""Helpers for runs of the official client or its stand-in: the inputs, and `weighbridge run` with them."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from stand_in import PRESET, ROWS, make_client, write_round, write_rows

from weighbridge.benchmarks import qwen3_vl
from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.round_of_scenario import round_of_scenario
from weighbridge.config.server_settings import ServerSettings
from weighbridge.core.proc import PROC, all_pids
from weighbridge.endpoints.client_config import ClientPlan
from weighbridge.endpoints.client_environment import client_environment
from weighbridge.endpoints.client_process import ClientLaunch, ClientProcess
from weighbridge.endpoints.proven_client import CLIENT_MODULE
from weighbridge.endpoints.rows_hash import RowsHash
from weighbridge.records.client_rows import ClientRows
from weighbridge.records.official_client import CLIENT_LOG
from weighbridge.records.run_record import RunRecord

HASH = "0" * 64
SAMPLES = 20
MODEL = Path(qwen3_vl.__file__).parent / "demo" / "model"
KEY_NAME, KEY = "STAND_IN_KEY", "not-a-real-key-4711"


def processes_in(folder: Path) -> list[int]:
    """Return the processes that run below a folder, which may be gone."""
    found = []
    for pid in all_pids():
        with suppress(OSError):
            if (PROC / str(pid) / "cwd").readlink().is_relative_to(folder):
                found.append(pid)
    return found


def nothing_left(folder: Path, shared: Iterable[str]) -> bool:
    """Wait until no process is left that runs below a folder; return whether shared memory is free too."""
    until = time.monotonic() + 20
    while processes_in(folder) and time.monotonic() < until:
        time.sleep(0.1)
    return not processes_in(folder) and not any(map(os.path.lexists, shared))


def files_with_key(folder: Path) -> list[Path]:
    """Return the files below a folder that have the key of a run in them."""
    return [path for path in folder.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]


class OfficialRun:
    """A run below a folder.

    Attributes:
        tree: Its checkout.
        out: Folder of the run.
        commit: The commit.
    """

    def __init__(
        self,
        folder: Path,
        url: str,
        store: Path,
        *,
        scenario: str = "interactive",
        qps: float = 40,
        checkout: tuple[Path, str] | None = None,
        python: Path = Path(sys.executable),
        **faults: Any,
    ) -> None:
        """Prepare a run.

        Args:
            folder: For all its files.
            url: The server's.
            store: Our requests, one for each of the rows.
            scenario: The scenario.
            qps: Its rate.
            checkout: Folder and commit of the client; None: the stand-in, which is made.
            python: The interpreter that runs Weighbridge and the client.
            faults: Of the stand-in.
        """
        self.out, self._folder, self._url, self._qps = folder / "run", folder, url, qps
        if checkout is None:
            self.tree = folder / "tree"
            self.commit = make_client(self.tree, **faults)
        else:
            self.tree, self.commit = checkout
        self._rows = self._proven_rows()
        self._proof("client", self.tree, self.commit)
        self._proof("model", MODEL, None)
        server = ServerSettings(model_name="tiny", endpoints=(url,), warmup_requests=1)
        client = ClientSettings(workers=1, connections=64, api_key_env=KEY_NAME)
        options = {
            "scenario": scenario,
            "mode": "performance",
            "round": write_round(folder / "round.yaml", self.commit, samples=SAMPLES),
            "target-qps": qps,
            "server": server.model_dump_json(),
            "client": client.model_dump_json(),
            "model": folder / "model.json",
            "official-client": folder / "client.json",
            "client-data": self._rows,
            "store": store,
            "out": self.out,
        }
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        self.command = [str(python), "-m", "weighbridge", "run", *words]

    def start(self) -> "subprocess.Popen[str]":
        """Start it in a session of its own, as a terminal does."""
        environment = os.environ | {KEY_NAME: KEY, "TMPDIR": str(self.scratch)}
        return subprocess.Popen(
            self.command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def until_issuing(self, process: "subprocess.Popen[str]") -> None:
        """Wait until the client is in its performance phase, or the process of the run has ended."""
        log = self.out / CLIENT_LOG
        while process.poll() is None and not (log.is_file() and "phase: performance" in log.read_text()):
            time.sleep(0.1)

    def __call__(self) -> "subprocess.CompletedProcess[str]":
        """Run it to its end."""
        process = self.start()
        _, said = process.communicate(timeout=300)
        return subprocess.CompletedProcess(self.command, process.returncode, None, said)

    def client_alone(self, stall_limit_s: float) -> ClientProcess:
        """Prepare a run of the client without all else that a run has; what it reports goes to report."""
        round_ = round_of_scenario(load_round(str(self._folder / "round.yaml")), "interactive")
        plan = ClientPlan(
            round_=round_,
            scenario=round_.scenario("interactive"),
            target_qps=self._qps,
            samples=3 * SAMPLES,
            model_name="tiny",
            tokenizer=MODEL,
            endpoints=[self._url],
            client=ClientSettings(workers=1),
            report=self._folder / "report",
        )
        request, working = self._folder / "client.yaml", self.scratch / "working"
        request.write_text(plan.text())
        write_rows(working / "dataset_cache", SAMPLES)
        asked = ("benchmark", "from-config", "-c", str(request), "--mode", "both")
        launch = ClientLaunch(
            command=[sys.executable, "-m", CLIENT_MODULE, *asked],
            environment=client_environment(self.tree, working, os.environ),
            folder=working,
            log=self._folder / "client.log",
            requests=self._folder / "requests.bin",
            events=self._folder / "report" / "events.jsonl",
            target_qps=1e4,  # so that nobody waits for what may not be in the log yet
            stall_limit_s=stall_limit_s,
        )
        return ClientProcess(launch)

    @property
    def scratch(self) -> Path:
        """The folder of temporary files, in which a run leaves none."""
        folder = self._folder / "t"
        folder.mkdir(exist_ok=True)
        return folder

    @property
    def record(self) -> RunRecord:
        """run.json of a run that came to its end, or of one that was set aside."""
        found = [path / "run.json" for path in (self.out, self.out / "aborted")]
        return RunRecord.read(next(path for path in found if path.is_file()))

    def _proven_rows(self) -> Path:
        place = self._folder / "rows.json"
        file = write_rows(self._folder / "rows", SAMPLES)
        found = RowsHash()
        found.add(pq.read_table(file))
        rows = ClientRows(
            preset=PRESET,
            path=ROWS,
            rows=SAMPLES,
            sha256=found.hexdigest(),
            dataset_sha256=HASH,
            client_commit=self.commit,
        )
        place.write_text(rows.model_dump_json())
        return place

    def _proof(self, kind: str, folder: Path, revision: str | None) -> None:
        proof = {"kind": kind, "folder": str(folder), "repo": None, "revision": revision}
        proof |= {"manifest_digest": HASH, "files": []}
        (self._folder / f"{kind}.json").write_text(json.dumps(proof))
