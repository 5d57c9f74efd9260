"""Answers kept as lines of JSON, such as {"sample": 7, "text": "..."}: read and written."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np

from weighbridge.core.errors import InputError
from weighbridge.core.files import open_regular, write_atomic

_TokenId = Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]


class KeptAnswer(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The answer to a sample: its text, or its token ids."""

    sample: int
    text: str | None = None
    tokens: list[_TokenId] | None = None

    @property
    def payload(self) -> bytes:
        """The answer as a driver gets it."""
        ids = np.array(self.tokens or (), dtype="<i4")
        return ids.tobytes() if self.text is None else self.text.encode()


def read_kept_answers(path: Path, samples: int) -> list[KeptAnswer]:
    """Read the answers of a file, in its order.

    Raises:
        InputError: it is missing or damaged, or a sample is none of the round's.
    """
    try:
        with open_regular(path) as stream:
            answers = msgspec.json.Decoder(KeptAnswer).decode_lines(stream.read())
    except (OSError, msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise InputError(
            f"{path}: damaged ({str(error).rstrip('.')}); restore it, or repeat the run."
        ) from None
    outside = [each.sample for each in answers if not 0 <= each.sample < samples]
    if outside:
        raise InputError(f"{path}: has an answer to sample {outside[0]}, which the round does not have.")
    for each in answers:
        if (each.text is None) == (each.tokens is None):
            raise InputError(
                f"{path}: damaged (sample {each.sample} has not one of text and tokens); restore it."
            )
    return answers


def write_kept_answers(path: Path, answers: Iterable[tuple[int, str]]) -> None:
    """Write the texts of answers with their samples' numbers.

    Raises:
        OSError: the disk takes no more.
    """
    lines = (msgspec.json.encode(KeptAnswer(sample, text)) for sample, text in answers)
    write_atomic(path, b"".join(line + b"\n" for line in lines), private=True)
