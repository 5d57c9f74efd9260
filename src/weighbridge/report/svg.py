"""A figure as SVG within a page, with the page's font and colours and ids of its own; and as a file."""

import io
import re

from markupsafe import Markup, escape
from matplotlib.figure import Figure

from weighbridge.report.colors import PALETTE

_PNG_DPI = 160
_ROLE_OF = {colour.light: role for role, colour in PALETTE.items()}
_COLOUR = re.compile("|".join(_ROLE_OF))
_BEFORE = re.compile(
    r"^.*?(?=<g )", re.DOTALL
)  # prolog, metadata, and a style that would apply to the whole page
_ID = re.compile(r'( id="|xlink:href="#|url\(#)([\w.-]+)')
_FONT = re.compile(r"; font-family: [^;\"]*|font-family: [^;\"]*; ?")
_VIEW = re.compile(r'viewBox="([^"]*)"')


def inline_svg(figure: Figure, key: str, name: str) -> Markup:
    """Write a figure as an <svg> element.

    Args:
        figure: Made within `figures.style.styled`, and written within it.
        key: Unique in the page; every id in the picture begins with it.
        name: What a screen reader says instead of the picture.
    """
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    text = stream.getvalue()
    found = _VIEW.search(text)
    assert found is not None, "matplotlib writes a viewBox"
    # Its own texts are matplotlib's: escaped, as they come from numbers and names of ours.
    body = _FONT.sub("", _BEFORE.sub("", text, count=1))
    body = _ID.sub(rf"\g<1>{key}-\g<2>", body).replace("xlink:href", "href")
    body = _COLOUR.sub(lambda match: f"var(--{_ROLE_OF[match[0]]})", re.sub(r"\s*\n\s*", " ", body))
    opening = f'<svg viewBox="{found[1]}" role="img" aria-label="{escape(name)}">'
    return Markup(opening + body)  # noqa: S704 - markup of matplotlib's


def png(figure: Figure, title: str) -> bytes:
    """Write a figure as a picture file: in the light colours, and with its title in it."""
    figure.suptitle(title, x=0.02, horizontalalignment="left", fontsize="medium", fontweight="bold")
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=_PNG_DPI, metadata={"Software": None})
    return stream.getvalue()
