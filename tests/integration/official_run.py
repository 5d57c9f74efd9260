"""Helpers for runs of the stand-in for the official client: its inputs, and `weighbridge run` with them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from driving import small_store
from stand_in import PRESET, ROWS, make_client, write_round, write_rows

from weighbridge.benchmarks import qwen3_vl
from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.server_settings import ServerSettings
from weighbridge.endpoints.rows_hash import RowsHash
from weighbridge.records.client_rows import ClientRows
from weighbridge.records.run_record import RunRecord

HASH = "0" * 64
SAMPLES = 20
MODEL = Path(qwen3_vl.__file__).parent / "demo" / "model"
KEY_NAME, KEY = "STAND_IN_KEY", "not-a-real-key-4711"


class OfficialRun:
    """A run of the stand-in below a folder.

    Attributes:
        tree: Its checkout.
        out: Folder of the run.
        commit: The commit.
    """

    def __init__(
        self, folder: Path, url: str, *, qps: float = 40, stall_s: float = 300, **faults: Any
    ) -> None:
        self.tree, self.out, self._folder = folder / "tree", folder / "run", folder
        self.commit = make_client(self.tree, **faults)
        self._rows = self._proven_rows()
        self._proof("client", self.tree, self.commit)
        self._proof("model", MODEL, None)
        server = ServerSettings(model_name="tiny", endpoints=(url,), warmup_requests=1)
        client = ClientSettings(workers=1, api_key_env=KEY_NAME, stall_limit_s=stall_s)
        options = {
            "scenario": "interactive",
            "mode": "performance",
            "round": write_round(folder / "round.yaml", self.commit, samples=SAMPLES),
            "target-qps": qps,
            "server": server.model_dump_json(),
            "client": client.model_dump_json(),
            "model": folder / "model.json",
            "official-client": folder / "client.json",
            "client-data": self._rows,
            "store": small_store(folder / "store", SAMPLES, stream=True),
            "out": self.out,
        }
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        self.command = [sys.executable, "-m", "weighbridge", "run", *words]

    def start(self) -> "subprocess.Popen[str]":
        """Start it in a session of its own, as a terminal does."""
        environment = os.environ | {KEY_NAME: KEY, "TMPDIR": str(self.scratch)}
        return subprocess.Popen(
            self.command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def __call__(self) -> "subprocess.CompletedProcess[str]":
        """Run it to its end."""
        process = self.start()
        _, said = process.communicate(timeout=120)
        return subprocess.CompletedProcess(self.command, process.returncode, None, said)

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
