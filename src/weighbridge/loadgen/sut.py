"""The system under test, as LoadGen sees it: the workers get each sample, and LoadGen one outcome of each.

Two threads use it. LoadGen's own thread issues; the other collects outcomes, completes them towards LoadGen
and writes the records. They share the open samples: the thread that takes a sample out of them completes it,
so that an abort at any point still completes each sample exactly once.

LoadGen stamps a first token and a completion when it is told of it, and cannot be given another time. So it
is told before anything else is done with them.
"""

import socket
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from itertools import repeat
from time import monotonic, monotonic_ns, sleep

from weighbridge.client.answer_sample import AnswerSample
from weighbridge.client.driver_control import EARLY_LIMIT_S
from weighbridge.client.frames import FIRST, ISSUE, OPEN_EARLY, RECORD, Message, RequestOutcome
from weighbridge.client.outcome_files import OutcomeFiles
from weighbridge.client.worker_link import WorkerLink
from weighbridge.client.written_file import WrittenFile
from weighbridge.loadgen.completions import Completions
from weighbridge.loadgen.open_samples import OpenSamples, UnknownSampleError

_BATCH = 512  # numbers in one write: the first requests of an offline run leave while the rest are packed
_ABORTED_AT_ONCE = 4096  # bounds the memory that an abort needs
_LOOK_EVERY_S = 0.002
# Looked up once: finding a member of an enumeration is slow on Python 3.11.
_DONE, _FIRST_TOKEN = int(Message.DONE), int(Message.FIRST_TOKEN)


class SystemUnderTest:
    """The workers of one run, as LoadGen's process uses them.

    Attributes:
        issued: Samples that LoadGen asked for so far.
        completed: Samples completed towards LoadGen, failures included.
        first_tokens: First tokens that LoadGen was told of.
        aborted: Why the run ended early, if it did.
        links: One a worker.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        endpoints: Sequence[str],
        records: WrittenFile,
        errors: WrittenFile,
        sample: AnswerSample,
        key: str | None = None,
        *,
        token_latencies: bool = False,
        wants_first_tokens: bool = False,
    ) -> None:
        """Use workers that are connected.

        Args:
            sockets: One a worker.
            endpoints: URLs, in the order that numbers them.
            records: Where the RECORD of every outcome goes.
            errors: Where failures go, one JSON object a line.
            sample: Keeps a share of the answers.
            key: What the workers send as their key; a server may repeat it in an error.
            token_latencies: Whether LoadGen counts the tokens of each sample.
            wants_first_tokens: Whether it waits for first tokens, which the workers then send.
        """
        self.issued = self.completed = self.first_tokens = 0
        self.aborted: str | None = None
        self.links = [WorkerLink(number, link) for number, link in enumerate(sockets)]
        self._open = OpenSamples()
        self._tell = Completions(self._open, token_latencies=token_latencies, first_tokens=wants_first_tokens)
        self._files = OutcomeFiles(records, errors, endpoints, key)
        self._sample = sample

    @property
    def failed(self) -> Counter[RequestOutcome]:
        """The failures among the completed, by outcome."""
        return self._files.failed

    def open(self) -> int:
        """Return how many samples are issued and not completed."""
        return len(self._open)

    def await_workers(self) -> None:
        """Wait until all workers are ready, so that none of the run is spent on their start.

        Raises:
            EOFError: one of them ended instead, perhaps with a reason.
        """
        for link in self.links:
            while not link.ready:
                self.collect(link)
                if link.gone or self.aborted is not None:
                    raise EOFError(self.aborted or "a worker could not start; its error is above")

    def open_connections(self) -> None:
        """Open the workers' early connections; wait until that is over, or has taken too long.

        Another thread collects meanwhile.
        """
        for link in self.links:
            link.ready = False
            link.order(OPEN_EARLY)
        deadline = monotonic() + EARLY_LIMIT_S
        while not all(link.ready for link in self.links) and self.aborted is None and monotonic() < deadline:
            sleep(_LOOK_EVERY_S)

    def issue(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        """Send samples to the workers; called by LoadGen's thread.

        Args:
            ids: LoadGen's response ids.
            indices: The samples' numbers in the store.
        """
        if self.aborted is not None:
            self._tell.refuse(ids)
            return
        planned = monotonic_ns()
        self.issued += len(ids)
        if len(ids) == 1:
            link = self.links[0] if len(self.links) == 1 else min(self.links, key=WorkerLink.outstanding)
            link.send(ISSUE.pack(self._open.add_one(ids[0], indices[0], planned), indices[0], planned))
        else:
            for start in range(0, len(ids), _BATCH):
                self._issue_batch(ids[start : start + _BATCH], indices[start : start + _BATCH], planned)
        if self.aborted is not None:
            self._complete_open()

    def _issue_batch(self, ids: Sequence[int], indices: Sequence[int], planned: int) -> None:
        first = self._open.add(ids, indices, planned)
        packed = list(map(ISSUE.pack, range(first, first + len(ids)), indices, repeat(planned)))
        share = -(-len(packed) // len(self.links))
        for turn, start in enumerate(range(0, len(packed), share)):
            self.links[turn].send(b"".join(packed[start : start + share]))

    def collect(self, link: WorkerLink) -> None:
        """Read what a worker sent and complete its samples; called when its socket is readable.

        A worker that is gone is no error here: the parent process, which knows how it ended, then orders the
        abort.
        """
        link.receive()
        for frame in link.frames():
            message, records, payloads, end = frame
            if message == _DONE:
                self._complete(link, records, payloads, end)
            elif message == _FIRST_TOKEN:
                self._begin(link, records, payloads)
            elif (reason := link.note(frame)) is not None:
                self.abort(reason)

    def _begin(self, link: WorkerLink, records: int, payloads: int) -> None:
        """Report first tokens to LoadGen."""
        try:
            self.first_tokens += self._tell.begin(
                FIRST.iter_unpack(link.view[records:payloads]), link.address + payloads
            )
        except UnknownSampleError as error:
            self._abort_unknown(error)

    def _complete(self, link: WorkerLink, records: int, payloads: int, end: int) -> None:
        """Complete towards LoadGen, which copies what it keeps: the memory is free again afterwards.

        LoadGen first, because what it measures ends with it; then the files.
        """
        packed = link.view[records:payloads]
        rows = list(RECORD.iter_unpack(packed))
        link.done += len(rows)
        try:
            response_ids = self._open.take(rows)
        except UnknownSampleError as error:
            self._abort_unknown(error)
            return
        failed = self._tell.complete(rows, response_ids, link.address + payloads)
        self._files.write(packed)
        before = self.completed
        self.completed = before + len(rows)
        if failed:
            self._files.note_failures(rows, link.view[payloads:end])
        if self.completed > self._sample.next:
            self._keep_some(before, rows, link.view[payloads:end])
        if self._tell.without_first_token is not None:
            self.abort(f"a worker returned sample {self._tell.without_first_token} without a first token")

    def _abort_unknown(self, error: UnknownSampleError) -> None:
        self.abort(f"a worker returned the sample {error}, which was not open")

    def _keep_some(self, position: int, rows: Sequence[tuple[int, ...]], payloads: memoryview) -> None:
        """Keep those answers of a batch that were drawn; `position` is that of its first."""
        start = 0
        for at, fields in enumerate(rows, start=position):
            stop = start + fields[2]
            if at == self._sample.next:
                self._sample.advance()
                if not fields[6]:
                    self._sample.keep(fields[1], bytes(payloads[start:stop]))
                if self._sample.next >= self.completed:
                    return
            start = stop

    def flush(self) -> None:
        """Make records and failures so far readable to those who watch the run.

        Raises:
            OSError: the disk is full.
        """
        self._files.flush()

    def abort(self, reason: str) -> None:
        """End the run: open samples fail now; what LoadGen still issues is completed and not counted.

        A full disk does not hinder it: the reason is then known to the parent process alone.
        """
        if self.aborted is not None:
            return
        self.aborted = self._files.masked(reason)
        for link in self.links:
            link.hang_up()
        self._files.note_abort(self.aborted)
        self._complete_open()

    def _complete_open(self) -> None:
        """Complete all open samples as failed; safe to call from both threads at once."""
        now = monotonic_ns()
        while rest := self._tell.fail_open(_ABORTED_AT_ONCE):
            self.completed += len(rest)
            self._files.note_aborted(((each.number, each.sample, each.planned_ns) for each in rest), now)
        with suppress(OSError):
            # This process may be killed before it can close its files.
            self._files.flush()
