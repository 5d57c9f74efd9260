"""A streamed answer that is token ids: each event has the ids of its tokens beside their text.

The text is looked at only where an event is read in full: it may be empty, as a server holds back what is not
yet a whole character. An event without ids has no content, whatever its text.
"""

import re
from array import array

import msgspec

from weighbridge.client.answer_forms import Decoder, TokenChoice, TokenId, Usage
from weighbridge.client.answers import UNREADABLE, Answer, ExpectedAnswer, judge_tokens, packed
from weighbridge.client.event_stream import TEXT_PLACE, TRIAL, EventStream, strings_of

# The place of an event's ids. "prompt_token_ids" is another name: a quotation mark comes before this one.
_IDS_PLACE = re.compile(rb'"token_ids"\s*:\s*\[([0-9, ]*)\]')
_TRIAL_IDS, _TRIAL_JSON = [7, 2147483647], b"7,2147483647"
# Between a text and its ids. The first event has the prompt's ids there, and no other event is like it.
_LONGEST_MIDDLE = 512

_integers = msgspec.json.Decoder(list[TokenId]).decode


class TokenStream(EventStream[bytes]):
    """A streamed answer whose content is token ids, as int32."""

    __slots__ = ("_tokens",)

    nothing = b""

    def __init__(self, expected: ExpectedAnswer, decoder: Decoder, number: int) -> None:
        """Read the answer to the request with this number."""
        super().__init__(expected, decoder, number)
        self._tokens = array("i")

    def _take_content(self, choice: TokenChoice) -> bytes:
        ids = choice.token_ids
        if not ids:
            return b""
        self._tokens.extend(ids)
        return packed(ids)

    def _learn(self, piece: bytes) -> None:
        if self._tokens[-len(_TRIAL_IDS) :].tolist() == _TRIAL_IDS:
            return
        for text in TEXT_PLACE.finditer(piece):
            ids = _IDS_PLACE.search(piece, text.end())
            if ids is None:
                return
            head, middle, tail = (
                piece[: text.start(1)],
                piece[text.end(1) : ids.start(1)],
                piece[ids.end(1) :],
            )
            choice = self._choice_alone(b"".join((head, TRIAL.encode(), middle, _TRIAL_JSON, tail)))
            if choice is not None and choice.content == TRIAL and choice.token_ids == _TRIAL_IDS:
                if len(middle) <= _LONGEST_MIDDLE:
                    self._head, self._middle, self._tail = head, middle, tail + b"\r\n"
                return

    def _add(self, texts: list[bytes], ids: list[bytes]) -> bool:
        # An element of an array is one number, so that no id reaches beyond its own event.
        if strings_of(texts) is None:
            return False
        try:
            added = _integers(b"[%b]" % b",".join(ids))
        except UNREADABLE:
            return False
        self._tokens.extend(added)
        if added:  # else it was a single event, with a blank
            self.chunks += len(ids)
        return True

    def _judged(self, finish: str | None, usage: Usage | None, echoed: int, raw: bytes) -> Answer:
        return judge_tokens(self._tokens, finish, usage, echoed, raw, self.chunks)
