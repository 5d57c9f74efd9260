"""The system under test, as LoadGen sees it: the workers get each sample, and LoadGen one outcome of each.

Two threads use it. LoadGen's own thread issues; the other collects outcomes, completes them towards LoadGen
and writes the records. They share the dictionary of open samples: the thread that pops a sample from it
completes it, so that an abort at any point still completes each sample exactly once.
"""

import json
import socket
from collections.abc import Sequence
from time import monotonic_ns
from typing import BinaryIO, TextIO

from mlperf_loadgen import FirstTokenComplete, QuerySampleResponse, QuerySamplesComplete

from weighbridge.client.frames import ISSUE, RECORD, Message, Record, RequestOutcome
from weighbridge.client.worker_link import WorkerLink

_BATCH = 512  # numbers in one write: the first requests of an offline run leave while the rest are packed


class SystemUnderTest:
    """The workers of one run, as LoadGen's process uses them.

    Attributes:
        issued: Samples that LoadGen asked for so far.
        completed: Samples completed towards LoadGen, failures included.
        failed: Of these, the failures.
        aborted: Why the run ended early, if it did.
        links: One a worker.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        endpoints: Sequence[str],
        records: BinaryIO,
        errors: TextIO,
        first_tokens: bool,
    ) -> None:
        """Use workers that are connected.

        Args:
            sockets: One a worker.
            endpoints: URLs, in the order that numbers them.
            records: Where the RECORD of every outcome goes.
            errors: Where failures go, one JSON object a line.
            first_tokens: Whether LoadGen counts first tokens.
        """
        self.issued = self.completed = self.failed = 0
        self.aborted: str | None = None
        self.links = [WorkerLink(number, link) for number, link in enumerate(sockets)]
        self._open: dict[int, tuple[int, int]] = {}
        self._endpoints = endpoints
        self._records = records
        self._errors = errors
        self._first_tokens = first_tokens

    def await_workers(self) -> None:
        """Wait until all workers are ready, so that none of the run is spent on their start.

        Raises:
            EOFError: one of them ended instead.
        """
        for link in self.links:
            while not link.ready:
                self.collect(link)
                if link.gone:
                    raise EOFError

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
            if message == Message.DONE:
                link.done += len(records) // RECORD.size
                self._complete(records, payloads, address)
            elif message == Message.READY:
                link.ready = True
            elif message == Message.GIVE_UP:
                self.abort(bytes(payloads).decode())
            elif message == Message.FIRST_TOKEN and self._first_tokens:
                FirstTokenComplete(_first_tokens(records, address))

    def _complete(self, records: memoryview, payloads: memoryview, address: int) -> None:
        """Complete towards LoadGen, which copies what it keeps: the memory is free again afterwards."""
        responses, start = [], 0
        for fields in RECORD.iter_unpack(records):
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
        self._records.write(records)
        QuerySamplesComplete(responses)
        self.completed += len(responses)

    def flush(self) -> None:
        """Make the records so far readable to observers of the run."""
        self._records.flush()

    def _note_failure(self, record: Record, evidence: bytes) -> None:
        self.failed += 1
        entry = {
            "sample": record.sample,
            "kind": RequestOutcome(record.outcome).label,
            "status": record.status or None,
            "endpoint": self._endpoints[record.endpoint],
            "evidence": evidence.decode(errors="backslashreplace"),
        }
        self._errors.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def abort(self, reason: str) -> None:
        """End the run: open samples fail now; what LoadGen still issues is completed and not counted."""
        if self.aborted is not None:
            return
        self.aborted = reason
        self._errors.write(json.dumps({"kind": RequestOutcome.ABORTED.label, "evidence": reason}) + "\n")
        for link in self.links:
            link.hang_up()
        self._complete_open()

    def _complete_open(self) -> None:
        """Complete all open samples as failed; safe to call from both threads at once."""
        now, responses = monotonic_ns(), []
        while self._open:
            try:
                number, (index, planned) = self._open.popitem()
            except KeyError:
                break  # the other thread took the last one
            responses.append(QuerySampleResponse(number, 0, 0, 0))
            record = Record(
                number, index, 0, 0, 0, 0, RequestOutcome.ABORTED, 0, 0, 0, 0, 0, planned, 0, 0, 0, now
            )
            self._records.write(RECORD.pack(*record))
        # This process may be killed before it can close its files.
        self._records.flush()
        self._errors.flush()
        if responses:
            QuerySamplesComplete(responses)
            self.completed += len(responses)
            self.failed += len(responses)


def _first_tokens(records: memoryview, address: int) -> list[QuerySampleResponse]:
    responses = []
    for fields in RECORD.iter_unpack(records):
        responses.append(QuerySampleResponse(fields[0], address, fields[2], 1))
        address += fields[2]
    return responses
