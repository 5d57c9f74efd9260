"""The texts of a tree, from the files of templates/."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    undefined=StrictUndefined,  # a missing value is an error, not an empty text
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,  # noqa: S701 - Markdown, not HTML
)


def _cell(value: object) -> str:
    """Return a value as the text of a Markdown table's cell, which a bar or a line break would end."""
    return " ".join(str(value).replace("|", "\\|").split())


_TEMPLATES.filters["cell"] = _cell


def render(template: str, **values: Any) -> str:
    """Render a file of templates/.

    Raises:
        jinja2.UndefinedError: the template uses a value that is not passed.
    """
    return _TEMPLATES.get_template(template).render(**values)
