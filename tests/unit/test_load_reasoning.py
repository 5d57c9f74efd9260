"""Streams with reasoning, read in full or by what is known of the event before: both tell the same."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.client.answer_reader import AnswerReader
from weighbridge.client.answers import Answer
from weighbridge.client.frames import RequestOutcome
from weighbridge.core.openai_api import AnswerKind, Api

NONCE, NUMBER = "0123456789abcdef", 5171
USAGE = {"completion_tokens": 9, "prompt_tokens": 4}
FORMS: dict[str, tuple[dict[str, Any], str]] = {
    "reasoning_content": ({}, "reasoning_content"),
    "reasoning": ({}, "reasoning"),
    "beside null": ({"content": None}, "reasoning_content"),
    "beside empty": ({"content": ""}, "reasoning"),
    "before empty": ({"reasoning": ""}, "content"),
    "text": ({}, "content"),
}


def chunk(delta: dict[str, Any]) -> bytes:
    said = {"id": f"chatcmpl-{NONCE}{NUMBER}z", "model": "m"}
    event = f"data: {json.dumps(said | {'choices': [{'delta': delta, 'finish_reason': None}]})}\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(event), event)


def read(deltas: Sequence[dict[str, Any]], *, usually: bool) -> tuple[Answer, str, int]:
    """Return the answer, its first content, and how many events were taken by what is known."""
    stream = AnswerReader(Api.CHAT, "m", NONCE, AnswerKind.GENERATED).stream(NUMBER)
    first, taken = "", 0
    for delta in deltas:
        data = chunk(delta)
        if usually and stream.tail and (length := stream.take(data)):
            assert length == len(data)
            taken += 1
            continue
        content = stream.feed(data.partition(b"\r\n")[2][:-2])
        assert isinstance(content, str)
        first = first or content
    usage = {"model": "m", "id": f"chatcmpl-{NONCE}{NUMBER}z", "choices": [], "usage": USAGE}
    stream.feed(f"data: {json.dumps(usage)}\n\ndata: [DONE]\n\n".encode())
    return stream.close(), first, taken


@pytest.mark.parametrize("form", FORMS)
def test_events_alike_are_taken_whatever_they_are_of(form: str) -> None:
    beside, key = FORMS[form]
    deltas = [beside | {key: f"word {number} "} for number in range(50)]
    answer, first, taken = read(deltas, usually=True)
    assert (answer.outcome, answer.chunks, first) == (RequestOutcome.OK, 50, "word 0 ")
    assert taken == 49
    assert answer.text.decode() == ("".join(each[key] for each in deltas) if key == "content" else "")


WORDS = st.sampled_from(["", "a", '"', "\\", "weighbridge", "\u20ac", "\n", "</think>", '"content":"x"'])
DELTAS = st.builds(
    lambda form, word: FORMS[form][0] | {FORMS[form][1]: word}, st.sampled_from(sorted(FORMS)), WORDS
) | st.builds(lambda one, other: {"content": one, "reasoning": other}, WORDS, WORDS)


@given(st.lists(DELTAS, max_size=40), st.integers(1, 6))
def test_both_ways_tell_the_same(deltas: list[dict[str, Any]], times: int) -> None:
    repeated = [delta for delta in deltas for _ in range(times)]
    usual, alone = read(repeated, usually=True), read(repeated, usually=False)
    assert usual[:2] == alone[:2]
    content = "".join(delta.get("content") or "" for delta in repeated)
    said = [delta for delta in repeated if any(delta.values())]
    assert (usual[0].outcome, usual[0].text.decode()) == (RequestOutcome.OK, content)
    assert usual[0].chunks == len(said)
