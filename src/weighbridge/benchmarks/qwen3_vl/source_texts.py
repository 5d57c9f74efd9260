"""Texts of a Python source that is read and never run: strings, f-strings, and schemas of pydantic models."""

import ast
import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from weighbridge.benchmarks.prompt_texts import UnexpectedSourceError

_TYPES: dict[str, type] = {"str": str, "bool": bool, "int": int, "float": float}


def text_of(node: ast.expr, fill: Callable[[ast.expr], str]) -> str:
    """Return the text of a string or f-string; `fill` returns the text of each plain field."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.FormattedValue) and node.conversion == -1 and node.format_spec is None:
        return fill(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part, fill) for part in node.values)
    raise UnexpectedSourceError(f"'{ast.unparse(node)}' is not text with plain fields")


def rendered_schema(field: ast.expr, models: Mapping[str, ast.ClassDef]) -> str:
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
    """Return a pydantic model whose JSON Schema equals that of the one in the source."""
    fields: dict[str, Any] = {}
    config = _config(model, models)
    documented = config.get("use_attribute_docstrings") == "True"
    for statement, following in zip(model.body, [*model.body[1:], None], strict=True):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            kind = _TYPES.get(ast.unparse(statement.annotation))
            if kind is None or statement.value is not None:
                raise UnexpectedSourceError(f"'{ast.unparse(statement)}' is no plain field")
            description = _docstring(following) if documented else None
            fields[statement.target.id] = (kind, Field(description=description))
    forbids = config.get("extra") == "'forbid'"
    made: type[BaseModel] = create_model(
        model.name,
        __config__=ConfigDict(extra="forbid") if forbids else ConfigDict(),
        __doc__=_class_docstring(model),
        **fields,
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


def _config(model: ast.ClassDef, models: Mapping[str, ast.ClassDef]) -> dict[str, str]:
    """Return the source of each argument of a class's ConfigDict, with those of its bases in the module."""
    found: dict[str, str] = {}
    for base in reversed(model.bases):
        if isinstance(base, ast.Name) and base.id in models:
            found |= _config(models[base.id], models)
    for statement in model.body:
        match statement:
            case ast.Assign(targets=[ast.Name("model_config")], value=ast.Call(keywords=keywords)):
                found |= {str(keyword.arg): ast.unparse(keyword.value) for keyword in keywords}
    return found


def classes(module: ast.Module) -> dict[str, ast.ClassDef]:
    """Return the classes of a module by name."""
    return {node.name: node for node in module.body if isinstance(node, ast.ClassDef)}


def text_part(content: ast.expr) -> ast.expr:
    """Return the text part of a message that consists of parts."""
    for keys in map(by_key, ast.walk(content)):
        if isinstance(kind := keys.get("type"), ast.Constant) and kind.value == "text" and "text" in keys:
            return keys["text"]
    raise UnexpectedSourceError("the user message has no part of type text")


def by_key(node: ast.AST) -> dict[Any, ast.expr]:
    """Return the values of a dictionary display by constant key; an empty dictionary for other nodes."""
    if not isinstance(node, ast.Dict):
        return {}
    return {
        key.value: value
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant)
    }
