"""Reading answers: any cut of a stream gives the same text."""

import json

from hypothesis import given
from hypothesis import strategies as st

from weighbridge.client.answers import EventStream, read_completion
from weighbridge.client.frames import Kind

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


def stream_of(pieces: list[str], newline: str = "\n") -> bytes:
    chunks: list[dict[str, object]] = [{"choices": [{"delta": {"role": "assistant"}}]}]
    chunks += [{"choices": [{"delta": {"content": piece}}]} for piece in pieces]
    chunks.append({"choices": [], "usage": {"completion_tokens": 5}})
    lines = [": ping", *(f"data: {json.dumps(chunk)}" for chunk in chunks), "event: end", "data: [DONE]"]
    return "".join(line + 2 * newline for line in lines).encode()


@given(st.lists(TEXT, min_size=1), st.data(), st.sampled_from(["\n", "\r\n"]))
def test_a_stream_reads_the_same_however_it_is_cut(
    pieces: list[str], data: st.DataObject, newline: str
) -> None:
    whole = stream_of(pieces, newline)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=10)))
    stream = EventStream()
    told = ""
    for start, stop in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        told += stream.feed(whole[start:stop])
    answer = stream.close()
    assert told == "".join(pieces)
    assert (answer.kind, answer.text, answer.tokens) == (Kind.OK, told.encode(), 5)


@given(TEXT, st.booleans(), st.integers(0, 1 << 20))
def test_a_completion_is_read_byte_by_byte(text: str, ascii_only: bool, tokens: int) -> None:
    body = {"choices": [{"message": {"content": text, "role": "x"}}], "usage": {"completion_tokens": tokens}}
    answer = read_completion(json.dumps(body, ensure_ascii=ascii_only).encode())
    assert (answer.kind, answer.text, answer.tokens) == (Kind.OK, text.encode(), tokens)


@given(st.binary().filter(lambda body: body.strip() != b"[DONE]"))
def test_no_bytes_at_all_break_the_reader(body: bytes) -> None:
    assert read_completion(body).kind is Kind.MALFORMED
    stream = EventStream()
    stream.feed(b"data: " + body + b"\n\n")
    assert stream.close().kind is Kind.MALFORMED
