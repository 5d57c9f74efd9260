"""How many tokens a conversation has, counted with the model's own tokenizer, template and picture sizes."""

import base64
import io
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2.sandbox
from PIL import Image
from tokenizers import Tokenizer

from weighbridge.core.errors import InputError

_HEADER_CHARACTERS = 1 << 16  # of a picture's base64: its size stands in its first kilobytes


@dataclass(frozen=True)
class ChatTokenCounter:
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
    def of(cls, model: Path) -> "ChatTokenCounter":
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

    def count(self, prompts: Sequence[list[dict[str, Any]]]) -> list[int]:
        """Return the number of tokens of each conversation, its pictures included."""
        encoded = self.tokenizer.encode_batch_fast(
            [self.text(messages) for messages in prompts], add_special_tokens=False
        )
        # A picture's placeholder is one token, in whose place its own tokens stand.
        return [
            len(encoding.ids) + sum(self.picture(*_size(url)) - 1 for url in _urls(messages))
            for messages, encoding in zip(prompts, encoded, strict=True)
        ]


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
