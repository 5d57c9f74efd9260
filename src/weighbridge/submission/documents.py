"""The texts of a submission tree, rendered from templates/."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    undefined=StrictUndefined,  # a template that asks for what nobody gives is a defect, not a blank
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,  # noqa: S701 - Markdown, not HTML
)


def render(template: str, **values: Any) -> str:
    """Fill a template.

    Raises:
        jinja2.UndefinedError: the template asks for a value that is not given.
    """
    return _TEMPLATES.get_template(template).render(**values)
