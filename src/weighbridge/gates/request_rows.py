"""The columns of requests.parquet that gates read, as arrays."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from weighbridge.client.frames import RequestOutcome
from weighbridge.core.errors import InputError
from weighbridge.records.run_record import REQUESTS_TABLE

_NUMBERS = ("sample", "payload_bytes", "tokens", "planned_ns", "end_ns")
# Runs of earlier releases did not record these.
_LATER_NUMBERS = ("prompt_tokens", "id_echoed", "sent_ns", "first_ns")
_OUTCOME, _FINISH = "outcome", "finish"

Numbers = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Labels:
    """A column of texts: each row's place in `names`, shape (n,)."""

    codes: Numbers
    names: tuple[str, ...]

    def are(self, name: str) -> NDArray[np.bool_]:
        """Return which rows have this text, shape (n,)."""
        places = [code for code, each in enumerate(self.names) if each == name]
        return np.isin(self.codes, places)

    def counts(self) -> dict[str, int]:
        """Return the number of rows of each text that occurs."""
        counted = np.bincount(self.codes, minlength=len(self.names))
        return {name: int(count) for name, count in zip(self.names, counted, strict=True) if count}


@dataclass(frozen=True)
class RequestRows:
    """One row a request of a run, in the order of completion; each array has shape (n,).

    Attributes:
        sample: Number of the sample.
        payload_bytes: Size of the answer's text in UTF-8, or of a failure's evidence.
        tokens: Tokens of the answer, as the server told.
        planned_ns, end_ns: When it was issued and when it ended, on the monotonic clock.
        outcome: 'ok', or the kind of failure.
        sent_ns: When its last byte was given to the system, 0 if it was not; None: not recorded.
        first_ns: When its first content came, 0 if none did; None: not recorded.
        prompt_tokens: Tokens of the prompt, as the server told, 0 if it did not; None: not recorded.
        id_echoed: 1 where the answer carries the id of its request; None: not recorded.
        finish: Why the server ended the answer; None: not recorded.
    """

    sample: Numbers
    payload_bytes: Numbers
    tokens: Numbers
    planned_ns: Numbers
    end_ns: Numbers
    outcome: Labels
    sent_ns: Numbers | None
    first_ns: Numbers | None
    prompt_tokens: Numbers | None
    id_echoed: Numbers | None
    finish: Labels | None

    @classmethod
    def read(cls, folder: Path) -> "RequestRows | None":
        """Read the table in a run's folder; None: there is none.

        Raises:
            InputError: it is damaged, or a column is missing or of another type.
        """
        path = folder / REQUESTS_TABLE
        if not path.is_file():
            return None
        try:
            with pq.ParquetFile(path) as parquet:
                there = set(parquet.schema_arrow.names)
                missing = [name for name in (*_NUMBERS, _OUTCOME) if name not in there]
                if missing:
                    raise InputError(
                        f"{path}: the column '{missing[0]}' is missing; restore the table that the run wrote."
                    )
                wanted = (*_NUMBERS, *_LATER_NUMBERS, _OUTCOME, _FINISH)
                # Only these: a run may have ten million rows.
                table = parquet.read(columns=[name for name in wanted if name in there])
            numbers = {name: _numbers(table[name]) for name in (*_NUMBERS, *_LATER_NUMBERS) if name in there}
            return cls(
                **{name: numbers[name] for name in _NUMBERS},
                sent_ns=numbers.get("sent_ns"),
                first_ns=numbers.get("first_ns"),
                prompt_tokens=numbers.get("prompt_tokens"),
                id_echoed=numbers.get("id_echoed"),
                outcome=_labels(table[_OUTCOME]),
                finish=_labels(table[_FINISH]) if _FINISH in there else None,
            )
        except (pa.ArrowException, OSError, ValueError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise InputError(
                f"{path}: not a readable table of requests ({reason.rstrip('.')}); restore the table that "
                "the run wrote, or repeat the run."
            ) from None

    def __len__(self) -> int:
        """Return the number of requests."""
        return len(self.sample)

    @property
    def completed(self) -> NDArray[np.bool_]:
        """Which requests did not fail, shape (n,)."""
        return self.outcome.are(RequestOutcome.OK.label)

    @property
    def failed(self) -> dict[str, int]:
        """Number of failed requests by kind."""
        return {
            kind: count for kind, count in self.outcome.counts().items() if kind != RequestOutcome.OK.label
        }


def _numbers(column: pa.ChunkedArray) -> Numbers:
    if column.null_count or not pa.types.is_integer(column.type):
        raise ValueError(
            f"a column of {column.type}, {column.null_count} of them empty, has no whole numbers"
        )
    numbers: Numbers = column.to_numpy()
    return numbers.astype(np.int64) if numbers.dtype == np.uint64 else numbers


def _labels(column: pa.ChunkedArray) -> Labels:
    if column.null_count:
        raise ValueError(f"{column.null_count} rows lack a text")
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    # Row groups may have dictionaries of their own.
    whole = pa.table({"texts": column}).unify_dictionaries()["texts"]
    codes = [chunk.indices.to_numpy(zero_copy_only=False) for chunk in whole.chunks]
    names = tuple(whole.chunk(0).dictionary.cast(pa.string()).to_pylist()) if codes else ()
    joined = np.concatenate(codes) if codes else np.empty(0)
    return Labels(joined.astype(np.int64, copy=False), names)
