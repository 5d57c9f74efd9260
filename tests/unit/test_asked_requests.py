"""Requests of a quality measurement: their counts, which endpoint gets them, what is said of refused ones."""

import json

import pytest

from weighbridge.config.quality_settings import AskingProtocol
from weighbridge.quality.asked_requests import AnsweredRequest, AskedRequests, OpenRequests, usage_of
from weighbridge.quality.refused_request import Asking, failed, is_refusal, refused
from weighbridge.records.quality_answers import RequestCounts

KEY = "sk-secret-of-a-test-0123456789"
URL = "http://127.0.0.1:8000"


def asking(protocol: AskingProtocol = AskingProtocol.LOG_LIKELIHOOD, env: str | None = "MODEL_KEY") -> Asking:
    return Asking(protocol, KEY if env else None, env)


def test_equal_questions_have_a_request_each() -> None:
    told: list[int] = []
    asked = AskedRequests(lambda: told.append(1))
    for latency_ns in (1, 2):
        asked.add(("prompt", " A"), AnsweredRequest(latency_ns, 5, 1))
    taken = [asked.take(("prompt", " A")) for _ in range(3)]
    assert [found and found.latency_ns for found in taken] == [1, 2, None]
    assert asked.take("another") is None
    assert len(told) == 2


def test_answers_retries_and_failures_are_counted() -> None:
    asked = AskedRequests(lambda: None)
    asked.add("a", AnsweredRequest(1, None, None))
    asked.retries += 2
    asked.failed_attempts.update(["timeout", "503"])
    assert asked.counts == RequestCounts(requests=1, retries=2, failed_attempts={"503": 1, "timeout": 1})


@pytest.mark.parametrize(
    ("answer", "tokens"),
    [
        ({"usage": {"prompt_tokens": 7, "completion_tokens": 1}}, (7, 1)),
        ({"usage": {"prompt_tokens": 7}}, (7, None)),
        ({"usage": None}, (None, None)),
        ({}, (None, None)),
        ({"usage": {"prompt_tokens": "7", "completion_tokens": 1.5}}, (None, None)),
    ],
)
def test_tokens_are_those_that_the_server_reports(answer: object, tokens: object) -> None:
    assert usage_of(answer) == tokens  # type: ignore[arg-type]


def test_the_endpoint_with_the_fewest_open_requests_is_next() -> None:
    open_requests = OpenRequests(("a", "b"))
    with open_requests.next() as first, open_requests.next() as second:
        assert (first, second) == ("a", "b")
    with pytest.raises(OSError, match="lost"), open_requests.next():
        raise OSError("lost")
    with open_requests.next() as first:
        assert first == "a"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 422])
def test_what_the_server_refuses_is_not_tried_again(status: int) -> None:
    assert is_refusal(status)


@pytest.mark.parametrize("status", [302, 408, 409, 425, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(status: int) -> None:
    assert not is_refusal(status)


@pytest.mark.parametrize(
    ("status", "said", "how", "remedy"),
    [
        (400, "'echo' is not supported", asking(), "set quality.mmlu.protocol: chat"),
        (404, "Not Found", asking(), "set quality.mmlu.protocol: chat"),
        (404, "Not Found", asking(AskingProtocol.CHAT), "the chat protocol needs /v1/chat/completions"),
        (401, "no", asking(), "MODEL_KEY holds a key that it does not take; export another one"),
        (403, "no", asking(env=None), "set client.api_key_env to the name of the environment variable"),
        (
            400,
            "maximum context length is 512 tokens",
            asking(AskingProtocol.CHAT),
            "quality.mmlu.shots lower",
        ),
    ],
)
def test_a_refusal_names_endpoint_status_message_and_remedy(
    status: int, said: str, how: Asking, remedy: str
) -> None:
    for body in (
        said,
        json.dumps({"error": {"message": said}}),
        json.dumps({"detail": said}),
        json.dumps({"message": said}),
    ):
        sentence = refused(URL, status, body, how)
        assert f"the server at {URL} refuses a request with {status} ({said})" in sentence
        assert remedy in sentence
        assert sentence.endswith(".")


def test_a_sentence_is_short_and_has_no_key() -> None:
    body = json.dumps({"error": {"message": f"wrong\nkey Bearer {KEY} " + "x" * 5000}})
    for sentence in (refused(URL, 401, body, asking()), failed(URL, 3, "500", body, asking())):
        assert KEY not in sentence
        assert "\n" not in sentence
        assert len(sentence) < 500


def test_a_failure_says_how_often_and_how_to_go_on() -> None:
    sentence = failed(URL, 3, "timeout", "no answer within 5 s", asking())
    assert f"{URL} failed a request 3 times, at last with timeout (no answer within 5 s)" in sentence
    assert "which goes on after the subjects that are finished" in sentence
    assert "failed a request once, at last with 503;" in failed(URL, 1, "503", "", asking())
