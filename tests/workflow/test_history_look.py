"""The index of results in a real browser: few results and many, wide and narrow, light and dark."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser, running_browser
from page_scripts import COLLISIONS, CONTRASTS, FILLS, SCREENS
from written_history import DEMONSTRATION, comparison, night

from weighbridge.report.history_page import write_history

STEADY = (48.31, 48.02, 48.55, 48.17)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Pages by the number of nights; the last of each is worse, with long values of settings."""
    folder = tmp_path_factory.mktemp("history")
    for nights in (1, 45):
        runs = folder / str(nights)
        changed = {"server.args.--override-generation-config": "x" * 200, "pins.model": "0a" * 32}
        entries = [night(runs, number, STEADY[number % 4]) for number in range(nights)]
        entries += [comparison(runs, nights - 1, [1.1] * 9), comparison(runs, nights, [1.1, 1.0])]
        entries.append(night(runs, nights + 1, 41.0, settings=changed, note=DEMONSTRATION, system="0.13.0"))
        write_history(entries, runs / "index")
    return {nights: folder / str(nights) / "index" / "index.html" for nights in (1, 45)}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as started:
        yield started


@pytest.mark.parametrize("nights", [1, 45])
@pytest.mark.parametrize(("width", "scheme"), SCREENS)
def test_the_index_is_readable_and_without_errors(
    pages: dict[int, Path], browser: Browser, nights: int, width: int, scheme: str
) -> None:
    browser.look(pages[nights], width=width, scheme=scheme)
    assert browser.complaints() == []
    assert {url.split(":")[0] for url in browser.requested()} <= {"file", "data"}
    assert browser.ask("return document.documentElement.scrollWidth") <= width
    contrasts = browser.ask(CONTRASTS)
    assert len(contrasts) > 100
    assert [each for each in contrasts if each[0] < 4.5] == []
    assert browser.ask(COLLISIONS) == []


def test_light_and_dark_differ_in_the_charts_too(pages: dict[int, Path], browser: Browser) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        browser.look(pages[45], width=390, scheme=scheme)
        grounds.append(browser.ask(FILLS))
    assert all(light != dark for light, dark in zip(*grounds, strict=True))
