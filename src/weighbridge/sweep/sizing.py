"""Short runs of a system, which warm it up or find its rates, on conversations that no measured run sends."""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from weighbridge.client.conversation_issuer import ConversationIssuer
from weighbridge.client.frames import RequestOutcome
from weighbridge.client.issuer import Target
from weighbridge.client.sample_counts import SampleCounts
from weighbridge.config.load_level import LoadLevel
from weighbridge.config.sweep_settings import SweepSettings
from weighbridge.config.workload import Workload
from weighbridge.core.errors import InvalidRunError
from weighbridge.records.run_record import REQUESTS_TABLE, LoadReport
from weighbridge.records.store_manifest import MANIFEST_FILE
from weighbridge.records.sweep_plan import PhaseCounts
from weighbridge.requests.turns import RunPhase, Turns
from weighbridge.requests.workload_store import SliceSpec, WorkloadStore, build_workload_store
from weighbridge.run.measuring import issue_once
from weighbridge.sweep.interrupted import refuse_interrupted
from weighbridge.sweep.systems import OpenSystem

log = logging.getLogger(__name__)

_LEAST_S, _LONGEST_S, _SHARE = 0.5, 10.0, 0.1  # of a sizing run, as a share of the measured ones
_FEWEST_ANSWERS = 3
_LONGER = 4
_FEWEST_CONVERSATIONS, _MOST_CONVERSATIONS = 32, 512
_MOST_REPEATED = 20_000
_SIZING = LoadLevel(closed=1)
SCRATCH = ".sizing-"
"""How names of folders begin that hold a short run while it lasts."""


@dataclass(frozen=True)
class SizingStore:
    """The conversations that sizing sends, over and over.

    Attributes:
        store: Their store.
        turns: Mean number of requests of a conversation.
        conversation_bytes: Mean size of a conversation's bodies.
    """

    store: WorkloadStore
    turns: float
    conversation_bytes: float

    def repeated(self) -> Turns:
        """Return the conversations again and again, all as measured ones, shape (requests,)."""
        once = self.store.turns
        count = int(once["conversation"].max()) + 1
        times = max(1, _MOST_REPEATED // len(once))
        found = np.tile(once, times)
        found["conversation"] += np.repeat(np.arange(times, dtype="u4") * np.uint32(count), len(once))
        found["phase"] = int(RunPhase.MEASURED)
        return np.asarray(found)


def open_sizing_store(workload: Workload, closed: int, folder: Path, model: Path | None) -> SizingStore:
    """Build the store of sizing where it is missing or of another workload, and open it.

    Args:
        workload: The workload.
        closed: Largest number of conversations at once.
        folder: The store's folder.
        model: Folder of a model whose tokenizer counts.

    Raises:
        InputError: a source cannot be read, or has too little.
    """
    if not (folder / MANIFEST_FILE).exists() or WorkloadStore.open(folder).manifest.workload != workload:
        count = min(max(2 * closed, _FEWEST_CONVERSATIONS), _MOST_CONVERSATIONS)
        counts = PhaseCounts(warmup=0, measured=count, cooldown=0)
        build_workload_store(workload, [SliceSpec(0, 1, _SIZING, counts)], folder, model=model)
    store = WorkloadStore.open(folder)
    conversations = int(store.turns["conversation"].max()) + 1
    return SizingStore(store, len(store) / conversations, store.manifest.bodies_bytes / conversations)


class Sizer:
    """Short runs on a system that is open."""

    def __init__(
        self,
        settings: SweepSettings,
        system: OpenSystem,
        scratch: Path,
        show: Callable[[SampleCounts], None],
    ) -> None:
        """Prepare runs below the folder `scratch`, of which nothing is left."""
        self._settings, self._system, self._scratch, self._show = settings, system, scratch, show

    def warm_up(self, sizing: SizingStore, closed: int, seconds: float) -> None:
        """Keep the system busy for so long.

        Raises:
            InvalidRunError: the run ends early.
        """
        self._run(sizing, closed, seconds)

    def rate(self, sizing: SizingStore, closed: int) -> float:
        """Return the requests/s that the system answers in a closed loop.

        A run that sees too few answers is repeated, longer.

        Raises:
            InvalidRunError: a run ends early, or the longest one sees no answer.
        """
        seconds = min(max(_SHARE * self._settings.duration_s, _LEAST_S), _LONGEST_S)
        while True:
            answers, took_s = self._run(sizing, closed, seconds)
            if answers >= _FEWEST_ANSWERS:
                return answers / took_s
            if seconds >= self._settings.max_duration_s:
                break
            seconds = min(seconds * _LONGER, self._settings.max_duration_s)
        if answers:
            return answers / took_s
        raise InvalidRunError(
            f"system {self._system.name} answered nothing within max_duration_s ({seconds:g} s) at "
            f"{closed} conversations at once; lower the load, or raise max_duration_s."
        )

    def _run(self, sizing: SizingStore, closed: int, seconds: float) -> tuple[int, float]:
        """Return how many requests were answered, and in how many seconds until the last of these."""
        level = LoadLevel(closed=closed)
        issuer = ConversationIssuer(
            f"{self._system.name} {level.name}",
            level,
            sizing.repeated(),
            error_abort=self._settings.stop.error_abort,
            seconds=seconds,
        )
        requests = sizing.store.sent_as(self._system.model_name)
        target = Target(self._system.running.endpoints, requests, self._system.client)
        with TemporaryDirectory(prefix=SCRATCH, dir=self._scratch) as folder:
            report, _ = issue_once(self._system.running, issuer, target, Path(folder), self._show)
            refuse_interrupted(report)
            self._refuse(report)
            table = pq.read_table(Path(folder) / REQUESTS_TABLE, columns=["sent_ns", "end_ns", "outcome"])
        good = table.filter(pc.equal(table["outcome"].cast("string"), RequestOutcome.OK.label))
        if not len(good):
            return 0, math.nan
        span_ns = pc.max(good["end_ns"]).as_py() - pc.min(table["sent_ns"]).as_py()
        return len(good), max(span_ns, 1) / 1e9

    def _refuse(self, report: LoadReport) -> None:
        if report.aborted is not None:
            raise InvalidRunError(
                f"system {self._system.name}: a first short run ended early ({report.aborted}); correct the "
                "server, and run the same command again."
            )
