"""Extract the prompt from the source of the official endpoints client, which formats rows in one method.

The source is read without running it. The method gives each text and column a name first: its fields are
names of the answer's JSON Schema, as rendered by pydantic, and of columns of a row.
"""

import ast
from collections.abc import Callable, Mapping
from pathlib import Path

from weighbridge.artifacts.proof import Proof
from weighbridge.benchmarks.prompt_texts import UnexpectedSourceError, proven_source, unreadable_prompt
from weighbridge.benchmarks.qwen3_vl.prompt import CLIENT_PLACEHOLDERS, Prompt
from weighbridge.benchmarks.qwen3_vl.source_texts import classes, rendered_schema, text_of, text_part

_PACKAGE = "src/inference_endpoint/dataset_manager/predefined/shopify_product_catalogue"
_PRESETS, _METADATA = f"{_PACKAGE}/presets.py", f"{_PACKAGE}/metadata.py"
_METHOD = "process_row"


def extract_from_client(client: Proof, pins: Mapping[str, str], out: Path) -> None:
    """Extract the prompt from the proven client, check it against the round's hashes, and write it.

    Raises:
        SetupError: the client has changed since it was verified, or is not structured as expected.
        InputError: the prompt is not the round's.
    """
    presets, metadata = (proven_source(client, path) for path in (_PRESETS, _METADATA))
    extract(presets, metadata).write_official(out, pins, client.folder / _PRESETS)


def extract(presets: str, metadata: str) -> Prompt:
    """Return the prompt's texts from the client's sources.

    Args:
        presets: Source of the module whose method formats a row.
        metadata: Source of the module that defines the answer's pydantic model.

    Raises:
        SetupError: a source is not structured as expected.
    """
    try:
        resolve = _resolver(ast.parse(presets))
        models = classes(ast.parse(metadata))
        system, parts = (resolve(_column(name)) for name in ("system", "prompt"))
        return Prompt(
            system=text_of(system, lambda field: rendered_schema(resolve(field), models)),
            user=text_of(resolve(text_part(parts)), lambda field: _placeholder(resolve(field))),
        )
    except (SyntaxError, UnexpectedSourceError) as error:
        raise unreadable_prompt(error) from None


def _column(name: str) -> ast.expr:
    return ast.parse(f"row[{name!r}]", mode="eval").body


def _resolver(module: ast.Module) -> Callable[[ast.expr], ast.expr]:
    """Return a function that follows what the method assigns to a name or column, as far as it goes."""
    methods = [
        node for node in ast.walk(module) if isinstance(node, ast.FunctionDef) and node.name == _METHOD
    ]
    if len(methods) != 1:
        raise UnexpectedSourceError(f"{len(methods) or 'no'} {_METHOD} formats a row")
    assigned: dict[str, list[ast.expr]] = {}
    for node in ast.walk(methods[0]):
        match node:
            case (
                ast.Assign(targets=[target], value=value)
                | ast.AnnAssign(target=target, value=ast.expr() as value)
            ):
                assigned.setdefault(ast.unparse(target), []).append(value)

    def resolve(expression: ast.expr) -> ast.expr:
        name = ast.unparse(expression)
        if name not in assigned:
            return expression
        if len(assigned[name]) > 1:
            raise UnexpectedSourceError(f"'{name}' is assigned several times")
        return resolve(assigned[name][0])

    return resolve


def _placeholder(column: ast.expr) -> str:
    """Return the placeholder of row.get(COLUMN, DEFAULT)."""
    match column:
        case ast.Call(
            func=ast.Attribute(value=ast.Name("row"), attr="get"),
            args=[ast.Constant(value=str(name)), ast.Constant()],
        ) if name in CLIENT_PLACEHOLDERS:
            return CLIENT_PLACEHOLDERS[name]
    raise UnexpectedSourceError(
        f"the user text has the field '{ast.unparse(column)}', which is no known column"
    )
