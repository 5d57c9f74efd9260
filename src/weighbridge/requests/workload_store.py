"""A workload's store: what its conversations send, drawn once for all systems and written as bytes.

A store is a folder:
  bodies.bin     all that follows {"model":"NAME", in each body, concatenated
  index.bin      offsets of the bodies, as in a benchmark's store
  turns.npy      one row a request: slice, conversation, turn, due time, ...
  holes.bin      with live history: where earlier answers go
  manifest.json  the workload, what was drawn, and hashes
"""

import hashlib
import json
import logging
import os
import platform
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import PIL
import scipy
import tokenizers
from numpy.typing import NDArray

from weighbridge import __version__
from weighbridge.config.workload import Workload
from weighbridge.core.errors import InputError
from weighbridge.core.files import sha256_of, write_atomic
from weighbridge.core.openai_api import AnswerKind, Api
from weighbridge.core.replaced_folder import replaced_folder
from weighbridge.records.store_manifest import MANIFEST_FILE
from weighbridge.records.sweep_plan import Used
from weighbridge.records.workload_manifest import SliceRecord, WorkloadManifest
from weighbridge.requests.bodies import Bodies
from weighbridge.requests.conversation_bodies import ConversationBodies, bodies_of_conversation
from weighbridge.requests.conversations import DrawnConversation, DrawnConversations
from weighbridge.requests.holes import HOLES_FILE
from weighbridge.requests.sent_form import SentForm
from weighbridge.requests.slice_draws import SliceSpec
from weighbridge.requests.synthetic_text import TOKENIZER_FILE
from weighbridge.requests.turn_rows import add_prefix_shares, row_of, summary_of
from weighbridge.requests.turns import TURN_TYPE, TURNS_TABLE, Turns
from weighbridge.requests.written_store import write_bodies

__all__ = ["SentWorkload", "SliceSpec", "WorkloadStore", "build_workload_store"]

Progress = Callable[[int, int], None]
log = logging.getLogger(__name__)

_MOST_THREADS = 16
_AHEAD = 4  # conversations a thread that wait in memory, encoded


@dataclass(frozen=True)
class SentWorkload:
    """A workload as one system gets it, which asks for the model by its own name."""

    path: Path
    api: Api
    model_name: str
    form: SentForm
    holes: bool
    _sizes: NDArray[np.int64] = field(repr=False)
    answers: AnswerKind = AnswerKind.GENERATED

    def __len__(self) -> int:
        return len(self._sizes)

    def sent_sizes(self) -> NDArray[np.int64]:
        """Return the size of each body as it is sent, in bytes, without live answers, shape (n,)."""
        return self._sizes + self.form.longer


class WorkloadStore:
    """A workload's store, open for reading.

    Attributes:
        path: Its folder.
        manifest: What was drawn.
        turns: One row a request.
    """

    def __init__(self, path: Path, manifest: WorkloadManifest, turns: Turns, bodies: Bodies) -> None:
        self.path, self.manifest, self.turns, self._bodies = path, manifest, turns, bodies

    @classmethod
    def open(cls, path: Path) -> "WorkloadStore":
        """Open and memory-map a store.

        Raises:
            InputError: it is missing, incomplete, or does not match its manifest.
        """
        if not (path / MANIFEST_FILE).exists():
            raise InputError(f"{path}: is no store of a workload; build its requests first.")
        manifest = WorkloadManifest.read(path / MANIFEST_FILE)
        bodies, turns = Bodies(path), _read_turns(path / TURNS_TABLE)
        if (len(bodies), bodies.total_bytes, len(turns)) != (
            manifest.count,
            manifest.bodies_bytes,
            manifest.count,
        ):
            raise InputError(f"{path}: does not match its manifest; build the requests again.")
        return cls(path, manifest, turns, bodies)

    def __len__(self) -> int:
        return self.manifest.count

    def body(self, index: int) -> memoryview:
        """Return one request's body as it is stored, without copying it."""
        return self._bodies[index]

    def sizes(self) -> NDArray[np.int64]:
        """Return the size of each stored body in bytes, shape (n,)."""
        return np.diff(np.asarray(self._bodies.offsets))

    def slice(self, block: int, level_name: str, repeat: int = 1) -> Turns:
        """Return the requests of a block at a load, in the order of conversations.

        Raises:
            InputError: the store does not have them.
        """
        wanted = block, level_name, repeat
        for number, each in enumerate(self.manifest.slices):
            if (each.block, each.level.name, each.repeat) == wanted:
                return np.asarray(self.turns[self.turns["slice"] == number])
        raise InputError(
            f"{self.path}: has no requests of block {block} at {level_name}, run {repeat}; build them again."
        )

    def sent_as(self, model_name: str) -> SentWorkload:
        """Return the requests as a system gets them that knows the model by this name."""
        before = f'{{"model":{json.dumps(model_name)},'
        stream = self.manifest.workload.stream
        form = SentForm(stream, (before, "}"), before.encode())
        holes = self.path / HOLES_FILE
        live = holes.exists() and holes.stat().st_size > 0
        return SentWorkload(self.path, self.manifest.api, model_name, form, live, self.sizes())


def build_workload_store(
    workload: Workload,
    slices: Sequence[SliceSpec],
    out: Path,
    *,
    skip: Used | None = None,
    model: Path | None = None,
    progress: Progress | None = None,
) -> WorkloadManifest:
    """Draw a workload's slices and write the store, completely or not at all.

    The same workload, slices and versions of libraries give the same bytes.

    Args:
        workload: The workload.
        slices: What is sent in which block at which load; each is drawn whatever stands beside it.
        out: The store's folder; an existing store is replaced.
        skip: `used` of the manifest of the workload's last store, so that nothing of it occurs again.
        model: Folder of a model, whose tokenizer counts tokens unless the workload names one.
        progress: Called with the number of requests done and the total.

    Raises:
        InputError: a source cannot be read, or has too little for all slices.
    """
    skip = skip or Used()
    tokenizer = model if model is not None and (model / TOKENIZER_FILE).is_file() else None
    conversations = DrawnConversations(workload, slices, skip, tokenizer)
    _warn(conversations)
    sources = {str(path): sha256_of(path) for path in conversations.sources(slices)}
    rows = np.zeros(
        sum(int(part.turns.sum()) for parts in conversations.parts for part in parts), dtype=TURN_TYPE
    )
    holes: list[tuple[int, int, int]] = []
    with replaced_folder(out) as unfinished:
        written = write_bodies(unfinished, _bodies(conversations, rows, holes, progress))
        np.save(unfinished / TURNS_TABLE, rows, allow_pickle=False)
        spliced = np.array(holes, dtype="<i8").tobytes()
        if holes:
            (unfinished / HOLES_FILE).write_bytes(spliced)
        manifest = WorkloadManifest(
            workload=workload,
            slices=_records(conversations, slices),
            api=workload.api,
            count=written.number,
            bodies_bytes=written.total_bytes,
            bodies_sha256=written.sha256,
            digest=hashlib.sha256(written.sha256.encode() + rows.tobytes() + spliced).hexdigest(),
            drawn=summary_of(rows, conversations),
            taken=conversations.taken,
            used=conversations.used,
            sources=sources,
            token_counts=conversations.texts.counts,
            versions=_versions(),
        )
        # Written last: a folder without a manifest is no store.
        write_atomic(unfinished / MANIFEST_FILE, manifest.model_dump_json(indent=2) + "\n")
    return manifest


def _warn(conversations: DrawnConversations) -> None:
    """Log what a server's caches may remember of earlier requests."""
    workload = conversations.workload
    if workload.source.images is not None and workload.image_transport != "data":
        log.warning(
            "workload %s: its images are named, not sent; a server that remembers images by name may have "
            "those of earlier runs",
            workload.name,
        )
    for name, taken in conversations.taken.items():
        if taken.repeat_share:
            log.warning(
                "workload %s: %.0f %% of its %d %s occurred before, since there are %d; a server may "
                "remember them",
                workload.name,
                100 * taken.repeat_share,
                taken.needed,
                name,
                taken.available,
            )


def _bodies(
    conversations: DrawnConversations,
    rows: Turns,
    holes: list[tuple[int, int, int]],
    progress: Progress | None,
) -> Iterator[bytes]:
    """Yield all bodies in order, and fill the rows and holes beside them."""
    numbers = {id(part): slice_ for slice_, parts in enumerate(conversations.parts) for part in parts}
    request = 0
    for conversation, made in _encoded(conversations):
        first = request
        for turn, body in enumerate(made.bodies):
            rows[request] = row_of(conversation, turn, request, numbers[id(conversation.part)], len(body))
            holes += [(request, position, first + answered) for position, answered in made.holes[turn]]
            yield body
            request += 1
        add_prefix_shares(conversations, conversation, rows[first:request])
        if progress is not None:
            progress(request, len(rows))


def _encoded(conversations: DrawnConversations) -> Iterator[tuple[DrawnConversation, ConversationBodies]]:
    """Yield conversations with their bodies in order; images are read and made in threads, a few ahead."""
    remaining = iter(conversations)
    waiting: deque[tuple[DrawnConversation, Future[ConversationBodies]]] = deque()
    threads = min(len(os.sched_getaffinity(0)), _MOST_THREADS)
    with ThreadPoolExecutor(threads, thread_name_prefix="images") as pool:
        while True:
            for each in islice(remaining, _AHEAD * threads - len(waiting)):
                made = pool.submit(bodies_of_conversation, conversations.workload, each)
                waiting.append((each, made))
            if not waiting:
                return
            conversation, done = waiting.popleft()
            yield conversation, done.result()


def _records(conversations: DrawnConversations, slices: Sequence[SliceSpec]) -> tuple[SliceRecord, ...]:
    return tuple(
        SliceRecord(
            block=each.block,
            repeat=each.repeat,
            level=each.level,
            counts=each.counts,
            requests=sum(int(part.turns.sum()) for part in parts),
        )
        for each, parts in zip(slices, conversations.parts, strict=True)
    )


def _versions() -> dict[str, str]:
    """Return the versions of all that determines a store's bytes."""
    return {
        "weighbridge": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "pillow": PIL.__version__,
        "tokenizers": tokenizers.__version__,
    }


def _read_turns(path: Path) -> Turns:
    try:
        turns = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: cannot be read ({error}); build the requests again.") from None
    if turns.dtype != TURN_TYPE:
        raise InputError(f"{path}: has other columns than this release's; build the requests again.")
    return np.asarray(turns)
