"""The prompt: its fixed texts, the check of their hashes, and their extraction from the reference's source.

The source is read without running it. This project contains the prompt's hashes but not its text. The
reference builds its two messages as f-strings in one method; their fields are the answer's JSON Schema, as
rendered by pydantic, and columns of a sample.
"""

import ast
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model

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

_PACKAGE = "multimodal/qwen3-vl/src/mlperf_inf_mm_q3vl"
_TASK, _SCHEMA = f"{_PACKAGE}/task.py", f"{_PACKAGE}/schema.py"
_METHOD = "formulate_loaded_sample"
_PLACEHOLDERS = {
    "product_title": "@TITLE@",
    "product_description": "@DESC@",
    "potential_product_categories": "@CATS@",
}
_TYPES: dict[str, type] = {"str": str, "bool": bool, "int": int, "float": float}


class Prompt(Model):
    """System message, and user text with placeholders for a sample's values."""

    system: str
    user: str

    def answer_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of answers that the system message states, with its keys in their order.

        Raises:
            InputError: the system message has no schema of an object, or several.
        """
        found = [value for value in _json_objects(self.system) if "properties" in value]
        if len(found) != 1:
            raise InputError(
                f"the prompt's system message has {len(found) or 'no'} JSON schema{'s' if found else ''} of "
                "answers, but guided decoding needs one; set requests.guided_decoding to false, or use "
                "another prompt."
            )
        return found[0]

    def require(self, pins: Mapping[str, str], origin: object) -> None:
        """Check that both texts have the round's hashes; `origin` names their source in errors.

        Raises:
            InputError: a text differs or the round does not pin it; the message names the text.
        """
        texts = {"system": ("system message", self.system), "user": ("user text", self.user)}
        require_texts(texts, pins, origin)


def _json_objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield the outermost JSON objects within a text."""
    decoder, start = json.JSONDecoder(), text.find("{")
    while start >= 0:
        try:
            value, end = decoder.raw_decode(text, start)
        except json.JSONDecodeError:
            end = start + 1
        else:
            yield value
        start = text.find("{", end)


def extract_official(reference: Proof, pins: Mapping[str, str], out: Path) -> Prompt:
    """Extract the prompt from a verified reference, check it against the round's hashes, and write it.

    Raises:
        SetupError: the reference has changed since it was verified, or is not structured as expected.
        InputError: the prompt is not the round's.
    """
    task, schema = (proven_source(reference, path) for path in (_TASK, _SCHEMA))
    prompt = extract(task, schema, _PLACEHOLDERS)
    prompt.require(pins, reference.folder / _TASK)
    write_atomic(out, json.dumps(prompt.model_dump(), ensure_ascii=False, indent=1) + "\n")
    return prompt


def extract(task: str, schema: str, placeholders: Mapping[str, str]) -> Prompt:
    """Return the prompt's texts from the reference's sources.

    Args:
        task: Source of the module whose method builds the messages.
        schema: Source of the module that defines the answer's pydantic model.
        placeholders: Column of a sample -> placeholder in the user text.

    Raises:
        SetupError: a source is not structured as expected.
    """
    try:
        messages = _messages(ast.parse(task))
        models = _classes(ast.parse(schema))
        return Prompt(
            system=_text(messages["system"], lambda field: _rendered_schema(field, models)),
            user=_text(_text_part(messages["user"]), lambda field: _placeholder(field, placeholders)),
        )
    except (SyntaxError, UnexpectedSourceError) as error:
        raise unreadable_prompt(error) from None


def _messages(module: ast.Module) -> dict[str, ast.expr]:
    """Return the contents of the system and the user message by role, from the method that builds them."""
    for method in ast.walk(module):
        if isinstance(method, ast.FunctionDef) and method.name == _METHOD:
            found = {
                str(role.value): content
                for keys in map(_by_key, ast.walk(method))
                if isinstance(role := keys.get("role"), ast.Constant) and (content := keys.get("content"))
            }
            if found.keys() >= {"system", "user"}:
                return found
    raise UnexpectedSourceError(f"no {_METHOD} builds a system and a user message")


def _text_part(content: ast.expr) -> ast.expr:
    """Return the text part of a message that consists of parts."""
    for keys in map(_by_key, ast.walk(content)):
        if isinstance(kind := keys.get("type"), ast.Constant) and kind.value == "text" and "text" in keys:
            return keys["text"]
    raise UnexpectedSourceError("the user message has no part of type text")


def _by_key(node: ast.AST) -> dict[Any, ast.expr]:
    """Return the values of a dictionary display by constant key; an empty dictionary for other nodes."""
    if not isinstance(node, ast.Dict):
        return {}
    return {
        key.value: value
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant)
    }


def _text(node: ast.expr, fill: Callable[[ast.expr], str]) -> str:
    """Return the text of a string or f-string; `fill` returns the text of each plain field."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.FormattedValue) and node.conversion == -1 and node.format_spec is None:
        return fill(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part, fill) for part in node.values)
    raise UnexpectedSourceError(f"'{ast.unparse(node)}' is not text with plain fields")


def _placeholder(field: ast.expr, placeholders: Mapping[str, str]) -> str:
    match field:
        case ast.Subscript(value=ast.Name(), slice=ast.Constant(value=str(column))) if column in placeholders:
            return placeholders[column]
    raise UnexpectedSourceError(
        f"the user text has the field '{ast.unparse(field)}', which is no known column"
    )


def _rendered_schema(field: ast.expr, models: Mapping[str, ast.ClassDef]) -> str:
    """Return the value of json.dumps(MODEL.model_json_schema(), indent=N)."""
    match field:
        case ast.Call(
            func=ast.Attribute(value=ast.Name("json"), attr="dumps"),
            args=[ast.Call(func=ast.Attribute(value=ast.Name(model), attr="model_json_schema"), args=[])],
            keywords=[ast.keyword(arg="indent", value=ast.Constant(value=int(indent)))],
        ) if model in models:
            return json.dumps(_rebuilt(models[model], models).model_json_schema(), indent=indent)
    raise UnexpectedSourceError(
        f"the system message has the field '{ast.unparse(field)}', which is no schema"
    )


def _rebuilt(model: ast.ClassDef, models: Mapping[str, ast.ClassDef]) -> type[BaseModel]:
    """Return a pydantic model equal to the one in the source, with attribute docstrings as descriptions."""
    fields: dict[str, Any] = {}
    for statement, following in zip(model.body, [*model.body[1:], None], strict=True):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            kind = _TYPES.get(ast.unparse(statement.annotation))
            if kind is None or statement.value is not None:
                raise UnexpectedSourceError(f"'{ast.unparse(statement)}' is no plain field")
            fields[statement.target.id] = (kind, Field(description=_docstring(following)))
    forbids = _forbids_extra_keys(model, models)
    config = ConfigDict(extra="forbid") if forbids else ConfigDict()
    made: type[BaseModel] = create_model(
        model.name, __config__=config, __doc__=_class_docstring(model), **fields
    )
    return made


def _class_docstring(model: ast.ClassDef) -> str | None:
    """Return a class's docstring as at run time; pydantic cleans it and leaves out an empty one.

    A docstring of blanks is not empty before it is cleaned; since Python 3.13 the compiler cleans it first.
    """
    written = ast.get_docstring(model, clean=False)
    return None if written is None else compile(ascii(written), model.name, "exec").co_consts[0]


def _docstring(statement: ast.stmt | None) -> str | None:
    match statement:
        case ast.Expr(value=ast.Constant(value=str(text))):
            return inspect.cleandoc(text)
    return None


def _forbids_extra_keys(model: ast.ClassDef, models: Mapping[str, ast.ClassDef]) -> bool:
    """Return whether a class, or one of its bases in the module, sets ConfigDict(extra="forbid")."""
    for statement in model.body:
        match statement:
            case ast.Assign(targets=[ast.Name("model_config")], value=ast.Call(keywords=keywords)):
                return any(
                    keyword.arg == "extra" and ast.unparse(keyword.value) == "'forbid'"
                    for keyword in keywords
                )
    return any(
        _forbids_extra_keys(models[base.id], models)
        for base in model.bases
        if isinstance(base, ast.Name) and base.id in models
    )


def _classes(module: ast.Module) -> dict[str, ast.ClassDef]:
    return {node.name: node for node in module.body if isinstance(node, ast.ClassDef)}
