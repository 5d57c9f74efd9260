"""The files in which a run's driver process notes every outcome, and the count of failures."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress

from weighbridge.client.frames import RECORD, Record, RequestOutcome
from weighbridge.client.written_file import WrittenFile
from weighbridge.core.secrets import mask


class OutcomeFiles:
    """RECORDs in one file, failures as JSON lines in another.

    Attributes:
        failed: The failures, by outcome.
    """

    def __init__(
        self, records: WrittenFile, errors: WrittenFile, endpoints: Sequence[str], key: str | None
    ) -> None:
        """Write to these files.

        Args:
            records: Where the RECORD of every outcome goes.
            errors: Where failures go.
            endpoints: URLs, in the order that numbers them.
            key: What the workers send as their key; a server may repeat it in an error.
        """
        self.failed: Counter[RequestOutcome] = Counter()
        self._records, self._errors = records, errors
        self._endpoints, self._key = [mask(url) for url in endpoints], key

    def write(self, packed: bytes | memoryview) -> None:
        """Write RECORDs.

        Raises:
            OSError: the disk is full; the same holds for the other methods, unless they say otherwise.
        """
        self._records.write(packed)

    def note_failures(
        self, rows: Iterable[tuple[int, ...]], payloads: memoryview
    ) -> list[tuple[RequestOutcome, str]]:
        """Write the failures among some RECORDs, and return them with their evidence.

        Args:
            rows: Fields of the RECORDs.
            payloads: Theirs, one after another.
        """
        start, found = 0, []
        for record in map(Record._make, rows):
            evidence = bytes(payloads[start : start + record.payload_bytes])
            start += record.payload_bytes
            if not record.outcome:
                continue
            outcome = RequestOutcome(record.outcome)
            self.failed[outcome] += 1
            said = mask(evidence.decode(errors="backslashreplace"), [self._key])
            found.append((outcome, said))
            entry = {
                "sample": record.sample,
                "kind": outcome.label,
                "status": record.status or None,
                "endpoint": self._endpoints[record.endpoint],
                "evidence": said,
            }
            self._errors.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")
        return found

    def masked(self, text: str) -> str:
        """Return a text without the key, or what looks like one."""
        return mask(text, [self._key])

    def note_abort(self, reason: str) -> None:
        """Write why the run ended early; a full disk does not hinder it."""
        line = json.dumps({"kind": RequestOutcome.ABORTED.label, "evidence": reason}).encode() + b"\n"
        with suppress(OSError):
            self._errors.write(line)

    def note_aborted(self, requests: Iterable[tuple[int, int, int]], now: int) -> None:
        """Write requests that were open when the run ended early; a full disk does not hinder it.

        Args:
            requests: Number, sample, and when it was planned, each.
            now: When they end.
        """
        outcome, packed = RequestOutcome.ABORTED, []
        for number, sample, planned_ns in requests:
            self.failed[outcome] += 1
            packed.append(
                RECORD.pack(
                    *(number, sample, 0, 0, 0, 0, outcome, 0, 0, 0, 0, 0),
                    *(planned_ns, 0, 0, 0, now, 0, -1, 0),
                )
            )
        with suppress(OSError):
            self._records.write(b"".join(packed))

    def flush(self) -> None:
        """Make what was written readable to those who watch the run."""
        self._records.flush()
        self._errors.flush()
