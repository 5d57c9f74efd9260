"""The simulated server knows what a request is about, though its body is none of the store's."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from test_simulated_server import ask

from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.benchmarks.llama3_1_8b.article_index import ArticleIndex
from weighbridge.benchmarks.qwen3_vl.product_index import ProductIndex
from weighbridge.benchmarks.registry import load_benchmark
from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.request_settings import RequestSettings
from weighbridge.core.errors import InputError
from weighbridge.core.openai_api import Api
from weighbridge.requests.store import RequestStore, build_store
from weighbridge.simulate.behaviour import Behaviour, body_hash
from weighbridge.simulate.known_answers import KnownAnswers, KnownBody, SimulatedAnswer, answers_from_dataset
from weighbridge.simulate.request_fields import RequestFields
from weighbridge.simulate.simulated_server import SimulatedServer

SAMPLES = 4


def product_body(title: str, picture: bytes, **fields: Any) -> bytes:
    url = f"data:image/PNG;base64,{base64.b64encode(picture).decode()}"
    content = [
        {"type": "text", "text": f"What is {title}?"},
        {"type": "image_url", "image_url": {"url": url}},
    ]
    return json.dumps({"messages": [{"role": "user", "content": content}]} | fields).encode()


def test_a_product_is_found_by_picture_and_title() -> None:
    titles = ["Mug", "Mug, blue", "Töpfe"]
    pictures = [b"one", b"one", b"two"]
    bodies = [memoryview(product_body(*each)) for each in zip(titles, pictures, strict=True)]
    index = ProductIndex(titles, bodies)
    for sample, (title, picture) in enumerate(zip(titles, pictures, strict=True)):
        assert index.sample_of(product_body(title, picture, model="another", stream=True)) == sample
    assert index.sample_of(product_body("Töpfe", b"one")) is None
    assert index.sample_of(product_body("Mug", b"three")) is None
    assert index.sample_of(b"no JSON" + product_body("Mug", b"one")) is None
    assert index.sample_of(b'{"messages":[{"role":"user","content":"Mug"}]}') is None


def test_an_article_is_found_wherever_it_stands() -> None:
    articles = ["Short.", " The same beginning of two articles, which then go on: one. ", ""]
    articles.append(articles[1].replace("one", "two"))
    index = ArticleIndex(articles)

    def found(text: str) -> int | None:
        message = {"role": "user", "content": text}
        in_prompt = index.sample_of(json.dumps({"prompt": text}).encode())
        assert index.sample_of(json.dumps({"messages": [message]}).encode()) == in_prompt
        return in_prompt

    assert found(f"Summarise.\n{articles[1].strip()}\nThanks.") == 1
    assert found(f"Summarise.{articles[3]}") == 3
    assert found("Short.") == 0
    assert found("Nothing of it") is None
    assert index.sample_of(b'{"prompt":[1,2,3]}') is None
    assert index.sample_of(b"[") is None


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, KnownAnswers]:
    """A store of synthetic products, and the answers to its requests."""
    folder = tmp_path_factory.mktemp("content")
    round_ = load_round("rehearsal-v6.1-endpoints")
    load_benchmark(round_.benchmark).synthesise(ArtifactKind.DATASET, SAMPLES, folder / "dataset")
    prompt = folder / "prompt.json"
    prompt.write_text('{"system": "Sort.", "user": "@TITLE@, @DESC@, @CATS_JSON@"}')
    build_store(
        dataset=folder / "dataset",
        splits=round_.splits,
        prompt=prompt,
        streamed=True,
        benchmark=round_.benchmark,
        model_name="m",
        settings=RequestSettings(),
        expected_samples=SAMPLES,
        out=folder / "store",
        processes=1,
    )
    answers = answers_from_dataset(
        store=folder / "store", dataset=folder / "dataset", prompt=prompt, model=None, round_=round_
    )
    return folder / "store", answers


def test_another_body_about_a_sample_gets_the_answer_and_the_time_of_the_samples_own(
    made: tuple[Path, KnownAnswers],
) -> None:
    store, answers = made
    for streamed in (False, True):
        own = RequestStore.open(store, streamed=streamed)
        for sample in range(SAMPLES):
            other = json.loads(own.sent(sample)) | {"model": "x", "top_k": 1}
            other["messages"][0]["content"] = "Another system message."
            body = json.dumps(other, separators=(",", ":")).encode()
            key = answers.key(body)
            assert key == body_hash(own.sent(sample)) != body_hash(body)
            assert answers.of(key, RequestFields.of(body)).sample == sample
    unknown = product_body("Mug", b"picture")
    assert answers.of(answers.key(unknown), RequestFields.of(unknown)).sample == -1


def test_a_request_of_the_other_kind_is_answered_only_about_a_known_sample(
    made: tuple[Path, KnownAnswers],
) -> None:
    own = bytes(RequestStore.open(made[0]).body(1))
    text = SimulatedAnswer("known")
    bodies = {made[1].key(own): KnownBody(1, text, text)}
    server = SimulatedServer(Behaviour(), KnownAnswers("m", bodies, Api.COMPLETIONS, made[1].samples))
    found = ask(server, json.dumps(json.loads(own) | {"n": 1}).encode(), api=Api.CHAT)
    assert json.loads(found)["choices"][0]["message"]["content"] == "known"
    for refused in (own, b'{"messages":[]}'):
        assert b"the other path" in ask(server, refused, api=Api.CHAT)


def test_stores_of_two_models_are_no_server() -> None:
    with pytest.raises(InputError, match="the stores ask for the model a and b"):
        KnownAnswers.of_stores([KnownAnswers("a"), KnownAnswers("b")])
