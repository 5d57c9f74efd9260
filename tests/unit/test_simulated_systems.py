"""The simulated server as a system to compare: lengths, prompts, caches, and what changes its speed."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_simulated_server import Transport, _put, ask

from weighbridge.cli.simulate import simulate
from weighbridge.core.errors import InputError
from weighbridge.simulate.asked_lengths import AskedLengths
from weighbridge.simulate.behaviour import Behaviour
from weighbridge.simulate.prompt_blocks import prompt_tokens
from weighbridge.simulate.run_conditions import RunConditions, WorkClock
from weighbridge.simulate.service import Service
from weighbridge.simulate.simulated_server import SimulatedServer, _Connection

IGNORING = '{"lengths": "ignored"}'


def server(model_name: str = "m", **behaviour: object) -> SimulatedServer:
    settings = Behaviour.parse(behaviour, "test")
    return SimulatedServer(settings, AskedLengths(model_name, settings))


def body(text: str = "hello", model_name: str = "m", **fields: object) -> bytes:
    messages = [{"role": "user", "content": text}]
    return json.dumps({"model": model_name, "messages": messages, **fields}, separators=(",", ":")).encode()


def post(served: SimulatedServer, path: bytes) -> bytes:
    """Return the status line of the answer to an empty POST."""
    transport = Transport()
    connection = _Connection(served)
    connection.connection_made(transport)  # type: ignore[arg-type]
    connection.buffer_updated(
        _put(served.buffer, b"POST " + path + b" HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
    )
    return transport.written.partition(b"\r\n")[0]


@pytest.mark.parametrize("tokens", [1, 7, 2_000])
def test_an_answer_has_as_many_tokens_as_are_asked_for(tokens: int) -> None:
    fields = {"ignore_eos": True, "min_tokens": tokens}
    answer = json.loads(ask(server(), body(max_tokens=tokens, **fields)))
    assert answer["usage"]["completion_tokens"] == tokens
    [choice] = answer["choices"]
    assert choice["finish_reason"] == "length"
    assert len(choice["message"]["content"]) == 4 * tokens
    streamed = ask(server(), body(max_tokens=tokens, stream=True, **fields)).decode()
    events = [json.loads(line[6:]) for line in streamed.splitlines() if line.startswith("data: {")]
    text = "".join(part["choices"][0]["delta"]["content"] for part in events if part["choices"])
    assert len(text) == 4 * tokens
    assert events[-1]["usage"]["completion_tokens"] == tokens


def test_fields_before_and_behind_a_long_prompt_are_found() -> None:
    text = "x" * 5_000
    for asked in (body(text, max_tokens=9), b'{"max_tokens": 9,' + body(text)[1:]):
        assert json.loads(ask(server(), asked))["usage"]["completion_tokens"] == 9


def test_two_servers_answer_alike_whatever_their_name() -> None:
    one, other = (json.loads(ask(server(name), body(model_name=name))) for name in ("a", "another"))
    assert one["choices"] == other["choices"]
    assert one["usage"] == other["usage"]
    assert json.loads(ask(server(), body("another text")))["choices"] != one["choices"]


@pytest.mark.parametrize("asked", ["9" * 12, "9" * 5000])
def test_no_answer_is_longer_than_a_million_tokens(asked: str) -> None:
    answers = AskedLengths("m", Behaviour())
    assert answers.read(b'{"max_tokens":%b}' % asked.encode()).most_tokens == 1 << 20


def test_ignored_lengths_differ_and_rejected_ones_are_refused() -> None:
    ignoring = server(lengths="ignored")
    answers = [json.loads(ask(ignoring, body(f"{number}", max_tokens=50))) for number in range(20)]
    lengths = {answer["usage"]["completion_tokens"] for answer in answers}
    assert len(lengths) > 10
    assert max(lengths) < 50
    assert {answer["choices"][0]["finish_reason"] for answer in answers} == {"stop"}
    rejecting = server(lengths="rejected")
    for field in ({"ignore_eos": True}, {"min_tokens": 5}):
        assert "not supported" in json.loads(ask(rejecting, body(max_tokens=5, **field)))["error"]["message"]
    assert "choices" in json.loads(ask(rejecting, body(max_tokens=5)))


def test_prompts_are_counted_from_their_texts_and_images() -> None:
    longer = prompt_tokens(body("x" * 4_100)) - prompt_tokens(body("x" * 100))
    assert longer == 1_000
    part = {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64," + "A" * 192_000}}
    with_image = json.dumps({"messages": [{"role": "user", "content": [part]}]}).encode()
    assert 1_000 <= prompt_tokens(with_image) < 1_040
    assert prompt_tokens(b"") == 1
    assert prompt_tokens(b'{"model":"m","prompt":"' + b"x" * 400 + b'"}') == 100


def test_the_prefix_cache_knows_the_beginnings_of_prompts_until_it_is_emptied() -> None:
    served = server(prefix_cache=True, ttft_s=0.0)
    first, longer = body("a" * 1_000), body("a" * 1_000 + "b" * 1_000)

    def cached(asked: bytes) -> int:
        usage = json.loads(ask(served, asked))["usage"]
        found: int = usage["prompt_tokens_details"]["cached_tokens"]
        return found

    assert [cached(first), cached(longer), cached(body("c" * 1_000))] == [0, 256, 0]
    assert cached(longer) == pytest.approx(500, abs=24)
    page = served.replies.metrics.page()
    assert b'enable_prefix_caching="True"' in page
    total = served.replies.metrics.cache_hits
    assert total == 256 + cached(longer) > 0
    assert post(served, b"/reset_prefix_cache").startswith(b"HTTP/1.1 200")
    assert cached(longer) == 0
    assert "prompt_tokens_details" not in json.loads(ask(server(), first))["usage"]


def test_images_are_cached_whole() -> None:
    service = Service(Behaviour(prefix_cache=True, ttft_s=1.0, tpot_s=0.0))
    image = "data:image/jpeg;base64," + "A" * 19_200
    asked = json.dumps({"messages": [{"content": [{"image_url": {"url": image}}, "text" * 10]}]}).encode()
    tokens = prompt_tokens(asked)
    times = [service.add(0.0, 1, 1, tokens, asked) for _ in range(2)]
    assert times[0].cached_tokens == 0
    assert times[1].cached_tokens >= 100
    assert times[1].time.first_s == pytest.approx(1 - times[1].cached_tokens / tokens)


def test_a_server_without_resets_refuses_them() -> None:
    for path in (b"/reset_prefix_cache", b"/reset_mm_cache", b"/reset_encoder_cache", b"/flush_cache"):
        assert post(server(), path).startswith(b"HTTP/1.1 200")
        assert post(server(resets=False), path).startswith(b"HTTP/1.1 404")


def test_each_run_has_its_own_factor_and_the_same_one_again_for_its_seed() -> None:
    def factors(**behaviour: float) -> list[float]:
        conditions = RunConditions(Behaviour.parse(behaviour, "test"))
        found = []
        for _ in range(4_000):
            found.append(conditions.slowness(0.0))
            conditions.begin_run()
        return found

    drawn = factors(run_noise_cv=0.1)
    assert np.mean(drawn) == pytest.approx(1, abs=0.006)
    assert np.std(drawn) == pytest.approx(0.1, rel=0.05)
    assert drawn == factors(run_noise_cv=0.1)
    assert abs(np.corrcoef(drawn, factors(run_noise_cv=0.1, noise_seed=1))[0, 1]) < 0.06
    assert set(factors(speed=1.25)) == {0.8}


def test_service_times_are_divided_by_the_speed_and_grow_with_time() -> None:
    plain, fast, growing = (
        Service(Behaviour.parse({"mean_s": 0.1, "distribution": "exponential", **changed}, "test"))
        for changed in ({}, {"speed": 2.0}, {"drift_per_s": 0.01})
    )
    before = plain.add(10.0, 7, 5, 1, b"").time
    assert fast.add(10.0, 7, 5, 1, b"").time.total_s == pytest.approx(before.total_s / 2)
    assert growing.add(10.0, 7, 5, 1, b"").time.total_s == pytest.approx(before.total_s * 1.1)
    assert growing.add(10.0, 7, 5, 1, b"").time.first_s == pytest.approx(before.first_s * 1.1)


def test_nothing_is_served_during_a_pause() -> None:
    clock = WorkClock(Behaviour(stall_every_s=2.0, stall_s=0.5))
    assert [clock.worked_s(at) for at in (0.0, 1.0, 1.5, 1.75, 2.0, 3.0)] == [0.0, 1.0, 1.5, 1.5, 1.5, 2.5]
    assert clock.real_s(clock.worked_s(1.9) + 0.2) == pytest.approx(2.2)
    for at in (0.25, 2.75, 11.4):
        assert math.isclose(clock.real_s(clock.worked_s(at)), at)
    still = WorkClock(Behaviour())
    assert still.real_s(still.worked_s(3.0)) == 3.0
    with pytest.raises(InputError, match="not shorter"):
        Behaviour.parse({"stall_s": 1.0, "stall_every_s": 1.0}, "test")


def test_a_service_starts_at_the_ideal_end_of_the_one_before() -> None:
    service = Service(Behaviour(servers=1, mean_s=0.1))
    starts = [service.add(at, 0, 1, 1, b"").start_s for at in (0.0, 0.01, 0.02, 0.5)]
    assert starts == pytest.approx([0.0, 0.1, 0.2, 0.5])


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"store": Path("x")}, "belong together"),
        (
            {"round_file": "demo", "store": Path("x"), "dataset": Path("y"), "behaviour": IGNORING},
            "leave either out",
        ),
        ({"behaviour": '{"stall_s": 2}'}, "not shorter"),
        ({"behaviour": '{"right": 0.5}'}, "are of answers that a dataset has"),
        ({"model": Path("x")}, "are of answers that a dataset has"),
    ],
)
def test_a_server_that_cannot_be_is_not_started(given: dict[str, Any], why: str) -> None:
    with pytest.raises(InputError, match=why):
        simulate(**given)
