"""Names and paths that are longer than a table's column: short in the table, and whole on a line below it."""

from collections.abc import Iterable, Mapping

from rich.text import Text


def short_names(names: Iterable[str], kind: str, longest: int) -> dict[str, str]:
    """Return a short name of each, such as 'run 1'; nothing where all of them fit.

    Args:
        names: The names, in the table's order; a name may come more than once.
        kind: What they are names of.
        longest: Characters that the column has room for.
    """
    known = list(dict.fromkeys(names))
    if max(map(len, known), default=0) <= longest:
        return {}
    return {name: f"{kind} {number}" for number, name in enumerate(known, 1)}


def whole_lines(short: Mapping[str, str]) -> list[Text]:
    """Return the lines below a table that say what the short names stand for."""
    return [whole_line(f"{number}: {name}") for name, number in short.items()]


def whole_line(text: str) -> Text:
    """Return a line with a path for a terminal, which alone may break it."""
    return Text(text, no_wrap=True, overflow="ignore")
