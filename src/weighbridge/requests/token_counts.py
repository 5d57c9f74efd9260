"""How many tokens each prompt has, counted with the model's own tokenizer, template and picture sizes.

A prompt that is longer than the server admits fails its request, and with it the run. Counting takes a minute
on CPUs; to find it out on GPUs takes their hours.
"""

import base64
import io
import json
import logging
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2.sandbox
import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tokenizers import Tokenizer

from weighbridge.config.settings import ServerSettings
from weighbridge.core.errors import InputError
from weighbridge.core.models import Model
from weighbridge.requests.store import RequestStore

log = logging.getLogger(__name__)

# What an answer needs beside its prompt: the benchmark's have some 30 tokens, 150 at most.
ANSWER_TOKENS = 150
_BATCH = 256
_NAMED = 5
_HEADER_CHARACTERS = 1 << 16  # of a picture's base64: its size stands in its first kilobytes
_UNITS = {"k": 10**3, "K": 2**10, "m": 10**6, "M": 2**20}


class Prompt(Model):
    """One prompt."""

    sample: int
    tokens: int


class PromptTokens(Model):
    """The lengths of a store's prompts, in tokens."""

    count: int
    mean: float
    p50: int
    p99: int
    longest: tuple[Prompt, ...]
    limit: int | None
    """What the server admits, prompt and answer together; null where nothing says it."""


def check_lengths(store: Path, model: Path, server: ServerSettings) -> PromptTokens | None:
    """Count all prompts of a store, and refuse those that would not fit.

    Args:
        store: Folder of the request store.
        model: Folder of the model.
        server: The server's settings, whose --max-model-len is the limit; without it the model's own is.

    Returns:
        None where the model's folder holds no tokenizer.json.

    Raises:
        InputError: prompts are longer than the server admits; names them and a limit that would do.
    """
    if not (model / "tokenizer.json").is_file():
        log.warning("%s has no tokenizer.json, so the prompts' lengths are not checked", model)
        return None
    tokens = count(RequestStore.open(store), Counter.of(model))
    order = np.argsort(-tokens, kind="stable")[:_NAMED]
    found = PromptTokens(
        count=len(tokens),
        mean=float(tokens.mean()),
        p50=int(np.percentile(tokens, 50, method="higher")),
        p99=int(np.percentile(tokens, 99, method="higher")),
        longest=tuple(Prompt(sample=int(sample), tokens=int(tokens[sample])) for sample in order),
        limit=_limit(server, model),
    )
    log.info("prompts have %.0f tokens on average, %d at most", found.mean, found.longest[0].tokens)
    if found.limit is not None:
        _refuse_what_does_not_fit(found, tokens, found.limit)
    return found


def _refuse_what_does_not_fit(found: PromptTokens, tokens: NDArray[np.int64], limit: int) -> None:
    too_long = int((tokens + ANSWER_TOKENS > limit).sum())
    if too_long:
        named = ", ".join(f"sample {it.sample} ({it.tokens} tokens)" for it in found.longest[:too_long])
        raise InputError(
            f"{too_long} of {found.count} prompts do not fit into the server's {limit} tokens together with "
            f"{ANSWER_TOKENS} for an answer: {named}{', ...' if too_long > _NAMED else ''}; set "
            f"--max-model-len={found.longest[0].tokens + ANSWER_TOKENS} or more in server.args."
        )


def _limit(server: ServerSettings, model: Path) -> int | None:
    for argument in server.args:
        name, _, value = argument.partition("=")
        number = re.fullmatch(r"(\d+(?:\.\d+)?)([kKmM]?)", value)
        if name.replace("_", "-") == "--max-model-len" and number:
            return int(float(number[1]) * _UNITS.get(number[2], 1))
    config = _read(model / "config.json")
    limit = config.get("text_config", config).get("max_position_embeddings")
    return None if limit is None else int(limit)


@dataclass(frozen=True)
class Counter:
    """What turns a request into a number of tokens.

    Attributes:
        tokenizer: The model's.
        template: Its chat template.
        factor: Pixels along one side of what becomes one token of a picture.
        smallest, largest: Pixels that a picture is resized to have, at least and at most.
    """

    tokenizer: Tokenizer
    template: jinja2.Template
    factor: int
    smallest: int
    largest: int

    @classmethod
    def of(cls, model: Path) -> "Counter":
        """Read a model's folder."""
        pictures = _read(model / "preprocessor_config.json")
        size = pictures.get("size", {})
        return cls(
            tokenizer=Tokenizer.from_file(str(model / "tokenizer.json")),
            template=_environment().from_string(_template(model)),
            factor=pictures.get("patch_size", 16) * pictures.get("merge_size", 2),
            smallest=size.get("shortest_edge", 0),
            largest=size.get("longest_edge", 1 << 60),
        )

    def text(self, messages: list[dict[str, Any]]) -> str:
        """Write a conversation as the server writes it, one placeholder a picture."""
        plain = [
            {"role": message["role"], "content": [_plain(part) for part in _parts(message)]}
            if isinstance(message["content"], list)
            else message
            for message in messages
        ]
        return self.template.render(messages=plain, add_generation_prompt=True)

    def picture(self, width: int, height: int) -> int:
        """Count the tokens of a picture.

        Qwen-VL resizes each side to a multiple of `factor`, keeping shape and the bounds on pixels; source:
        smart_resize of Qwen2VLImageProcessor in transformers 4.57.
        """
        across, down = (round(side / self.factor) * self.factor for side in (width, height))
        if across * down > self.largest:
            shrink = math.sqrt(width * height / self.largest)
            across, down = (
                max(self.factor, math.floor(side / shrink / self.factor) * self.factor)
                for side in (width, height)
            )
        elif across * down < self.smallest:
            grow = math.sqrt(self.smallest / (width * height))
            across, down = (math.ceil(side * grow / self.factor) * self.factor for side in (width, height))
        return across * down // self.factor**2


def count(store: RequestStore, counter: Counter) -> NDArray[np.int64]:
    """Count the tokens of every prompt.

    Returns:
        Their numbers, in the order of the samples.
    """
    tokens = np.empty(len(store), dtype=np.int64)
    for start in range(0, len(store), _BATCH):
        indices = range(start, min(start + _BATCH, len(store)))
        requests = [msgspec.json.decode(store.body(index))["messages"] for index in indices]
        encoded = counter.tokenizer.encode_batch_fast(
            [counter.text(messages) for messages in requests], add_special_tokens=False
        )
        for index, messages, encoding in zip(indices, requests, encoded, strict=True):
            # A picture's placeholder is one token, in whose place its own tokens stand.
            pictures = sum(counter.picture(*_size(url)) - 1 for url in _urls(messages))
            tokens[index] = len(encoding.ids) + pictures
    return tokens


def _parts(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message["content"]
    return content if isinstance(content, list) else []


def _plain(part: dict[str, Any]) -> dict[str, Any]:
    return {"type": "image"} if part["type"] == "image_url" else part


def _urls(messages: list[dict[str, Any]]) -> Iterator[str]:
    for message in messages:
        for part in _parts(message):
            if part["type"] == "image_url":
                yield part["image_url"]["url"]


def _size(url: str) -> tuple[int, int]:
    encoded = url.partition(",")[2]
    try:
        with Image.open(io.BytesIO(base64.b64decode(encoded[:_HEADER_CHARACTERS]))) as picture:
            return picture.size
    except OSError:
        with Image.open(io.BytesIO(base64.b64decode(encoded))) as picture:
            return picture.size


def _template(model: Path) -> str:
    file = model / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    for name in ("chat_template.json", "tokenizer_config.json"):
        template = _read(model / name).get("chat_template")
        if isinstance(template, str):
            return template
    raise InputError(f"{model}: has no chat template (chat_template.jinja); this is not a model that chats.")


def _environment() -> jinja2.sandbox.ImmutableSandboxedEnvironment:
    """Make what chat templates are written for: blocks leave no line behind, and a template may refuse."""

    def refuse(message: str) -> None:
        raise InputError(f"the model's chat template refuses a request: {message}")

    # Not HTML: a prompt is plain text, and must reach the model as it is.
    made = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, autoescape=False, extensions=["jinja2.ext.loopcontrols"]
    )
    made.globals["raise_exception"] = refuse
    made.filters["tojson"] = lambda value, **options: json.dumps(value, ensure_ascii=False, **options)
    return made


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return content
