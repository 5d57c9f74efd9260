"""Extract the prompt from the reference's source, which builds its two messages as f-strings in one method.

The source is read without running it. The f-strings' fields are the answer's JSON Schema, as rendered by
pydantic, and columns of a sample.
"""

import ast
from collections.abc import Mapping
from pathlib import Path

from weighbridge.artifacts.proof import Proof
from weighbridge.benchmarks.prompt_texts import UnexpectedSourceError, proven_source, unreadable_prompt
from weighbridge.benchmarks.qwen3_vl.prompt import PLACEHOLDERS, Prompt
from weighbridge.benchmarks.qwen3_vl.source_texts import (
    by_key,
    classes,
    rendered_schema,
    text_of,
    text_part,
)

_PACKAGE = "multimodal/qwen3-vl/src/mlperf_inf_mm_q3vl"
_TASK, _SCHEMA = f"{_PACKAGE}/task.py", f"{_PACKAGE}/schema.py"
_METHOD = "formulate_loaded_sample"


def extract_official(reference: Proof, pins: Mapping[str, str], out: Path) -> Prompt:
    """Extract the prompt from a verified reference, check it against the round's hashes, and write it.

    Raises:
        SetupError: the reference has changed since it was verified, or is not structured as expected.
        InputError: the prompt is not the round's.
    """
    task, schema = (proven_source(reference, path) for path in (_TASK, _SCHEMA))
    prompt = extract(task, schema)
    prompt.write_official(out, pins, reference.folder / _TASK)
    return prompt


def extract(task: str, schema: str) -> Prompt:
    """Return the prompt's texts from the reference's sources.

    Args:
        task: Source of the module whose method builds the messages.
        schema: Source of the module that defines the answer's pydantic model.

    Raises:
        SetupError: a source is not structured as expected.
    """
    try:
        messages = _messages(ast.parse(task))
        models = classes(ast.parse(schema))
        return Prompt(
            system=text_of(messages["system"], lambda field: rendered_schema(field, models)),
            user=text_of(text_part(messages["user"]), _placeholder),
        )
    except (SyntaxError, UnexpectedSourceError) as error:
        raise unreadable_prompt(error) from None


def _messages(module: ast.Module) -> dict[str, ast.expr]:
    """Return the contents of the system and the user message by role, from the method that builds them."""
    for method in ast.walk(module):
        if isinstance(method, ast.FunctionDef) and method.name == _METHOD:
            found = {
                str(role.value): content
                for keys in map(by_key, ast.walk(method))
                if isinstance(role := keys.get("role"), ast.Constant) and (content := keys.get("content"))
            }
            if found.keys() >= {"system", "user"}:
                return found
    raise UnexpectedSourceError(f"no {_METHOD} builds a system and a user message")


def _placeholder(field: ast.expr) -> str:
    match field:
        case ast.Subscript(value=ast.Name(), slice=ast.Constant(value=str(column))) if column in PLACEHOLDERS:
            return PLACEHOLDERS[column]
    raise UnexpectedSourceError(
        f"the user text has the field '{ast.unparse(field)}', which is no known column"
    )
