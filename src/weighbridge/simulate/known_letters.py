"""The answers of the simulated server to multiple-choice questions: letters that are known in advance.

Of each subject, the first questions are answered right and the others with the letter after the right one,
so that every score that is computed of the answers can be compared with what it must be.
"""

import json
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import ConfigDict, Field, ValidationError

from weighbridge.core.errors import InputError
from weighbridge.core.models import Model
from weighbridge.core.openai_api import Api
from weighbridge.quality.questions import QuestionSet
from weighbridge.records.quality_answers import LETTERS, Letter
from weighbridge.simulate.asked_question import QuestionFinder, text_of
from weighbridge.simulate.behaviour import body_hash
from weighbridge.simulate.known_answers import KnownBody, SimulatedAnswer
from weighbridge.simulate.letter_probabilities import PromptTokenizer, echoed, generated_letter, next_text
from weighbridge.simulate.request_fields import RequestFields

UNREADABLE = "I do not know."
"""The text of an answer in a chat that has no letter."""

_DEFAULT_TOKENS = 16  # of a completion that asks for no length
_ONE_PROMPT = "the body is no request with one prompt: a text, or a list of token ids"
_NO_TOKENIZER = "completions need a tokenizer; start the simulated server with --model"
_UNKNOWN = "the prompt asks none of the known questions"
_NO_ECHO = "'echo' and 'logprobs' are not supported for this model"
_ONE_TOKEN = np.array([1], dtype="<i4").tobytes()


class LetterRates(Model):
    """How questions are answered."""

    rate: float = Field(default=1.0, ge=0, le=1, description="Share of a subject's questions answered right.")
    rates: dict[str, float] = Field(default={}, description="Likewise, of single subjects by name.")
    unreadable: float = Field(
        default=0.0, ge=0, le=1, description="Chat: share answered without a letter, the last of a subject."
    )
    chat: Literal["letter", "sentence"] = Field(
        default="letter", description="Chat: 'B', or 'The answer is B.'."
    )
    echo: bool = Field(default=True, description="Whether completions may echo the prompt; else status 400.")


class _Body(Model):
    """What is read of a request."""

    model_config = ConfigDict(extra="ignore")

    prompt: str | tuple[int, ...] | tuple[str] | tuple[tuple[int, ...]] | None = None
    messages: tuple[dict[str, object], ...] = ()
    echo: bool = False
    logprobs: int | bool | None = None
    max_tokens: int | None = None
    stream: bool | None = None
    add_special_tokens: bool = True


class KnownLetters:
    """Answers each request with the known letter of the question at the end of its prompt.

    Attributes:
        model_name: Name of the model in /models and in completions.
        known: Number of questions.
    """

    def __init__(
        self, model_name: str, questions: QuestionSet, rates: LetterRates, model: Path | None
    ) -> None:
        """Prepare to answer.

        Args:
            model_name: Name of the model.
            questions: The questions; prompts without one of them get no letter.
            rates: How they are answered.
            model: Folder with the tokenizer of the requests' prompts; None: completions are refused.

        Raises:
            InputError: the rates name another subject, or the tokenizer cannot be read.
        """
        self.model_name, self.known = model_name, questions.available
        self._rates = rates
        self._finder = QuestionFinder(questions)
        self._letters = _by_text(questions, rates, chat=False)
        self._chat_letters = _by_text(questions, rates, chat=True)
        self._tokens = None if model is None else PromptTokenizer(model)

    def read(self, body: bytes) -> RequestFields:
        """Read the fields of a body."""
        try:
            asked = _Body.model_validate(json.loads(body))
        except (ValidationError, ValueError):
            return _refused(_ONE_PROMPT)
        if asked.messages:
            text = "\n\n".join(map(_content, asked.messages))
            return RequestFields(bool(asked.stream), False, 0, b"", 1 + len(text) // 4, prompt=text)
        return self._completion(asked)

    def key(self, body: bytes) -> int:
        """Return the hash that decides the service time and the failures."""
        return body_hash(body)

    def accepts(self, api: Api, body: bytes) -> bool:  # noqa: ARG002 - the protocol's
        """Return True: both kinds of request are answered."""
        return True

    def of(self, _key: int, fields: RequestFields) -> KnownBody:
        """Return the answer to a prompt."""
        if fields.prompt_ids:
            answer = self._completed(fields)
        else:
            asked = self._finder.find(fields.prompt)
            letter = None if asked is None else self._chat_letters[asked.text]
            answer = SimulatedAnswer(self._said(letter), _ONE_TOKEN)
        return KnownBody(-1, answer, answer)

    def _completion(self, asked: _Body) -> RequestFields:
        """Return the fields of a completion, whose prompt becomes both text and ids."""
        if self._tokens is None:
            return _refused(_NO_TOKENIZER)
        if asked.echo and not self._rates.echo:
            return _refused(_NO_ECHO)
        prompt = asked.prompt
        if isinstance(prompt, tuple) and prompt and not isinstance(prompt[0], int):
            prompt = prompt[0]
        if not prompt:
            return _refused(_ONE_PROMPT)
        if isinstance(prompt, str):
            ids, text = self._tokens.ids(prompt, special=asked.add_special_tokens), prompt
        else:
            ids = [int(each) for each in prompt]
            text = self._tokens.text(ids)
        if asked.echo and self._finder.find(text) is None:
            return _refused(_UNKNOWN)
        return RequestFields(
            stream=bool(asked.stream),
            token_ids=False,
            most_tokens=_DEFAULT_TOKENS if asked.max_tokens is None else asked.max_tokens,
            prompt_ids=json.dumps(ids).encode(),
            prompt_tokens=len(ids),
            prompt=text,
            logprobs=None if asked.logprobs is None else int(asked.logprobs),
            echo=asked.echo,
        )

    def _completed(self, fields: RequestFields) -> SimulatedAnswer:
        asked = self._finder.find(fields.prompt)
        if asked is None or self._tokens is None:
            return SimulatedAnswer(f" {UNREADABLE}", _ONE_TOKEN)
        letter, top = self._letters[asked.text], fields.logprobs
        assert letter is not None
        generated = fields.most_tokens > 0
        made = _ONE_TOKEN if generated else b""
        if not fields.echo:
            named = None if top is None else generated_letter(letter, top=top)
            return SimulatedAnswer(f" {letter}", made, logprobs=named)
        ids = json.loads(fields.prompt_ids)
        texts, before = self._tokens.each(ids), self._tokens.before(ids, asked.end)
        named = echoed(texts, before, letter, top=top or 0, generated=generated)
        text = fields.prompt + (next_text(letter, answered=before < len(ids)) if generated else "")
        return SimulatedAnswer(text, made, cut=True, logprobs=None if top is None else named)

    def _said(self, letter: Letter | None) -> str:
        if letter is None:
            return UNREADABLE
        return letter if self._rates.chat == "letter" else f"The answer is {letter}."


def known_letters(
    questions: QuestionSet, rates: LetterRates, *, chat: bool = False
) -> dict[str, tuple[Letter | None, ...]]:
    """Return what is answered to each question, by subject; None: a text without a letter.

    Questions with the same text have the same answer, that of the first, since no server could tell them
    apart.

    Args:
        questions: The questions.
        rates: How they are answered.
        chat: Whether they are asked in a chat.

    Raises:
        InputError: the rates name a subject that there is not.
    """
    by_text = _by_text(questions, rates, chat=chat)
    return {
        name: tuple(by_text[text_of(each)] for each in subject.test)
        for name, subject in questions.subjects.items()
    }


def _by_text(questions: QuestionSet, rates: LetterRates, *, chat: bool) -> dict[str, Letter | None]:
    if unknown := sorted(rates.rates.keys() - questions.subjects.keys()):
        raise InputError(f"rates: '{unknown[0]}' is none of the subjects {', '.join(questions.subjects)}.")
    found: dict[str, Letter | None] = {}
    for name, subject in questions.subjects.items():
        count = len(subject.test)
        right = round(rates.rates.get(name, rates.rate) * count)
        readable = count - (round(rates.unreadable * count) if chat else 0)
        for number, each in enumerate(subject.test):
            letter = LETTERS[(each.answer + (number >= right)) % len(LETTERS)]
            found.setdefault(text_of(each), letter if number < readable else None)
    return found


def _refused(why: str) -> RequestFields:
    return RequestFields(False, False, 0, b"", 1, refusal=why)


def _content(message: dict[str, object]) -> str:
    """Return the text of a message, whose content may be a list of parts."""
    content = message.get("content")
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")
