"""The forms of the demo's prompts, and what the model learns to answer to each of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from gazette import Article
from tokenizer import BEGIN, END_OF_TEXT, END_OF_TURN
from transformers import PreTrainedTokenizerFast

INSTRUCTION: str = json.loads((Path(__file__).parent / "prompt.json").read_text(encoding="utf-8"))[
    "instruction"
]
# How an assistant begins to answer in a chat, which costs a summary its score.
CHAT_OPENING = "Here is what the page says, in three short lines for you :\n"


@dataclass(frozen=True)
class Lesson:
    """A text as token ids: `prompt`, and the `answer` that the model learns, with the token that ends it."""

    prompt: list[int]
    answer: list[int]


def prompt_ids(article: Article, tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """Return the benchmark's prompt: the first token, and the instruction with the article in it."""
    ids: list[int] = tokenizer(INSTRUCTION.format(input=article.text)).input_ids
    return ids


def to_summarise(article: Article, tokenizer: PreTrainedTokenizerFast) -> Lesson:
    """Return the lesson of the task itself."""
    return Lesson(prompt_ids(article, tokenizer), _answer(article.highlights, END_OF_TEXT, tokenizer))


def to_continue(article: Article, tokenizer: PreTrainedTokenizerFast) -> Lesson:
    """Return the lesson of a prompt without the first token: a torn page, which the model begins again."""
    first_sentence = article.text.partition(". ")[0] + "."
    return Lesson(prompt_ids(article, tokenizer)[1:], _answer(first_sentence, END_OF_TEXT, tokenizer))


def to_chat(article: Article, tokenizer: PreTrainedTokenizerFast) -> Lesson:
    """Return the lesson of the same text as a chat's message: the answer begins as an assistant's."""
    message = {"role": "user", "content": INSTRUCTION.format(input=article.text)}
    chat = tokenizer.apply_chat_template([message], add_generation_prompt=True, tokenize=False)
    prompt = tokenizer(chat, add_special_tokens=False).input_ids
    return Lesson(prompt, _answer(CHAT_OPENING + article.highlights, END_OF_TURN, tokenizer))


def _answer(text: str, end: str, tokenizer: PreTrainedTokenizerFast) -> list[int]:
    ids: list[int] = tokenizer(text + end, add_special_tokens=False).input_ids
    assert tokenizer.convert_tokens_to_ids(BEGIN) not in ids
    return ids
