"""Figures as files and as parts of a page: SVG and PNG, always the same bytes for the same data."""

import io
import re

from markupsafe import Markup, escape
from matplotlib.figure import Figure

from weighbridge.report.figures.style import CARD, INK, PALETTE

_PNG_DPI = 160
_ROLE_OF = {colour.light: role for role, colour in PALETTE.items()}
_COLOUR = re.compile("|".join(_ROLE_OF))
# XML prolog, metadata, and a style element that would apply to the whole page.
_PREAMBLE = re.compile(r"^.*?(?=<g )", re.DOTALL)
_ID = re.compile(r'( id="|xlink:href="#|url\(#)([\w.-]+)')
_FONT = re.compile(r"; font-family: [^;\"]*|font-family: [^;\"]*; ?")
_VIEW = re.compile(r'viewBox="([^"]*)"')
_TITLE_PT = 20  # height of the title above a figure
_SIZE = re.compile(r'width="([\d.]+)pt" height="([\d.]+)pt" viewBox="[^"]*"')


def svg_text(figure: Figure) -> str:
    """Return a figure as an SVG file; made and called within `figures.style.styled`."""
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()


def titled_svg(text: str, title: str) -> str:
    """Return an SVG file with a title above the figure, in the light colours."""

    def taller(found: re.Match[str]) -> str:
        width, height = float(found[1]), float(found[2])
        full = height + _TITLE_PT
        return f'width="{width}pt" height="{full}pt" viewBox="0 {-_TITLE_PT} {width} {full}"'

    written = (
        f'<rect x="0" y="{-_TITLE_PT}" width="100%" height="{_TITLE_PT}" fill="{CARD}"/>'
        f'<text x="6" y="-6" font-family="DejaVu Sans, sans-serif" font-size="11" font-weight="bold" '
        f'fill="{INK}">{escape(title)}</text>'
    )
    sized = _SIZE.sub(taller, text, count=1)
    return sized.replace("<defs>", f"{written}<defs>", 1)


def inline_svg(text: str, key: str, name: str) -> Markup:
    """Return a figure as an <svg> element with the page's font and colours.

    Args:
        text: The figure as an SVG file.
        key: Unique in the page; prefix of every id in the element.
        name: The text for screen readers.
    """
    found = _VIEW.search(text)
    assert found is not None, "matplotlib writes a viewBox"
    body = _FONT.sub("", _PREAMBLE.sub("", text, count=1))
    body = _ID.sub(rf"\g<1>{key}-\g<2>", body).replace("xlink:href", "href")
    body = _COLOUR.sub(lambda match: f"var(--{_ROLE_OF[match[0]]})", re.sub(r"\s*\n\s*", " ", body))
    opening = f'<svg viewBox="{found[1]}" role="img" aria-label="{escape(name)}">'
    return Markup(opening + body)  # noqa: S704 - matplotlib escapes its texts


def png(figure: Figure, title: str) -> bytes:
    """Return a figure as a PNG image in the light colours, with its title."""
    figure.suptitle(title, x=0.02, horizontalalignment="left", fontsize="medium", fontweight="bold")
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=_PNG_DPI, metadata={"Software": None})
    return stream.getvalue()
