"""Reading answers: any cut of a stream gives the same text, and any bytes give an answer or a failure."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.client.answer_reader import AnswerReader
from weighbridge.client.answers import Answer
from weighbridge.client.frames import FinishReason, RequestOutcome
from weighbridge.core.openai_api import Api

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
APIS = st.sampled_from(Api)
NONCE, NUMBER = "0123456789abcdef", 5171
OWN_ID = f"chatcmpl-{NONCE}{NUMBER}z"
OTHER_ID = f"chatcmpl-{NONCE}{NUMBER + 1}z"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
CHOICES = [{"message": {"content": "x"}, "delta": {"content": "x"}, "text": "x"}]


def reader(api: Api = Api.CHAT) -> AnswerReader:
    return AnswerReader(api, "m", NONCE)


def choice(api: Api, text: object, key: str = "message") -> dict[str, object]:
    """Make a choice of an answer, or with key `delta` of a stream's event."""
    return {key: {"content": text, "role": "x"}} if api is Api.CHAT else {"text": text}


def stream_of(api: Api, pieces: list[str], newline: str = "\n") -> bytes:
    said = {"id": OWN_ID, "model": "m"}
    chunks: list[dict[str, object]] = [said | {"choices": [choice(api, None, "delta")]}]
    chunks += [said | {"choices": [choice(api, piece, "delta")]} for piece in pieces]
    chunks.append(said | {"choices": [choice(api, "", "delta") | {"finish_reason": "stop"}]})
    chunks.append(said | {"choices": [], "usage": {"completion_tokens": 5, "prompt_tokens": 70}})
    lines = [": ping", *(f"data: {json.dumps(chunk)}" for chunk in chunks), "event: end", "data: [DONE]"]
    return "".join(line + 2 * newline for line in lines).encode()


def read_stream(api: Api, *pieces: bytes) -> Answer:
    stream = reader(api).stream(NUMBER)
    for piece in pieces:
        stream.feed(piece)
    return stream.close()


@given(APIS, st.lists(TEXT, min_size=1), st.data(), st.sampled_from(["\n", "\r\n"]))
def test_a_stream_reads_the_same_however_it_is_cut(
    api: Api, pieces: list[str], data: st.DataObject, newline: str
) -> None:
    whole = stream_of(api, pieces, newline)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=10)))
    stream = reader(api).stream(NUMBER)
    told = ""
    for start, stop in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        told += stream.feed(whole[start:stop])
    text = "".join(pieces)
    assert told == text
    if text.isspace():
        assert stream.close().outcome is RequestOutcome.BLANK
    else:
        assert stream.close() == Answer(RequestOutcome.OK, text.encode(), 5, 70, FinishReason.STOP, 1)


@given(APIS, TEXT, st.booleans(), st.integers(1, (1 << 31) - 1), st.integers(0, (1 << 31) - 1))
def test_a_completion_is_read_byte_by_byte(
    api: Api, text: str, ascii_only: bool, tokens: int, prompt_tokens: int
) -> None:
    usage = {"completion_tokens": tokens, "prompt_tokens": prompt_tokens}
    body = {"model": "m", "choices": [choice(api, text) | {"finish_reason": "length"}], "usage": usage}
    answer = reader(api).read(json.dumps(body, ensure_ascii=ascii_only).encode(), NUMBER)
    if text.isspace():
        assert answer.outcome is RequestOutcome.BLANK
    else:
        assert answer == Answer(
            RequestOutcome.OK, text.encode(), tokens, prompt_tokens, FinishReason.LENGTH, 0
        )


@given(APIS, st.binary().filter(lambda body: body.strip() != b"[DONE]"))
def test_no_bytes_at_all_break_the_reader(api: Api, body: bytes) -> None:
    assert reader(api).read(body, NUMBER).outcome is RequestOutcome.MALFORMED
    assert read_stream(api, b"data: " + body + b"\n\n").outcome is RequestOutcome.MALFORMED
    assert read_stream(api, body, body).outcome is not RequestOutcome.OK


@given(
    APIS,
    st.fixed_dictionaries(
        {},
        optional={
            "id": JSON,
            "model": st.just("m") | JSON,
            "choices": st.just(CHOICES) | JSON,
            "usage": st.fixed_dictionaries({"completion_tokens": JSON}, optional={"prompt_tokens": JSON}),
        },
    ),
)
def test_no_json_at_all_breaks_the_reader(api: Api, content: dict[str, object]) -> None:
    body = json.dumps(content).encode()
    stream = b"data: " + body + b"\n\ndata: [DONE]\n\n"
    for answer in (reader(api).read(body, NUMBER), read_stream(api, stream)):
        if answer.outcome is RequestOutcome.OK:
            usage = content["usage"]
            assert isinstance(usage, dict)
            assert content["model"] == "m"
            assert answer.tokens == usage["completion_tokens"]
            assert 1 <= answer.tokens < 1 << 31
            assert answer.prompt_tokens == usage.get("prompt_tokens", 0)


@pytest.mark.parametrize("depth", [10, 100_000])
def test_nesting_without_end_is_malformed(depth: int) -> None:
    nested = b'{"model": "m", "x": ' + b"[" * depth + b"]" * depth + b', "choices": []}'
    assert reader().read(nested, NUMBER).outcome is RequestOutcome.MALFORMED
    expected = RequestOutcome.EMPTY if depth == 10 else RequestOutcome.MALFORMED
    assert read_stream(Api.CHAT, b"data: " + nested + b"\ndata: [DONE]\n").outcome is expected


@pytest.mark.parametrize(("api", "other"), [(Api.CHAT, Api.COMPLETIONS), (Api.COMPLETIONS, Api.CHAT)])
def test_an_answer_of_the_other_api_is_malformed(api: Api, other: Api) -> None:
    body = {"model": "m", "choices": [choice(other, "x")], "usage": {"completion_tokens": 1}}
    assert reader(api).read(json.dumps(body).encode(), NUMBER).outcome is RequestOutcome.MALFORMED
    assert read_stream(api, stream_of(other, ["x"])).outcome is RequestOutcome.MALFORMED


def one(**changed: object) -> Answer:
    """Read a good whole answer, but for what is changed; None leaves a field out."""
    content = {"id": OWN_ID, "model": "m", "choices": [choice(Api.CHAT, "x")]}
    content |= {"usage": {"completion_tokens": 1, "prompt_tokens": 2}} | changed
    return reader().read(json.dumps({k: v for k, v in content.items() if v is not None}).encode(), NUMBER)


def streamed(**changed: object) -> Answer:
    """Read a good streamed answer, but for what is changed in its last event, which has the usage."""
    first = {"id": OWN_ID, "model": "m", "choices": [choice(Api.CHAT, "x", "delta")]}
    last = {"id": OWN_ID, "model": "m", "choices": []}
    last |= {"usage": {"completion_tokens": 1, "prompt_tokens": 2}} | changed
    kept = {k: v for k, v in last.items() if v is not None}
    return read_stream(
        Api.CHAT, *(f"data: {json.dumps(event)}\n".encode() for event in (first, kept)), b"data: [DONE]\n"
    )


@pytest.mark.parametrize("read", [one, streamed])
@pytest.mark.parametrize(
    ("changed", "outcome", "evidence"),
    [
        ({}, RequestOutcome.OK, "x"),
        ({"model": "n"}, RequestOutcome.OTHER_MODEL, "the answer is by the model 'n', asked for was 'm': "),
        ({"model": None}, RequestOutcome.OTHER_MODEL, "the answer names no model, asked for was 'm': "),
        ({"id": OTHER_ID}, RequestOutcome.OTHER_REQUEST, f"the answer's id '{OTHER_ID}' is that of another"),
        ({"usage": {"completion_tokens": 0}}, RequestOutcome.IMPOSSIBLE_USAGE, "0 tokens, 0 of the prompt"),
        ({"usage": {"completion_tokens": 1 << 31}}, RequestOutcome.IMPOSSIBLE_USAGE, "2147483648 tokens"),
        ({"usage": {"completion_tokens": 10**4000}}, RequestOutcome.IMPOSSIBLE_USAGE, "1000000000"),
        ({"usage": None}, RequestOutcome.MISSING_USAGE, ""),
    ],
)
def test_what_an_answer_must_say(
    read: Callable[..., Answer], changed: dict[str, object], outcome: RequestOutcome, evidence: str
) -> None:
    answer = read(**changed)
    assert (answer.outcome, answer.text.startswith(evidence.encode())) == (outcome, True), answer


@pytest.mark.parametrize(
    ("answer_id", "echoed"),
    [
        (OWN_ID, 1),
        (f"{NONCE}{NUMBER}z", 1),
        (f"cmpl-{NONCE}{NUMBER}z-0", 1),
        ("chatcmpl-3f1c", 0),
        (None, 0),
        (OTHER_ID, -1),
        (f"chatcmpl-{NONCE}", -1),
        (f"chatcmpl-{NONCE}{NUMBER}", -1),
        (f"chatcmpl-{NONCE}1{NUMBER}z", -1),
        (f"chatcmpl-{NONCE}{NUMBER}0z", -1),
    ],
)
def test_an_id_is_ours_the_servers_or_anothers(answer_id: str | None, echoed: int) -> None:
    assert reader().echoed(answer_id, NUMBER) == echoed


def test_the_events_of_a_stream_are_all_of_one_request() -> None:
    assert streamed(id="of-the-server").outcome is RequestOutcome.OTHER_REQUEST
    server_ids = [
        {"id": number, "model": "m", "choices": [choice(Api.CHAT, "x", "delta")]} for number in ("a", "b")
    ]
    server_ids.append({"id": "c", "model": "m", "choices": [], "usage": {"completion_tokens": 2}})
    data = "".join(f"data: {json.dumps(event)}\n\n" for event in server_ids) + "data: [DONE]\n\n"
    answer = read_stream(Api.CHAT, data.encode())
    assert (answer.outcome, answer.id_echoed) == (RequestOutcome.OK, 0)


def test_a_stream_that_goes_on_after_its_end_is_malformed() -> None:
    answer = read_stream(Api.CHAT, stream_of(Api.CHAT, ["x"]), stream_of(Api.CHAT, ["x"]))
    assert answer.outcome is RequestOutcome.MALFORMED
    assert answer.text.startswith(b"the stream went on after [DONE]: ")
