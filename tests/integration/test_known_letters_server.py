"""The simulated server with multiple-choice questions, as a process behind a real socket."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from simulating import answering_questions

from weighbridge.quality.made_up_questions import write_made_up_questions
from weighbridge.quality.questions import QuestionSet, read_questions
from weighbridge.simulate.asked_question import text_of
from weighbridge.simulate.behaviour import Behaviour
from weighbridge.simulate.known_letters import LetterRates, known_letters

MODEL = Path(__file__).parents[2] / "src/weighbridge/benchmarks/llama3_1_8b/demo/model"
RATES = LetterRates(rate=0.5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("questions")
    write_made_up_questions(4, made)
    return made


@pytest.fixture(scope="module")
def questions(folder: Path) -> QuestionSet:
    return read_questions(folder)


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    flaky = Behaviour(failures={"status_503": 1.0}, failing_attempts=1)
    with answering_questions(folder, RATES, model=MODEL, model_name="m", behaviour=flaky) as found:
        yield found


def post(url: str, path: str, **fields: object) -> Any:
    """Return the answer to a request, of which each first attempt fails."""
    request = Request(f"{url}/v1/{path}", json.dumps({"model": "m", **fields}).encode())
    with pytest.raises(HTTPError) as error:
        urlopen(request, timeout=30)
    assert error.value.code == 503
    error.value.close()
    with urlopen(request, timeout=30) as answer:
        return json.load(answer)


def test_questions_are_answered_with_known_letters(url: str, questions: QuestionSet) -> None:
    letters = known_letters(questions, RATES)
    for name, subject in questions.subjects.items():
        for question, letter in list(zip(subject.test, letters[name], strict=True))[1:3]:
            prompt = f"{text_of(question)}\nAnswer:"
            asked = [{"role": "user", "content": prompt}]
            [choice] = post(url, "chat/completions", messages=asked)["choices"]
            assert choice["message"]["content"] == letter
            echoed = post(url, "completions", prompt=f"{prompt} A", echo=True, logprobs=1, max_tokens=1)
            tops = echoed["choices"][0]["logprobs"]["top_logprobs"][-2]
            assert max(tops, key=tops.__getitem__) == f" {letter}"
