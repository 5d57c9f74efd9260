"""Count the tokens of a conversation with the model's tokenizer, chat template and image sizes."""

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

_HEADER_CHARACTERS = 1 << 16  # of an image's base64 text; its size is in the first kilobytes


@dataclass(frozen=True)
class ChatTokenCounter:
    """Token counter of a chat model with images.

    Attributes:
        tokenizer: The model's tokenizer.
        template: The model's chat template.
        factor: Side in pixels of the square that becomes one token of an image.
        smallest, largest: Bounds of an image's number of pixels after resizing.
    """

    tokenizer: Tokenizer
    template: jinja2.Template
    factor: int
    smallest: int
    largest: int

    @classmethod
    def of(cls, model: Path) -> "ChatTokenCounter":
        """Return the counter of the model in a folder.

        Raises:
            InputError: the folder has no chat template.
        """
        images = _read(model / "preprocessor_config.json")
        size = images.get("size", {})
        return cls(
            tokenizer=Tokenizer.from_file(str(model / "tokenizer.json")),
            template=_environment().from_string(_template(model)),
            factor=images.get("patch_size", 16) * images.get("merge_size", 2),
            smallest=size.get("shortest_edge", 0),
            largest=size.get("longest_edge", 1 << 60),
        )

    def text(self, messages: list[dict[str, Any]]) -> str:
        """Return a conversation as text, rendered as by the server, with one placeholder per image."""
        plain = [
            {"role": message["role"], "content": [_plain(part) for part in _parts(message)]}
            if isinstance(message["content"], list)
            else message
            for message in messages
        ]
        return self.template.render(messages=plain, add_generation_prompt=True)

    def image_tokens(self, width: int, height: int) -> int:
        """Return the number of tokens of an image of this size in pixels.

        Qwen-VL resizes each side to a multiple of `factor`, keeping shape and the bounds on pixels. Source:
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
        """Return the number of tokens of each conversation, including its images."""
        encoded = self.tokenizer.encode_batch_fast(
            [self.text(messages) for messages in prompts], add_special_tokens=False
        )
        # An image's placeholder is one token, which the image's tokens replace.
        return [
            len(encoding.ids) + sum(self.image_tokens(*_size(url)) - 1 for url in _urls(messages))
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
        with Image.open(io.BytesIO(base64.b64decode(encoded[:_HEADER_CHARACTERS]))) as image:
            return image.size
    except OSError:
        with Image.open(io.BytesIO(base64.b64decode(encoded))) as image:
            return image.size


def _template(model: Path) -> str:
    file = model / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    for name in ("chat_template.json", "tokenizer_config.json"):
        template = _read(model / name).get("chat_template")
        if isinstance(template, str):
            return template
    raise InputError(f"{model}: has no chat template (chat_template.jinja); use a chat model.")


def _environment() -> jinja2.sandbox.ImmutableSandboxedEnvironment:
    """Return the environment that chat templates expect: no lines from blocks, and raise_exception."""

    def refuse(message: str) -> None:
        raise InputError(f"the model's chat template refuses a request: {message}")

    # No HTML escaping: a prompt is plain text.
    made = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, autoescape=False, extensions=["jinja2.ext.loopcontrols"]
    )
    made.globals["raise_exception"] = refuse
    made.filters["tojson"] = lambda value, **options: json.dumps(value, ensure_ascii=False, **options)
    return made


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return content
