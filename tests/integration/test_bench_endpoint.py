"""The endpoint in C that the client is measured against: what it sends, and what it notes of it."""

import http.client
import importlib.util
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler (cc)")
_BODY = {"model": "m", "text": "sample 17 " + "a" * 200_000}


@pytest.fixture
def bench(root: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_endpoint", root / "bench" / "endpoint.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "bench_endpoint", module)
    monkeypatch.syspath_prepend(root / "bench")  # for what it imports
    spec.loader.exec_module(module)
    return module


def _post(url: str, body: object, request_id: str, path: str = "/v1/chat/completions") -> bytes:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
    try:
        connection.request(
            "POST", path, json.dumps(body, separators=(",", ":")), {"X-Request-Id": request_id}
        )
        answer = connection.getresponse()
        assert answer.status == 200
        return answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("sends", [{"waves_ms": 1}, {"poisson": 2000}, {"poisson_each": 2000}], ids=str)
def test_a_stream_has_a_chunk_a_token_with_the_time_at_which_it_was_sent(
    bench: ModuleType, sends: dict[str, float]
) -> None:
    with bench.endpoint(tokens=5, delay_ms=2, **sends) as server:
        events = _post(server.url, _BODY | {"stream": True}, "one").decode().split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    chunks = [json.loads(event.removeprefix("data: ")) for event in events[:-2]]
    assert {chunk["id"] for chunk in chunks} == {"chatcmpl-one"}
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks[1:-1]] == [None] * 5 + ["stop"]
    assert chunks[-1]["usage"]["completion_tokens"] == 5
    sent = [int(chunk["choices"][0]["delta"]["content"]) for chunk in chunks[1:-2]]
    assert sent == sorted(sent)
    (row,) = server.rows
    assert (row["sample"], row["first_ns"], row["last_ns"], row["chunks"]) == (17, sent[0], sent[-1], 5)
    assert row["first_ns"] - row["arrived_ns"] >= 2_000_000
    assert server.noted["chunks"] == 5


def test_a_completion_has_one_token_id_a_chunk_and_ends_with_the_end_of_the_sequence(
    bench: ModuleType,
) -> None:
    body = {"model": "m", "prompt": [1, 23, *range(9000)], "return_token_ids": True}
    path = "/v1/completions"
    with bench.endpoint(tokens=5, delay_ms=2, waves_ms=1) as server:
        whole = json.loads(_post(server.url, body, "one", path))
        events = _post(server.url, body | {"stream": True}, "two", path).decode().split("\n\n")
    assert (whole["id"], len(whole["choices"][0]["token_ids"])) == ("cmpl-one", 5)
    assert events[-2:] == ["data: [DONE]", ""]
    *chunks, usage = [json.loads(event.removeprefix("data: ")) for event in events[:-2]]
    assert {chunk["id"] for chunk in chunks} == {"cmpl-two"}
    choices = [chunk["choices"][0] for chunk in chunks]
    assert [len(choice["token_ids"]) for choice in choices] == [1] * 5
    assert [choice["finish_reason"] for choice in choices] == [None] * 4 + ["stop"]
    assert choices[-1]["token_ids"] == whole["choices"][0]["token_ids"][-1:] == [128_009]
    assert usage["usage"]["completion_tokens"] == whole["usage"]["completion_tokens"] == 5
    sent = [int(choice["text"]) for choice in choices]
    row = server.rows[1]
    assert (row["sample"], row["first_ns"], row["last_ns"], row["chunks"]) == (23, sent[0], sent[-1], 5)


def test_a_whole_answer_comes_after_the_delay(bench: ModuleType) -> None:
    with bench.endpoint(tokens=7, delay_ms=3) as server:
        answer = json.loads(_post(server.url, _BODY, "two"))
    assert answer["id"] == "chatcmpl-two"
    assert answer["usage"]["completion_tokens"] == 7
    (row,) = server.rows
    assert int(answer["choices"][0]["message"]["content"]) == row["first_ns"]
    assert row["first_ns"] - row["arrived_ns"] >= 3_000_000


def test_no_stream_begins_before_as_many_are_open_as_were_asked_for(bench: ModuleType) -> None:
    with bench.endpoint(tokens=1, ahead=2, waves_ms=1) as server:
        connections = []
        for number in range(2):
            connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=20)
            connection.request("POST", "/v1/chat/completions", json.dumps(_BODY | {"stream": True}))
            answer = connection.getresponse()
            connections.append((connection, answer))
            assert answer.status == 200, number
        for connection, answer in connections:
            assert answer.read().endswith(b"[DONE]\n\n")
            connection.close()
    assert server.rows["first_ns"].min() > server.rows["arrived_ns"].max()
