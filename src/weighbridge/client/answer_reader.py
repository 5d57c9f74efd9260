"""Read the bytes of an answer. Whatever they are, they give an `Answer`, never an exception."""

from weighbridge.client.answer_forms import decoders
from weighbridge.client.answers import (
    UNREADABLE,
    Answer,
    ExpectedAnswer,
    judge,
    judge_generated,
    judge_tokens,
    of_another_request,
    unreadable,
)
from weighbridge.client.generated_stream import GeneratedStream
from weighbridge.client.text_stream import TextStream
from weighbridge.client.token_stream import TokenStream
from weighbridge.core.openai_api import AnswerKind, Api

AnswerStream = TextStream | TokenStream | GeneratedStream
_STREAMS: dict[AnswerKind, type[AnswerStream]] = {
    AnswerKind.TEXT: TextStream,
    AnswerKind.TOKENS: TokenStream,
    AnswerKind.GENERATED: GeneratedStream,
}


class AnswerReader(ExpectedAnswer):
    """Reads the answers of one API and one model, whole or streamed."""

    __slots__ = ("_chunk", "_of_thoughts", "_of_tokens", "_own", "_stream", "_whole")

    def __init__(self, api: Api, model: str, nonce: str, answers: AnswerKind = AnswerKind.TEXT) -> None:
        """Prepare to read.

        Args:
            api: The kind of request.
            model: The name that the requests ask for.
            nonce: What the ids of this run's requests start with; no other run's do.
            answers: What of an answer counts.
        """
        super().__init__(model, nonce)
        self._whole, self._chunk = decoders(api, answers)
        self._of_tokens = answers is AnswerKind.TOKENS
        self._stream = _STREAMS[answers]
        self._of_thoughts = answers is AnswerKind.GENERATED
        # vLLM's form of the ids of this run's answers, which are compared whole; others are searched.
        self._own = ("chatcmpl-" if api is Api.CHAT else "cmpl-") + nonce

    def read(self, body: bytes, number: int) -> Answer:
        """Read the JSON body of an answer that was not streamed, to the request with this number."""
        try:
            completion = self._whole.decode(body)
            choice = completion.choices[0]
        except UNREADABLE as error:
            return unreadable(error, body)
        if completion.model != self.model:
            return self.of_another_model(completion.model, body)
        # The usual case is compared here: a call costs as much as the comparison.
        echoed = 1 if completion.id == f"{self._own}{number}z" else self.echoed(completion.id, number)
        if echoed < 0:
            return of_another_request(completion.id, body)
        if self._of_tokens:
            return judge_tokens(choice.token_ids, choice.finish_reason, completion.usage, echoed, body)
        if self._of_thoughts:
            chunks = 1 if choice.content or choice.thoughts else 0
            return judge_generated(
                choice.content, choice.finish_reason, completion.usage, echoed, body, chunks
            )
        return judge(choice.content, choice.finish_reason, completion.usage, echoed, body)

    def stream(self, number: int) -> AnswerStream:
        """Return the reader of one streamed answer, to the request with this number."""
        return self._stream(self, self._chunk, number)
