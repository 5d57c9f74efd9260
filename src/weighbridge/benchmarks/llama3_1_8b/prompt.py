"""The instruction that an article is put into: the check of its hash, and its extraction from the reference.

This project contains the instruction's hash but not its text, which is a constant of the reference's script
that downloads the dataset. The script is read without running it.
"""

import ast
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from weighbridge.artifacts.proof import Proof
from weighbridge.benchmarks.prompt_texts import (
    UnexpectedSourceError,
    proven_source,
    require_texts,
    unreadable_prompt,
)
from weighbridge.core.errors import InputError
from weighbridge.core.files import write_atomic
from weighbridge.core.models import Model

_SOURCE = "language/llama3.1-8b/download_cnndm.py"
_CONSTANT, _KEY = "instruction_template", "llama"
PLACEHOLDER = "{input}"


class Instruction(Model):
    """The text around an article, with a placeholder for it."""

    instruction: str

    @classmethod
    def of_file(cls, path: Path) -> "Instruction":
        """Read a prompt file.

        Raises:
            InputError: the file is missing or no prompt, or its text has not one placeholder.
        """
        found = cls.read(path)
        if found.instruction.count(PLACEHOLDER) != 1:
            raise InputError(f"{path}: the instruction needs the placeholder {PLACEHOLDER} once; correct it.")
        return found

    def around(self, article: str) -> str:
        """Return the text of a prompt: the article as it is, blanks included, in its place."""
        before, _, after = self.instruction.partition(PLACEHOLDER)
        return before + article + after

    def require(self, pins: Mapping[str, str], origin: object) -> None:
        """Check that the text has the round's hash; `origin` names its source in errors.

        Raises:
            InputError: it differs, or the round does not pin it.
        """
        require_texts({"instruction": ("instruction", self.instruction)}, pins, origin)


def extract_official(reference: Proof, pins: Mapping[str, str], out: Path) -> Instruction:
    """Extract the instruction from a verified reference, check it against the round's hash, and write it.

    Raises:
        SetupError: the reference has changed since it was verified, or is not structured as expected.
        InputError: the instruction is not the round's.
    """
    instruction = extract(proven_source(reference, _SOURCE))
    instruction.require(pins, reference.folder / _SOURCE)
    write_atomic(out, json.dumps(instruction.model_dump(), ensure_ascii=False, indent=1) + "\n")
    return instruction


def extract(source: str) -> Instruction:
    """Return the instruction from the source of the reference's script.

    Raises:
        SetupError: the source is not structured as expected.
    """
    try:
        templates = _constant(ast.parse(source))
        if not isinstance(templates, dict) or not isinstance(templates.get(_KEY), str):
            raise UnexpectedSourceError(f"{_CONSTANT} has no text '{_KEY}'")
        return Instruction(instruction=templates[_KEY])
    except (SyntaxError, ValueError, UnexpectedSourceError) as error:
        raise unreadable_prompt(error) from None


def _constant(module: ast.Module) -> Any:
    for statement in module.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name == _CONSTANT:
                return ast.literal_eval(value)
    raise UnexpectedSourceError(f"no constant {_CONSTANT}")
