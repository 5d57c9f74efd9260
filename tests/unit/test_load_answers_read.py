"""Reading answers: any cut of a stream gives the same text, and any bytes give an answer or a failure."""

import json
from collections.abc import Callable, Sequence
from itertools import chain

import msgspec
import pytest
from answer_kinds import CHAT, KIND_NAMES, KINDS, Kind
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.client.answer_reader import AnswerReader
from weighbridge.client.answers import Answer, packed
from weighbridge.client.frames import FinishReason, RequestOutcome
from weighbridge.core.openai_api import Api

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
APIS = st.sampled_from(KINDS)
IDS = st.lists(st.integers(0, (1 << 31) - 1), max_size=4)
NONCE, NUMBER = "0123456789abcdef", 5171
OWN_ID = f"chatcmpl-{NONCE}{NUMBER}z"
OTHER_ID = f"chatcmpl-{NONCE}{NUMBER + 1}z"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
CHOICES = [{"message": {"content": "x"}, "delta": {"content": "x"}, "text": "x", "token_ids": [5]}]


def reader(kind: Kind = CHAT) -> AnswerReader:
    return AnswerReader(kind.api, "m", NONCE, kind.answers)


def choice(kind: Kind, text: object, key: str = "message", ids: object = (5,)) -> dict[str, object]:
    """Make a choice of an answer, or with key `delta` of a stream's event."""
    said: dict[str, object] = (
        {key: {"content": text, "role": "x"}} if kind.api is Api.CHAT else {"text": text}
    )
    return said | {"token_ids": ids}


def stream_of(
    kind: Kind, pieces: list[str], newline: str = "\n", ids: Sequence[list[int] | None] = ()
) -> bytes:
    ids = ids or [[5]] * len(pieces)
    said = {"id": OWN_ID, "model": "m"}
    first = choice(kind, None, "delta", None) | {"prompt_token_ids": list(range(3))}
    chunks: list[dict[str, object]] = [said | {"choices": [first]}]
    chunks += [
        said | {"choices": [choice(kind, piece, "delta", of_piece)]}
        for piece, of_piece in zip(pieces, ids, strict=True)
    ]
    chunks.append(said | {"choices": [choice(kind, "", "delta", []) | {"finish_reason": "stop"}]})
    tokens = sum(map(len, filter(None, ids))) if kind.of_tokens else 5
    chunks.append(said | {"choices": [], "usage": {"completion_tokens": tokens, "prompt_tokens": 70}})
    lines = [": ping", *(f"data: {json.dumps(chunk)}" for chunk in chunks), "event: end", "data: [DONE]"]
    return "".join(line + 2 * newline for line in lines).encode()


def read_stream(kind: Kind, *pieces: bytes) -> Answer:
    stream = reader(kind).stream(NUMBER)
    for piece in pieces:
        stream.feed(piece)
    return stream.close()


@given(APIS, st.lists(TEXT, min_size=1), st.data(), st.sampled_from(["\n", "\r\n"]))
def test_a_stream_reads_the_same_however_it_is_cut(
    kind: Kind, pieces: list[str], data: st.DataObject, newline: str
) -> None:
    ids = [data.draw(st.none() | IDS) for _ in pieces]
    whole = stream_of(kind, pieces, newline, ids)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=10)))
    stream = reader(kind).stream(NUMBER)
    told = stream.nothing
    for start, stop in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        told += stream.feed(whole[start:stop])
    text, tokens = "".join(pieces), list(chain.from_iterable(filter(None, ids)))
    assert told == (packed(tokens) if kind.of_tokens else text)
    if kind.of_tokens and tokens:
        expected = Answer(RequestOutcome.OK, packed(tokens), len(tokens), 70, FinishReason.STOP, 1)
        with_ids = len(list(filter(None, ids)))
        assert stream.close() == msgspec.structs.replace(expected, chunks=with_ids)
    elif kind.of_tokens:
        assert stream.close().outcome is RequestOutcome.NO_TOKEN_IDS
    elif text.isspace() and not kind.of_amount:
        assert stream.close().outcome is RequestOutcome.BLANK
    else:
        expected = Answer(RequestOutcome.OK, text.encode(), 5, 70, FinishReason.STOP, 1)
        assert stream.close() == msgspec.structs.replace(expected, chunks=len(list(filter(None, pieces))))


@given(APIS, TEXT, st.booleans(), st.integers(1, (1 << 31) - 1), st.integers(0, (1 << 31) - 1), IDS)
def test_a_completion_is_read_byte_by_byte(
    kind: Kind, text: str, ascii_only: bool, tokens: int, prompt_tokens: int, ids: list[int]
) -> None:
    if kind.of_tokens:
        tokens = len(ids)
    usage = {"completion_tokens": tokens, "prompt_tokens": prompt_tokens}
    said = choice(kind, text, ids=ids) | {"finish_reason": "length"}
    body = {"model": "m", "choices": [said], "usage": usage}
    answer = reader(kind).read(json.dumps(body, ensure_ascii=ascii_only).encode(), NUMBER)
    if kind.of_tokens and not ids:
        assert answer.outcome is RequestOutcome.NO_TOKEN_IDS
    elif text.isspace() and not kind.of_tokens and not kind.of_amount:
        assert answer.outcome is RequestOutcome.BLANK
    else:
        expected = packed(ids) if kind.of_tokens else text.encode()
        assert answer == Answer(RequestOutcome.OK, expected, tokens, prompt_tokens, FinishReason.LENGTH, 0, 1)


@given(APIS, st.binary().filter(lambda body: body.strip() != b"[DONE]"))
def test_no_bytes_at_all_break_the_reader(kind: Kind, body: bytes) -> None:
    assert reader(kind).read(body, NUMBER).outcome is RequestOutcome.MALFORMED
    assert read_stream(kind, b"data: " + body + b"\n\n").outcome is RequestOutcome.MALFORMED
    assert read_stream(kind, body, body).outcome is not RequestOutcome.OK


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
def test_no_json_at_all_breaks_the_reader(kind: Kind, content: dict[str, object]) -> None:
    body = json.dumps(content).encode()
    stream = b"data: " + body + b"\n\ndata: [DONE]\n\n"
    for answer in (reader(kind).read(body, NUMBER), read_stream(kind, stream)):
        if answer.outcome is RequestOutcome.OK:
            assert content["model"] == "m"
            usage = content.get("usage")
            if usage is None:
                assert (kind.of_amount, answer.tokens) == (True, -1)
                continue
            assert isinstance(usage, dict)
            assert answer.tokens == usage["completion_tokens"]
            assert 1 <= answer.tokens < 1 << 31
            assert answer.prompt_tokens == usage.get("prompt_tokens", 0)
            assert not kind.of_tokens or len(answer.text) == 4 * answer.tokens


@pytest.mark.parametrize("depth", [10, 100_000])
def test_nesting_without_end_is_malformed(depth: int) -> None:
    nested = b'{"model": "m", "x": ' + b"[" * depth + b"]" * depth + b', "choices": []}'
    assert reader().read(nested, NUMBER).outcome is RequestOutcome.MALFORMED
    expected = RequestOutcome.EMPTY if depth == 10 else RequestOutcome.MALFORMED
    assert read_stream(CHAT, b"data: " + nested + b"\ndata: [DONE]\n").outcome is expected


@pytest.mark.parametrize("kind", KINDS, ids=KIND_NAMES)
def test_an_answer_of_the_other_api_is_malformed(kind: Kind) -> None:
    other = kind._replace(api=Api.COMPLETIONS if kind.api is Api.CHAT else Api.CHAT)
    body = {"model": "m", "choices": [choice(other, "x")], "usage": {"completion_tokens": 1}}
    assert reader(kind).read(json.dumps(body).encode(), NUMBER).outcome is RequestOutcome.MALFORMED
    assert read_stream(kind, stream_of(other, ["x"])).outcome is RequestOutcome.MALFORMED


def one(kind: Kind, ids: object = (5,), **changed: object) -> Answer:
    """Read a good whole answer, but for what is changed; None leaves a field out."""
    content = {"id": OWN_ID, "model": "m", "choices": [choice(kind, "x", ids=ids)]}
    content |= {"usage": {"completion_tokens": 1, "prompt_tokens": 2}} | changed
    return reader(kind).read(json.dumps({k: v for k, v in content.items() if v is not None}).encode(), NUMBER)


def streamed(kind: Kind, ids: object = (5,), **changed: object) -> Answer:
    """Read a good streamed answer, but for what is changed in its last event, which has the usage."""
    first = {"id": OWN_ID, "model": "m", "choices": [choice(kind, "x", "delta", ids)]}
    last = {"id": OWN_ID, "model": "m", "choices": []}
    last |= {"usage": {"completion_tokens": 1, "prompt_tokens": 2}} | changed
    kept = {k: v for k, v in last.items() if v is not None}
    return read_stream(
        kind, *(f"data: {json.dumps(event)}\n".encode() for event in (first, kept)), b"data: [DONE]\n"
    )


@pytest.mark.parametrize("kind", KINDS, ids=KIND_NAMES)
@pytest.mark.parametrize("read", [one, streamed])
@pytest.mark.parametrize(
    ("changed", "outcome", "evidence"),
    [
        ({}, RequestOutcome.OK, ""),
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
    kind: Kind,
    read: Callable[..., Answer],
    changed: dict[str, object],
    outcome: RequestOutcome,
    evidence: str,
) -> None:
    if kind.of_amount and outcome is RequestOutcome.MISSING_USAGE:
        assert (read(kind, **changed).outcome, read(kind, **changed).tokens) == (RequestOutcome.OK, -1)
        return
    answer = read(kind, **changed)
    assert (answer.outcome, answer.text.startswith(evidence.encode())) == (outcome, True), answer
    if outcome is RequestOutcome.OK:
        assert answer.text == (packed([5]) if kind.of_tokens else b"x")


MISSING, COUNT = RequestOutcome.NO_TOKEN_IDS, RequestOutcome.OTHER_TOKEN_COUNT
ODD, OK = RequestOutcome.MALFORMED, RequestOutcome.OK


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.of_tokens])
@pytest.mark.parametrize("read", [one, streamed])
@pytest.mark.parametrize(
    ("ids", "outcome", "evidence"),
    [
        (None, MISSING, "the server returned no token ids: "),
        ([], MISSING, "the server returned no token ids: "),
        ([5, 6], COUNT, "2 token ids, but the usage says 1 tokens: "),
        ([0], OK, ""),
        ([(1 << 31) - 1], OK, ""),
        ([1 << 31], ODD, "Expected `int` <= 2147483647"),
        ([-1], ODD, "Expected `int` >= 0"),
        (["5"], ODD, "Expected `int`, got `str`"),
        ([5.5], ODD, "Expected `int`, got `float`"),
        ("5", ODD, "Expected `array | null`, got `str`"),
        (5, ODD, "Expected `array | null`, got `int`"),
    ],
)
def test_the_token_ids_of_an_answer(
    kind: Kind, read: Callable[..., Answer], ids: object, outcome: RequestOutcome, evidence: str
) -> None:
    answer = read(kind, ids)
    assert (answer.outcome, answer.text.startswith(evidence.encode())) == (outcome, True), answer
    if outcome is OK and isinstance(ids, list):
        assert answer.text == int(ids[0]).to_bytes(4, "little")


@pytest.mark.parametrize("usage", [{"completion_tokens": 4}, {"completion_tokens": 2}, None])
def test_a_stream_has_as_many_ids_as_its_usage_says(usage: object) -> None:
    kind = next(kind for kind in KINDS if kind.of_tokens)
    said = {"id": OWN_ID, "model": "m"}
    chunks = [said | {"choices": [choice(kind, "", "delta", ids)]} for ids in ([1, 2], None, [], [3])]
    chunks.append(said | {"choices": []} | ({"usage": usage} if usage else {}))
    data = "".join(f"data: {json.dumps(each)}\n\n" for each in chunks) + "data: [DONE]\n\n"
    expected = COUNT if usage else RequestOutcome.MISSING_USAGE
    assert read_stream(kind, data.encode()).outcome is expected
    right = data.replace('"completion_tokens": 4', '"completion_tokens": 3')
    answer = read_stream(kind, right.encode())
    assert (answer.outcome is OK) == (usage == {"completion_tokens": 4})


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
    assert streamed(CHAT, id="of-the-server").outcome is RequestOutcome.OTHER_REQUEST
    server_ids = [
        {"id": number, "model": "m", "choices": [choice(CHAT, "x", "delta")]} for number in ("a", "b")
    ]
    server_ids.append({"id": "c", "model": "m", "choices": [], "usage": {"completion_tokens": 2}})
    data = "".join(f"data: {json.dumps(event)}\n\n" for event in server_ids) + "data: [DONE]\n\n"
    answer = read_stream(CHAT, data.encode())
    assert (answer.outcome, answer.id_echoed) == (RequestOutcome.OK, 0)


def test_a_stream_that_goes_on_after_its_end_is_malformed() -> None:
    answer = read_stream(CHAT, stream_of(CHAT, ["x"]), stream_of(CHAT, ["x"]))
    assert answer.outcome is RequestOutcome.MALFORMED
    assert answer.text.startswith(b"the stream went on after [DONE]: ")
