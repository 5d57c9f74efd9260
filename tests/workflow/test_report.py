"""The report of a workflow's run in a real browser: wide and narrow screens, light and dark colours."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser, running_browser
from driver import Answer, Workflow
from page_scripts import COLLISIONS, CONTRASTS, FILLS, SCREENS
from small_rehearsal import BEHAVIOUR, small_rehearsal

from weighbridge.records.search_record import Peak, Probe

ROOT = Path(__file__).parents[2]
SAMPLES = 400
# Half of the answers are wrong, so that gates fail and the error analysis has content.
HALF_RIGHT = BEHAVIOUR | {"right": 0.5}

FIGURES = """
return [...document.querySelectorAll('figure')].map(figure => {
  const svg = figure.querySelector('svg'), box = svg.getBoundingClientRect();
  const paths = svg.querySelectorAll('path').length, caption = figure.querySelector('figcaption').textContent;
  return [figure.id, box.width, box.height, paths, svg.getAttribute('aria-label'), caption];
});
"""
ANCHORS = """
const found = anchor => document.querySelectorAll(anchor).length;
const anchors = [...document.querySelectorAll('a')].map(each => each.getAttribute('href'));
return anchors.map(anchor => [anchor, found(anchor)]);
"""


class SmallRun:
    """A run directory of the small rehearsal, and the command that makes its report."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.results = folder / "run", folder / "run" / "results"
        self.page = self.results / "report.html"
        self._workflow = Workflow(ROOT, self.folder, base="rehearsal")
        self._changes = small_rehearsal(folder, SAMPLES, HALF_RIGHT)

    def __call__(self, *arguments: str) -> Answer:
        return self._workflow(*arguments, **self._changes)

    def write_peak(self) -> None:
        """Add the record of a peak search to the results."""
        probes = [
            Probe(
                number=number,
                kind="probe",
                full_length=number == 3,
                target_qps=rate,
                passed=p99_s < 12,
                reason="made up",
                duration_s=60,
                queries=100,
                judged=100,
                over_latency=0,
                over_latency_allowed=1,
                failed=0,
                achieved_qps=rate,
                p50_latency_s=1,
                p99_latency_s=p99_s,
                growth=None,
                cut_off=False,
                started="2026-01-01T00:00:00+00:00",
                folder="results/server/peak/1",
            )
            for number, (rate, p99_s) in enumerate([(100, 4), (130, 30), (115, 11)], start=1)
        ]
        peak = Peak(
            round="small-rehearsal",
            submittable=False,
            peak_qps=115,
            confirmed_by="results/server/peak/3",
            lowest_failed_qps=130,
            offline_qps=150,
            tolerance=0.02,
            target_latency_s=12,
            probes=tuple(probes),
        )
        (self.results / "server" / "peak.json").write_text(peak.model_dump_json())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> SmallRun:
    run = SmallRun(tmp_path_factory.mktemp("report"))
    # For a tree alone, the Server accuracy run is not made after a performance run that does not count.
    assert run("verdicts").code == 0
    answer = run("submission")
    assert "no tree is built from this" in answer.text, answer.text
    assert run.page.is_file(), "the report comes before the tree that is refused"
    run.write_peak()
    again = run("results/report.html")
    assert again.code == 0, again.text
    assert "1 of 1 steps" in again.text, "a new search remakes the report and nothing else"
    assert "Nothing to be done" in run("-n", "results/report.html").text
    return run


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as started:
        yield started


@pytest.mark.parametrize(("width", "scheme"), SCREENS)
def test_the_page_is_complete_readable_and_without_errors(
    finished: SmallRun, browser: Browser, width: int, scheme: str
) -> None:
    browser.look(finished.page, width=width, scheme=scheme)
    assert browser.complaints() == []
    assert {url.split(":")[0] for url in browser.requested()} <= {"file", "data"}
    assert browser.ask("return document.documentElement.scrollWidth") <= width
    contrasts = browser.ask(CONTRASTS)
    assert len(contrasts) > 500
    assert sum(svg for _, svg, _ in contrasts) > 100
    assert [each for each in contrasts if each[0] < 4.5] == []
    assert browser.ask(COLLISIONS) == []


def test_light_and_dark_differ_in_the_figures_too(finished: SmallRun, browser: Browser) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        browser.look(finished.page, width=390, scheme=scheme)
        grounds.append(browser.ask(FILLS))
    assert all(light != dark for light, dark in zip(*grounds, strict=True))


def test_every_chart_has_a_name_and_a_caption(finished: SmallRun, browser: Browser) -> None:
    browser.look(finished.page, width=390, scheme="light")
    figures = browser.ask(FIGURES)
    assert {name for name, *_ in figures} >= {
        "server-latency", "server-latency-cumulative", "server-latency-over-time", "offline-requests",
        "server-requests", "server-tokens", "server-token-rate", "server-queue", "server-cores", "scores",
        "probes",
    }  # fmt: skip
    for name, width, height, paths, label, caption in figures:
        assert width > 280, name
        assert height > 150, name
        assert paths > 3, name
        assert caption in label
        assert len(caption) > 20
    sizes = browser.ask("return [...document.images].map(i => [i.complete, i.naturalWidth, i.naturalHeight])")
    assert len(sizes) > 3
    assert all(complete and width and height for complete, width, height in sizes)


def test_every_anchor_leads_somewhere(finished: SmallRun, browser: Browser) -> None:
    browser.look(finished.page, width=1280, scheme="light")
    anchors = browser.ask(ANCHORS)
    assert len(anchors) > 15
    assert [each for each in anchors if each[1] != 1] == []


def test_failed_checks_are_shown_with_remedies(finished: SmallRun, browser: Browser) -> None:
    browser.look(finished.page, width=390, scheme="light")
    text = browser.ask("return document.querySelector('#verdicts').innerText")
    assert "INVALID" in text
    assert "Server: what to do" in text
    assert "f1 (accuracy)" in text
    header = browser.ask("return document.querySelector('header').innerText")
    assert "Simulated, not submittable." in header


def test_its_figures_are_files_and_in_snakemakes_own_report(finished: SmallRun, tmp_path: Path) -> None:
    files = sorted(path.name for path in (finished.results / "figures").rglob("*.png"))
    assert {"server-latency.png", "offline-requests.png", "scores.png", "probes.png"} <= set(files)
    answer = finished("results/report.html", "--report", str(tmp_path / "report.html"))
    assert answer.code == 0, answer.text
    assert set(re.findall(r"Adding (\S+\.png)", answer.text)) == set(files)
    captions = {path.stem: path.read_text().strip() for path in (ROOT / "workflow" / "report").glob("*.rst")}
    assert captions.pop("quality")  # of a measurement that was not made here: test_quality.py
    page = (tmp_path / "report.html").read_text()
    assert len(captions) == 8
    for caption in captions.values():
        assert caption.split(":")[0] in page
