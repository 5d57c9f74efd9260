"""The report's colours: each has a role, a light value and a dark one, for page and figures alike."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Colour:
    """A role's two values, as #rrggbb; no two roles share a light value, which names them in figures."""

    light: str
    dark: str


# Ink, muted, accent, good, bad and open read on paper and on card with a contrast of 4.5 : 1 or more.
PALETTE = {
    "ink": Colour("#1c2226", "#e6e9eb"),
    "muted": Colour("#59636b", "#a3adb5"),
    "line": Colour("#d9dee2", "#343c43"),
    "paper": Colour("#fbfbfa", "#14181b"),
    "card": Colour("#ffffff", "#1b2024"),
    "accent": Colour("#0f6483", "#6cc4e4"),
    "wash": Colour("#dcebf1", "#1f3a46"),
    "good": Colour("#1d6f42", "#6fcf97"),
    "bad": Colour("#a8321f", "#ff9b87"),
    "open": Colour("#7a5600", "#e8b84a"),
}
