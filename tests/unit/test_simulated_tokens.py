"""Token ids of the simulated server: their form, one event a token, and when each is sent."""

import asyncio
import json
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_simulated_server import ask

from weighbridge.core.errors import InputError
from weighbridge.core.openai_api import Api
from weighbridge.simulate.behaviour import Behaviour, OutcomeDraws, body_hash
from weighbridge.simulate.event_sender import EventSender
from weighbridge.simulate.known_answers import KnownAnswers, KnownBody, SimulatedAnswer
from weighbridge.simulate.precise_timers import PreciseTimers
from weighbridge.simulate.request_fields import RequestFields
from weighbridge.simulate.simulated_server import SimulatedServer

IDS, EOS = [7, 300, 70_000], 128_009
WHOLE = b'{"model":"m","prompt":[128000, 12,345],"max_tokens":128,"return_token_ids":true}'
STREAMED = WHOLE[:-1] + b',"stream":true,"stream_options":{"include_usage":true}}'


def answer(ids: list[int], text: str = 'say "ü" now') -> SimulatedAnswer:
    return SimulatedAnswer(text, np.array(ids, dtype="<i4").tobytes())


def server(behaviour: Behaviour | None = None, ids: list[int] | None = None) -> SimulatedServer:
    right = answer(ids if ids is not None else [*IDS, EOS])
    bodies = {body_hash(body): KnownBody(3, right, right) for body in (WHOLE, STREAMED)}
    return SimulatedServer(behaviour or Behaviour(), KnownAnswers("m", bodies))


def whole(of: SimulatedServer, body: bytes = WHOLE) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ask(of, body, b"X-Request-Id: 17", api=Api.COMPLETIONS))
    return found


def events(of: SimulatedServer, body: bytes = STREAMED, api: Api = Api.COMPLETIONS) -> list[dict[str, Any]]:
    sent = ask(of, body, b"X-Request-Id: 17", api=api)
    assert sent.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    found = [json.loads(data) for data in re.findall(rb"data: (\{.*\})", sent)]
    assert {event["id"] for event in found} == {"cmpl-17" if api is Api.COMPLETIONS else "chatcmpl-17"}
    return found


def test_a_whole_answer_has_the_ids_of_prompt_and_answer() -> None:
    found = whole(server())
    assert found["id"] == "cmpl-17"
    choice = found["choices"][0]
    assert (choice["token_ids"], choice["prompt_token_ids"]) == ([*IDS, EOS], [128000, 12, 345])
    assert (choice["text"], choice["finish_reason"]) == ('say "ü" now', "stop")
    assert found["usage"] == {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


def test_a_stream_has_one_event_a_token_and_the_prompt_once() -> None:
    *tokens, usage = events(server())
    choices = [event["choices"][0] for event in tokens]
    assert [choice["token_ids"] for choice in choices] == [[each] for each in [*IDS, EOS]]
    assert [choice["prompt_token_ids"] for choice in choices] == [[128000, 12, 345], None, None, None]
    assert [choice["finish_reason"] for choice in choices] == [None, None, None, "stop"]
    assert "".join(choice["text"] for choice in choices) == 'say "ü" now'
    assert choices[-1]["text"] == ""
    assert usage["choices"] == []
    assert usage["usage"]["completion_tokens"] == 4


def test_an_answer_is_cut_to_the_tokens_that_are_asked_for() -> None:
    few = WHOLE.replace(b"128,", b"2,")
    known = KnownBody(0, answer([*IDS, EOS]), answer([1, 2]))
    cut = whole(SimulatedServer(Behaviour(), KnownAnswers("m", {body_hash(few): known})), few)
    assert cut["choices"][0]["token_ids"] == IDS[:2]
    assert (cut["choices"][0]["finish_reason"], cut["usage"]["completion_tokens"]) == ("length", 2)


def test_who_asks_for_no_ids_gets_none() -> None:
    found = whole(server(), b'{"prompt": [1, 2]}')
    assert "token_ids" not in found["choices"][0]
    asked_chat = events(server(), STREAMED, Api.CHAT)
    assert all("token_ids" not in event["choices"][0] for event in asked_chat if event["choices"])


@pytest.mark.parametrize(
    ("failure", "ids", "tokens"),
    [("empty", [], 0), ("null_content", None, 1), ("missing_usage", [*IDS, EOS], None)],
)
def test_answers_fail_in_their_content(failure: str, ids: list[int] | None, tokens: int | None) -> None:
    failing = server(Behaviour.parse({"failures": {failure: 1}}, "here"))
    found = whole(failing)
    assert found["choices"][0]["token_ids"] == ids
    assert found.get("usage", {}).get("completion_tokens") == tokens
    parts = [event["choices"][0]["token_ids"] for event in events(failing) if event["choices"]]
    assert parts == ([[each] for each in ids] if ids else [ids])


def test_streams_fail_in_their_events() -> None:
    malformed = server(Behaviour(failures={"malformed": 1}))
    assert b"data: {\n\n" in ask(malformed, STREAMED, api=Api.COMPLETIONS)
    cut = ask(server(Behaviour(failures={"cut": 1})), STREAMED, api=Api.COMPLETIONS)
    assert cut.count(b"data: ") == 3
    assert b"[DONE]" not in cut


def test_chat_streams_have_one_event_a_token_only_where_tokens_have_times() -> None:
    text = SimulatedAnswer("x" * 41)
    for behaviour, pieces in ((Behaviour(ttft_s=0.0), 10), (Behaviour(), 4)):
        known = KnownAnswers("m", {body_hash(b'{"stream": true}'): KnownBody(0, text, text)})
        found = events(SimulatedServer(behaviour, known), b'{"stream": true}', Api.CHAT)
        contents = [event["choices"][0]["delta"]["content"] for event in found if event["choices"]]
        assert len(contents) == pieces
        assert "".join(contents) == text.text


@given(st.integers(0, 1 << 63), st.integers(1, 200))
def test_the_times_of_tokens_add_up(key: int, tokens: int) -> None:
    behaviour = Behaviour(ttft_s=0.2, tpot_s=0.01, distribution="lognormal", sigma=0.4)
    outcome = OutcomeDraws(behaviour)
    first_s, total_s = outcome.service(key, tokens)
    assert first_s == outcome.service(key, 1).total_s
    assert total_s == pytest.approx(first_s + (tokens - 1) * (outcome.service(key, 2).total_s - first_s))


def test_times_of_tokens_have_their_means() -> None:
    outcome = OutcomeDraws(Behaviour(ttft_s=0.2, tpot_s=0.01, distribution="exponential"))
    times = np.array([outcome.service(body_hash(b"%d" % number), 2) for number in range(20_000)])
    assert times[:, 0].mean() == pytest.approx(0.2, rel=0.03)
    assert (times[:, 1] - times[:, 0]).mean() == pytest.approx(0.01, rel=0.03)
    assert abs(np.corrcoef(times[:, 0], times[:, 1] - times[:, 0])[0, 1]) < 0.03


def test_a_mean_beside_times_of_tokens_is_refused() -> None:
    with pytest.raises(InputError, match="either mean_s or ttft_s and tpot_s"):
        Behaviour.parse({"mean_s": 1, "tpot_s": 0.1}, "here")


def test_fields_are_read_from_the_edges_of_a_body() -> None:
    assert RequestFields.of(WHOLE)[:4] == (False, True, 128, b"[128000, 12,345]")
    assert RequestFields.of(STREAMED)[0]
    long = b'{"prompt":[%b],"return_token_ids": true}' % b",".join(b"%d" % n for n in range(5000))
    assert RequestFields.of(long).prompt_tokens == 5000
    quoted = json.dumps({"prompt": '"return_token_ids":true,"stream":true'}).encode()
    assert RequestFields.of(quoted)[:4] == (False, False, 0, b"")


def test_pieces_are_sent_at_their_times_and_those_that_are_late_together() -> None:
    async def send() -> tuple[float, list[tuple[float, bytes]], EventSender]:
        loop, over, timers = asyncio.get_running_loop(), asyncio.Event(), PreciseTimers()
        sent: list[tuple[float, bytes]] = []
        start_s = loop.time()
        due_s = [start_s, start_s, start_s + 0.03, start_s + 0.06, start_s + 0.06]
        sender = EventSender(
            lambda data: sent.append((loop.time() - start_s, data)),
            [b"head", b"a", b"b", b"c", b"end"],
            due_s,
            slice(1, 4),
            timers,
            lambda _: over.set(),
        )
        sender.pump()
        await over.wait()
        timers.close()
        return start_s, sent, sender

    start_s, sent, sender = asyncio.run(send())
    assert b"".join(data for _, data in sent) == b"headabcend"
    assert sent[0][1].startswith(b"heada")
    assert len(sent) <= 3
    assert sent[-1][0] >= 0.06
    assert start_s <= sender.first_ns / 1e9
    assert start_s + 0.06 <= sender.last_ns / 1e9
