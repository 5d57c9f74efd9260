"""Quality beside speed: headline, Markdown, terminal, CSV, page and record of a comparison that has both."""

import csv
import io
from pathlib import Path

import pytest
from compared_quality import comparison_with_quality
from rich.console import Console
from sweep_cells import SyntheticSweep, sweep_settings

from weighbridge.cli.measured_sweep import show
from weighbridge.records.comparison import COMPARISON, SweepComparison
from weighbridge.report.comparison_headline import headline
from weighbridge.report.comparison_table import comparison_markdown
from weighbridge.report.comparison_values import comparison_csv
from weighbridge.report.quality_table import render_quality
from weighbridge.report.write_comparison import write_comparison
from weighbridge.sweep.compare_blocks import compare_cells


def _sweep(systems: int) -> SyntheticSweep:
    return SyntheticSweep(sweep_settings(systems, {"closed": [32]}), {"B": 1.42})


def _compared(systems: int = 2, **counts: tuple[int, int, int, int]) -> SweepComparison:
    sweep = _sweep(systems)
    speed = compare_cells(sweep.settings, sweep.plan, sweep.cells())
    return comparison_with_quality(speed, counts)


WORSE = (8000, 552, 300, 5190)


def test_the_headline_says_both_of_the_only_other_system() -> None:
    text = headline(_compared(B=WORSE))
    assert text.startswith("B is faster than A: 1.")
    assert text.endswith(" times the requests/s, and answers worse by 1.8 points [1.4, 2.2].")


def test_the_headline_of_several_systems_says_it_of_each() -> None:
    text = headline(_compared(3, B=WORSE, C=(8000, 100, 100, 5842)))
    assert text.startswith("Of 2 comparisons with A, ")
    assert text.endswith(
        " B answers worse by 1.8 points [1.4, 2.2]; "
        "C answers as well within 1 point, 0.00 points [-0.20, +0.20]."
    )
    more = headline(_compared(5, B=WORSE, C=WORSE, D=(60, 2, 1, 37)))
    assert more.endswith(" Answers of 3 systems beside those of A: 2 worse and 1 inconclusive.")


def test_answers_that_were_not_asked_change_nothing() -> None:
    speed = _compared()
    assert speed.quality is None
    assert "Quality" not in comparison_markdown(speed)
    assert "accuracy_a" not in comparison_csv(speed)


def test_the_markdown_has_a_table_of_answers() -> None:
    text = comparison_markdown(_compared(B=WORSE))
    assert "\n## Quality (MMLU)\n\n- B answers worse than A, by 1.8 points" in text
    [line] = [line for line in text.splitlines() if line.startswith("| B | 14,042")]
    assert "| 59.1 % [58.3, 59.9] | 0.41 % | -1.8 [-2.2, -1.4] | 552 / 300 | < 0.001 | worse |" in line
    assert "MMLU, log-likelihood, 5-shot. Chance is 25 %." in text


def test_the_spreadsheet_has_them_in_each_line() -> None:
    [line, floor] = csv.DictReader(io.StringIO(comparison_csv(_compared(B=WORSE))))
    assert (line["system"], line["answers_only_a"], line["answers_only_b"]) == ("B", "552", "300")
    assert float(line["accuracy_a"]) == pytest.approx(8552 / 14042)
    assert float(line["answers_difference"]) == pytest.approx(-252 / 14042)
    assert line["answers_finding"] == "worse"
    assert (floor["system"], floor["accuracy_b"], floor["answers_finding"]) == ("A-A", "", "")


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_has_room_for_the_table(width: int) -> None:
    quality = _compared(B=WORSE).quality
    assert quality is not None
    output = io.StringIO()
    Console(width=width, file=output).print(render_quality(quality))
    assert "59.1 % [58.3, 59.9]" in output.getvalue()
    assert "-1.8 [-2.2, -1.4]" in output.getvalue()
    assert "552 / 300" in output.getvalue()
    assert "worse" in output.getvalue()


def test_all_of_it_is_written_and_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    comparison, sweep = _compared(B=WORSE), _sweep(2)
    write_comparison(tmp_path, comparison, sweep.settings, sweep.cells())
    assert SweepComparison.parse_json((tmp_path / COMPARISON).read_text(), "it") == comparison
    page = (tmp_path / "report.html").read_text()
    assert '<section id="quality"' in page
    assert '<a href="#quality">Quality</a>' in page
    assert page.count("answers worse by 1.8 points [1.4, 2.2]") == 1
    assert "<summary>By domain</summary>" in page
    show(comparison, tmp_path, as_json=False)
    assert "and answers worse by 1.8 points [1.4, 2.2]." in capsys.readouterr().out
    without = comparison.model_copy(update={"quality": None})
    write_comparison(tmp_path, without, sweep.settings, sweep.cells())
    assert 'href="#quality"' not in (tmp_path / "report.html").read_text()
