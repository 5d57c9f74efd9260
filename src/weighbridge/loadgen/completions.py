"""Report first tokens and completions to LoadGen, each sample once and in the order that it needs.

Where LoadGen measures token latencies, it wants a first token before the completion, and two tokens at least.
Without them it logs an error for each sample, and may crash at the end of the run. A failed request has
neither, so it gets both from here; what makes the run not count is the failure itself.
"""

from collections.abc import Iterable, Sequence
from threading import Lock

from mlperf_loadgen import FirstTokenComplete, QuerySampleResponse, QuerySamplesComplete

from weighbridge.loadgen.open_samples import OpenSample, OpenSamples

_FEWEST_TOKENS = 2  # LoadGen divides by the number of tokens after the first


class Completions:
    """What LoadGen is told of the open samples.

    Attributes:
        without_first_token: The number of an answered sample whose first token was not told; None: there is
            none.
    """

    def __init__(self, samples: OpenSamples, *, token_latencies: bool, first_tokens: bool) -> None:
        """Prepare to report these samples.

        Args:
            samples: The open samples.
            token_latencies: Whether LoadGen counts the tokens of each sample.
            first_tokens: Whether it waits for first tokens.
        """
        self.without_first_token: int | None = None
        self._samples = samples
        self._first_tokens = first_tokens
        self._tokens_of_failed = _FEWEST_TOKENS if token_latencies else 0
        # Held from a look at a sample until LoadGen is told, so that no other thread completes it meanwhile.
        self._telling = Lock()

    def begin(self, firsts: Iterable[tuple[int, int]], address: int) -> int:
        """Report first tokens; return how many.

        Args:
            firsts: Number of a sample and the size of its first token in bytes, each.
            address: Where the first of them is; the others follow.

        Raises:
            UnknownSampleError: one of the samples is not open.
        """
        responses = []
        with self._telling:
            try:
                for number, size in firsts:
                    responses.append(QuerySampleResponse(self._samples.begin(number), address, size, 1))
                    address += size
            finally:
                FirstTokenComplete(responses)
        return len(responses)

    def complete(self, rows: Sequence[tuple[int, ...]], response_ids: Sequence[int], address: int) -> bool:
        """Complete samples that were taken out of the open ones; return whether any of them failed.

        LoadGen copies what it keeps.

        Args:
            rows: Fields of the samples' RECORDs.
            response_ids: LoadGen's ids of them.
            address: Where the first payload is; the others follow.
        """
        responses: list[QuerySampleResponse] = []
        failed = False
        for fields, response_id in zip(rows, response_ids, strict=True):
            size = fields[2]
            if fields[6]:
                failed = True
                responses.append(QuerySampleResponse(response_id, 0, 0, self._tokens_of_failed))
            else:
                responses.append(QuerySampleResponse(response_id, address, size, fields[4]))
            address += size
        if self._first_tokens:
            self._begin_rest(rows, response_ids)
        QuerySamplesComplete(responses)
        return failed

    def _begin_rest(self, rows: Sequence[tuple[int, ...]], response_ids: Sequence[int]) -> None:
        missing = []
        for fields, response_id in zip(rows, response_ids, strict=True):
            if not self._samples.has_begun(fields[0]):
                missing.append(response_id)
                if not fields[6]:
                    self.without_first_token = fields[0]
        self._tell_first_tokens(missing)

    def _tell_first_tokens(self, response_ids: Sequence[int]) -> None:
        if response_ids:
            FirstTokenComplete([QuerySampleResponse(number, 0, 0, 1) for number in response_ids])

    def fail_open(self, most: int) -> list[OpenSample]:
        """Complete the oldest open samples as failed, at most so many; return them: none, if none is open."""
        with self._telling:
            rest = self._samples.take_rest(most)
            if self._first_tokens:
                begun = self._samples.has_begun
                self._tell_first_tokens([each.response_id for each in rest if not begun(each.number)])
            self._complete_failed([each.response_id for each in rest])
        return rest

    def refuse(self, response_ids: Sequence[int]) -> None:
        """Complete samples as failed that LoadGen still issues after the end."""
        if self._first_tokens:
            self._tell_first_tokens(response_ids)
        self._complete_failed(response_ids)

    def _complete_failed(self, response_ids: Sequence[int]) -> None:
        if response_ids:
            QuerySamplesComplete(
                [QuerySampleResponse(number, 0, 0, self._tokens_of_failed) for number in response_ids]
            )
