"""Reading answers: any cut of a stream gives the same text."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.client.answers import AnswerReader
from weighbridge.client.frames import RequestOutcome
from weighbridge.core.openai_api import Api

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
APIS = st.sampled_from(Api)


def choice(api: Api, text: object, key: str = "message") -> dict[str, object]:
    """Make a choice of an answer, or with key `delta` of a stream's event."""
    return {key: {"content": text, "role": "x"}} if api is Api.CHAT else {"text": text}


def stream_of(api: Api, pieces: list[str], newline: str = "\n") -> bytes:
    chunks: list[dict[str, object]] = [{"choices": [choice(api, None, "delta")]}]
    chunks += [{"choices": [choice(api, piece, "delta")]} for piece in pieces]
    chunks.append({"choices": [], "usage": {"completion_tokens": 5}})
    lines = [": ping", *(f"data: {json.dumps(chunk)}" for chunk in chunks), "event: end", "data: [DONE]"]
    return "".join(line + 2 * newline for line in lines).encode()


@given(APIS, st.lists(TEXT, min_size=1), st.data(), st.sampled_from(["\n", "\r\n"]))
def test_a_stream_reads_the_same_however_it_is_cut(
    api: Api, pieces: list[str], data: st.DataObject, newline: str
) -> None:
    whole = stream_of(api, pieces, newline)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=10)))
    stream = AnswerReader(api).stream()
    told = ""
    for start, stop in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        told += stream.feed(whole[start:stop])
    answer = stream.close()
    assert told == "".join(pieces)
    assert (answer.outcome, answer.text, answer.tokens) == (RequestOutcome.OK, told.encode(), 5)


@given(APIS, TEXT, st.booleans(), st.integers(0, 1 << 20))
def test_a_completion_is_read_byte_by_byte(api: Api, text: str, ascii_only: bool, tokens: int) -> None:
    body = {"choices": [choice(api, text)], "usage": {"completion_tokens": tokens}}
    answer = AnswerReader(api).read(json.dumps(body, ensure_ascii=ascii_only).encode())
    assert (answer.outcome, answer.text, answer.tokens) == (RequestOutcome.OK, text.encode(), tokens)


@given(APIS, st.binary().filter(lambda body: body.strip() != b"[DONE]"))
def test_no_bytes_at_all_break_the_reader(api: Api, body: bytes) -> None:
    reader = AnswerReader(api)
    assert reader.read(body).outcome is RequestOutcome.MALFORMED
    stream = reader.stream()
    stream.feed(b"data: " + body + b"\n\n")
    assert stream.close().outcome is RequestOutcome.MALFORMED


@pytest.mark.parametrize(("api", "other"), [(Api.CHAT, Api.COMPLETIONS), (Api.COMPLETIONS, Api.CHAT)])
def test_an_answer_of_the_other_api_is_malformed(api: Api, other: Api) -> None:
    body = {"choices": [choice(other, "x")], "usage": {"completion_tokens": 1}}
    assert AnswerReader(api).read(json.dumps(body).encode()).outcome is RequestOutcome.MALFORMED
    stream = AnswerReader(api).stream()
    stream.feed(stream_of(other, ["x"]))
    assert stream.close().outcome is RequestOutcome.MALFORMED
