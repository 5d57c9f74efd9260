"""The index of a history: what it names first, its digits, its links; with few entries and with many."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from history_entries import history_entry, score, speed
from written_history import DEMONSTRATION, comparison, night

from weighbridge.history.change_words import change_words
from weighbridge.history.changes import Change, ChangeNoise, NoiseSource
from weighbridge.history.history_values import change_text, measure_text, noise_text, sourced_noise
from weighbridge.history.read_history import RecordedEntry
from weighbridge.history.series import Series, SeriesPoint
from weighbridge.records.history_entry import HistoryMeasure
from weighbridge.records.notice import DEMONSTRATION as HEADING
from weighbridge.report.history_page import write_history
from weighbridge.report.history_rows import benchmark_of, place_names

ENTRY = RecordedEntry(history_entry(0), Path(), Path())
STEADY = (48.31, 48.02, 48.55, 48.17)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def written(runs: Path, entries: list[RecordedEntry]) -> tuple[str, str]:
    """Write the index; return index.md and index.html."""
    folder = runs / "night-000" / "results"
    write_history(entries, folder)
    return (folder / "index.md").read_text(), (folder / "index.html").read_text()


def steady_nights(runs: Path) -> list[RecordedEntry]:
    return [night(runs, number, rate) for number, rate in enumerate(STEADY)]


def changed(before: HistoryMeasure, after: HistoryMeasure, half_width: float | None) -> Change:
    """Return a change between two values, whose noise is known from 4 repeats or not at all."""
    points = tuple(SeriesPoint(ENTRY, each) for each in (before, after))
    noise = None if half_width is None else ChangeNoise(half_width, NoiseSource.REPEATS, 4)
    return Change(Series(points), *points, noise)


@pytest.mark.parametrize(
    ("given", "noise", "text"),
    [
        (speed(88.4512, low=88.08, high=88.82), 0, "88.45 samples/s [88.08, 88.82]"),
        (speed(13368.0, low=13250.4, high=13490.1), 0, "13,370 samples/s [13,250, 13,490]"),
        (score(0.784651, low=0.7802, high=0.7891), 0, "0.7847 [0.7802, 0.7891]"),
        (speed(48.3142), 0, "48.3 samples/s"),
        (speed(48.3142), 0.096, "48.314 samples/s"),
        (speed(0.20123, unit="s"), 0, "201 ms"),
        (speed(0.20123, unit="s"), 0.01, "201 ms"),
        (speed(12.3456, unit="s"), 0, "12.3 s"),
        (score(0.0), 0, "0"),
        (speed(1.0, unit="x", low=1.0, high=1.0), 0, "1.00 x [1.00, 1.00]"),
    ],
)
def test_a_figure_has_the_digits_that_its_noise_supports(
    given: HistoryMeasure, noise: float, text: str
) -> None:
    assert measure_text(given, noise) == text


@pytest.mark.parametrize(
    ("before", "after", "half_width", "texts"),
    [
        (48.0, 42.1, 1.5, ("-12.3 %", "3.1 %, 4 repeats")),
        (48.0, 47.9, 1.5, ("-0.2 %", "3.1 %, 4 repeats")),
        (48.0, 49.5, 0.19, ("+3.12 %", "0.40 %, 4 repeats")),
        (48.0, 42.1, None, ("-12 %", "not known")),
        (0.0, 1.0, 0.5, ("–", "–")),  # noqa: RUF001
    ],
)
def test_a_change_of_a_speed_is_rounded_to_its_noise(
    before: float, after: float, half_width: float | None, texts: tuple[str, str]
) -> None:
    change = changed(speed(before), speed(after), half_width)
    assert (change_text(change), sourced_noise(change)) == texts


def test_a_change_of_a_score_is_in_its_unit() -> None:
    old, new = score(0.6843), score(0.6712)
    assert change_text(changed(old, new, 0.0052)) == "-0.0131"
    assert change_text(changed(old, new, None)) == "-0.013"
    assert noise_text(changed(old, new, 0.0052)) == "0.0052"


def test_a_small_change_of_what_never_differed_shows_in_both_figures() -> None:
    change = changed(score(0.79), score(0.788), 0.0)
    assert change_words(change).startswith("offline: F1 0.7900, then 0.7880: -0.0020 (noise 0, 4 repeats)")


def test_a_regression_is_the_first_thing_that_is_said(runs: Path) -> None:
    changed = {"server.args.--max-num-seqs": "256"}
    entries = [*steady_nights(runs), night(runs, 4, 42.1, settings=changed, note=DEMONSTRATION)]
    text, page = written(runs, entries)
    for form in (text, page):
        assert "Offline, toy v1: rate changed by -12.6 %, for the worse, and so did 1 more figure." in form
        assert form.index("Regressions") < form.index("42.1 samples/s")
        assert "1 of 5 results: Demonstration, not submittable. Do not cite these numbers." in form
        assert "night-003, 2026-11-04 09:00 → night-004, 2026-11-05 09:00" in form
    assert "`server.args.--max-num-seqs`: 512 → 256" in text
    assert "<code>server.args.--max-num-seqs</code>: 512 → 256" in page
    worse = text.partition("## Regressions")[2].partition("## Results")[0]
    assert "rate 48." in worse
    assert "latency p99" in worse
    assert "F1" not in worse


def test_a_regression_that_a_later_result_made_good_is_no_headline(runs: Path) -> None:
    entries = [*steady_nights(runs), night(runs, 4, 42.1), night(runs, 5, 48.2)]
    text, page = written(runs, entries)
    assert "Nothing is worse than its noise in the newest results." in text
    assert "## Regressions" not in text
    assert "1 earlier, with a later result after it" in page


def test_a_loss_that_no_noise_is_known_for_is_no_silence(runs: Path) -> None:
    text, page = written(runs, [night(runs, 0, 48.3), night(runs, 1, 42.1)])
    assert "2 figures are worse, and no noise is known to judge that by." in text
    assert "not judged: rate 48.3 samples/s, then 42.1 samples/s: -13 % (noise not known)" in text
    assert "Worse, and not judged" in page


def test_a_newest_verdict_that_is_invalid_comes_first(runs: Path) -> None:
    entries = [*steady_nights(runs), night(runs, 4, 42.1, outcome="INVALID")]
    text, page = written(runs, entries)
    sentence = "Offline, toy v1: the newest verdict is INVALID, the one before was VALID."
    assert text.splitlines()[2] == sentence
    assert f'<h1 class="said">{sentence}</h1>' in page


def test_one_entry_has_a_table_and_nothing_to_compare(runs: Path) -> None:
    text, page = written(runs, [night(runs, 0, 48.3)])
    assert "1 result, and none of a kind that was recorded before." in text
    assert "| 2026-11-01 09:00 | night-000 | [Offline](verdict" not in text
    assert "[Offline](report.html)" in text
    assert 'href="report.html"' in page
    assert "<svg" not in page
    assert "Regressions" not in page


def test_no_entry_says_how_to_get_one(runs: Path) -> None:
    text, page = written(runs, [])
    assert "No result is recorded yet." in text
    assert "<code>snakemake verdicts</code>" in page


def test_a_link_leads_to_the_report_unless_a_later_result_took_its_place(runs: Path) -> None:
    old, new = night(runs, 1, 48.3), night(runs, 2, 48.1)
    (old.run_directory / "results" / "offline" / "verdict.json").write_text("a later verdict")
    text, _ = written(runs, [old, new, comparison(runs, 2, [1.1])])
    assert "[Offline](../../night-002/results/report.html)" in text
    assert "night-001 | Offline |" in text
    assert "night-002 | Comparison prefix |" in text


@pytest.mark.parametrize("where", ["/etc/hostname", "results", "../night-001/results/offline/verdict.json"])
def test_a_place_outside_or_without_a_file_has_no_link_or_a_right_one(runs: Path, where: str) -> None:
    made = night(runs, 1, 48.3)
    entry = made.entry.model_copy(update={"where": where})
    text, _ = written(runs, [RecordedEntry(entry, made.run_directory, made.file)])
    assert ("[Offline](../../night-001/results/report.html)" in text) is where.startswith("..")
    assert "hostname" not in text


def test_a_comparison_names_its_speed_ups_and_one_sentence(runs: Path) -> None:
    text, page = written(runs, [comparison(runs, 0, [1.1] * 7)])
    assert "speed-up of B at chat, closed-1 1.100 x [1.080, 1.120]" in text
    assert "and 3 more" in text
    assert "B is faster at closed-1." in page
    assert "B is faster at closed-2." not in page


def test_three_hundred_entries_are_one_page_with_one_chart_a_figure(runs: Path) -> None:
    entries = [night(runs, number, STEADY[number % 4], system=f"0.{number // 100}") for number in range(300)]
    text, page = written(runs, entries)
    assert page.count("<svg ") == 3
    assert "270 older results" in page
    assert text.count("| night-") == 300
    assert len(page) < 3_000_000


def test_every_text_of_an_entry_is_escaped_and_nothing_is_fetched(runs: Path) -> None:
    bad = "<script>x</script>|*a*"
    entries = [night(runs, 0, 48.3), night(runs, 1, 48.2, note=bad, system=bad, settings={bad: bad})]
    text, page = written(runs, entries)
    assert "<script" not in page
    assert "<script" not in re.sub("`[^`]*`", "", text)  # in code it is a text
    assert len({line.count(" | ") for line in text.splitlines() if line.startswith("| ")}) == 1
    assert "default-src 'none'" in page
    assert re.findall(r'(?:src|href)="(?:https?:)?//', page) == []


def test_the_same_entries_make_the_same_bytes_and_a_whole_page(runs: Path) -> None:
    entries = steady_nights(runs)
    first = written(runs, entries)
    assert written(runs, entries) == first
    parser = _Tags()
    parser.feed(first[1])
    assert parser.open == []


@pytest.mark.parametrize(
    ("benchmark", "round_", "note", "text"),
    [
        ("qwen3-vl-235b-a22b", "v6.0", None, "qwen3-vl-235b-a22b v6.0, edge"),
        ("llama3.1-8b", "llama3.1-8b-v6.0", None, "llama3.1-8b-v6.0, edge"),
        ("llama3.1-8b", None, None, "llama3.1-8b, edge"),
        (
            "llama3.1-8b",
            "llama3.1-8b-demo",
            f"{HEADING}. Why.",
            "demonstration with tiny, llama3.1-8b-demo, edge",
        ),
    ],
)
def test_a_result_names_its_benchmark_once_and_a_demonstration_its_model(
    benchmark: str, round_: str | None, note: str | None, text: str
) -> None:
    entry = history_entry(0)
    facts = {"benchmark": benchmark, "round": round_, "category": "edge", "note": note}
    system = entry.system.model_copy(update={"model": "tiny"})
    assert benchmark_of(entry.model_copy(update={**facts, "system": system})) == text


def test_run_directories_are_named_below_the_folder_that_all_are_in(tmp_path: Path) -> None:
    paths = [tmp_path, tmp_path / "runs" / "a", tmp_path / "runs" / "b"]
    assert list(place_names(paths).values()) == [
        f"{tmp_path.name}",
        *(f"{tmp_path.name}/runs/{x}" for x in "ab"),
    ]
    assert list(place_names(paths[1:]).values()) == ["a", "b"]
    assert place_names([]) == {}


class _Tags(HTMLParser):
    """Keeps which elements are open."""

    EMPTY = frozenset({"meta", "link", "br", "img", "use", "path", "rect", "image"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, _attrs: object) -> None:
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.EMPTY:
            assert self.open.pop() == tag
