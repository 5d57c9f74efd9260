"""The system under test, as LoadGen sees it: the workers get each sample, and LoadGen one outcome of each.

Two threads use it. LoadGen's own thread issues; the other collects outcomes, completes them towards LoadGen
and writes the records. They share the dictionary of open samples: the thread that pops a sample from it
completes it, so that an abort at any point still completes each sample exactly once.
"""

import json
import socket
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic_ns

from mlperf_loadgen import FirstTokenComplete, QuerySampleResponse, QuerySamplesComplete

from weighbridge.client.answer_sample import AnswerSample
from weighbridge.client.frames import ISSUE, RECORD, Message, Record, RequestOutcome
from weighbridge.client.worker_link import WorkerLink
from weighbridge.client.written_file import WrittenFile
from weighbridge.core.secrets import mask

_BATCH = 512  # numbers in one write: the first requests of an offline run leave while the rest are packed
# Looked up once: finding a member of an enumeration is slow on Python 3.11.
_DONE, _READY, _GIVE_UP, _FIRST_TOKEN = (
    int(message) for message in (Message.DONE, Message.READY, Message.GIVE_UP, Message.FIRST_TOKEN)
)


class SystemUnderTest:
    """The workers of one run, as LoadGen's process uses them.

    Attributes:
        issued: Samples that LoadGen asked for so far.
        completed: Samples completed towards LoadGen, failures included.
        failed: Of these, the failures, by outcome.
        begun: Frames of first tokens so far.
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
        first_tokens: bool,
        key: str | None = None,
    ) -> None:
        """Use workers that are connected.

        Args:
            sockets: One a worker.
            endpoints: URLs, in the order that numbers them.
            records: Where the RECORD of every outcome goes.
            errors: Where failures go, one JSON object a line.
            sample: Keeps a share of the answers.
            first_tokens: Whether LoadGen counts first tokens.
            key: What the workers send as their key; a server may repeat it in an error.
        """
        self.issued = self.completed = self.begun = 0
        self.failed: Counter[RequestOutcome] = Counter()
        self.aborted: str | None = None
        self.links = [WorkerLink(number, link) for number, link in enumerate(sockets)]
        self._open: dict[int, tuple[int, int]] = {}
        self._endpoints = [mask(url) for url in endpoints]
        self._records = records
        self._errors = errors
        self._sample = sample
        self._first_tokens, self._key = first_tokens, key

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

    def issue(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        """Send samples to the workers; called by LoadGen's thread.

        Args:
            ids: LoadGen's response ids.
            indices: The samples' numbers in the store.
        """
        if self.aborted is not None:
            QuerySamplesComplete([QuerySampleResponse(number, 0, 0, 0) for number in ids])
            return
        planned = monotonic_ns()
        self.issued += len(ids)
        if len(ids) == 1:
            self._open[ids[0]] = (indices[0], planned)
            link = self.links[0] if len(self.links) == 1 else min(self.links, key=WorkerLink.outstanding)
            link.send(ISSUE.pack(ids[0], indices[0], planned))
        else:
            for start in range(0, len(ids), _BATCH):
                self._issue_batch(ids[start : start + _BATCH], indices[start : start + _BATCH], planned)
        if self.aborted is not None:
            self._complete_open()

    def _issue_batch(self, ids: Sequence[int], indices: Sequence[int], planned: int) -> None:
        packed = []
        for number, index in zip(ids, indices, strict=True):
            self._open[number] = (index, planned)
            packed.append(ISSUE.pack(number, index, planned))
        share = -(-len(packed) // len(self.links))
        for turn, start in enumerate(range(0, len(packed), share)):
            self.links[turn].send(b"".join(packed[start : start + share]))

    def collect(self, link: WorkerLink) -> None:
        """Read what a worker sent and complete its samples; called when its socket is readable.

        A worker that is gone is no error here: the parent process, which knows how it ended, then orders the
        abort.
        """
        link.receive()
        for message, records, payloads, address in link.frames():
            if message == _DONE:
                link.done += len(records) // RECORD.size
                self._complete(records, payloads, address)
            elif message == _READY:
                link.ready = True
            elif message == _GIVE_UP:
                self.abort(bytes(payloads).decode())
            elif message == _FIRST_TOKEN:
                self.begun += 1
                if self._first_tokens:
                    FirstTokenComplete(_first_tokens(records, address))

    def _complete(self, records: memoryview, payloads: memoryview, address: int) -> None:
        """Complete towards LoadGen, which copies what it keeps: the memory is free again afterwards.

        LoadGen first, because what it measures ends with it; then the files.
        """
        responses, start = [], 0
        rows = list(RECORD.iter_unpack(records))
        for fields in rows:
            number, size = fields[0], fields[2]
            if self._open.pop(number, None) is None:
                self.abort(f"a worker returned the sample {number}, which was not open")
                return
            if fields[6]:
                responses.append(QuerySampleResponse(number, 0, 0, 0))
                self._note_failure(Record._make(fields), bytes(payloads[start : start + size]))
            else:
                responses.append(QuerySampleResponse(number, address + start, size, fields[4]))
            start += size
        QuerySamplesComplete(responses)
        self._records.write(records)
        before = self.completed
        self.completed += len(responses)
        if self.completed > self._sample.next:
            self._keep_some(before, rows, payloads)

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
        self._records.flush()
        self._errors.flush()

    def _note_failure(self, record: Record, evidence: bytes) -> None:
        outcome = RequestOutcome(record.outcome)
        self.failed[outcome] += 1
        entry = {
            "sample": record.sample,
            "kind": outcome.label,
            "status": record.status or None,
            "endpoint": self._endpoints[record.endpoint],
            "evidence": mask(evidence.decode(errors="backslashreplace"), [self._key]),
        }
        self._errors.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")

    def abort(self, reason: str) -> None:
        """End the run: open samples fail now; what LoadGen still issues is completed and not counted.

        A full disk does not hinder it: the reason is then known to the parent process alone.
        """
        if self.aborted is not None:
            return
        self.aborted = reason = mask(reason, [self._key])
        for link in self.links:
            link.hang_up()
        line = json.dumps({"kind": RequestOutcome.ABORTED.label, "evidence": reason}).encode() + b"\n"
        with suppress(OSError):
            self._errors.write(line)
        self._complete_open()

    def _complete_open(self) -> None:
        """Complete all open samples as failed; safe to call from both threads at once."""
        now, responses, records = monotonic_ns(), [], []
        while self._open:
            try:
                number, (index, planned) = self._open.popitem()
            except KeyError:
                break  # the other thread took the last one
            responses.append(QuerySampleResponse(number, 0, 0, 0))
            record = Record(
                number, index, 0, 0, 0, 0, RequestOutcome.ABORTED, 0, 0, 0, 0, 0, planned, 0, 0, 0, now
            )
            records.append(RECORD.pack(*record))
        if responses:
            QuerySamplesComplete(responses)
            self.completed += len(responses)
            self.failed[RequestOutcome.ABORTED] += len(responses)
        with suppress(OSError):
            self._records.write(b"".join(records))
            # This process may be killed before it can close its files.
            self._records.flush()
            self._errors.flush()


def _first_tokens(records: memoryview, address: int) -> list[QuerySampleResponse]:
    responses = []
    for fields in RECORD.iter_unpack(records):
        responses.append(QuerySampleResponse(fields[0], address, fields[2], 1))
        address += fields[2]
    return responses
