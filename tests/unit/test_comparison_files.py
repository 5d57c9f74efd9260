"""What is written of a comparison: table, record and schema, page and plots."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
from markupsafe import escape
from rich.console import Console
from sweep_cells import SyntheticSweep, failed_check, sweep_settings

from weighbridge.config.workload import Slo
from weighbridge.records.comparison import SweepComparison
from weighbridge.records.slo_capacity import SLO_CAPACITY, SloCapacities, SloCapacity
from weighbridge.report.comparison_details import detail_tables
from weighbridge.report.comparison_headline import doubts, headline
from weighbridge.report.comparison_schema import comparison_schema
from weighbridge.report.comparison_table import COLUMNS, comparison_markdown
from weighbridge.report.comparison_terminal import render_table
from weighbridge.report.comparison_values import comparison_csv
from weighbridge.report.write_comparison import write_comparison
from weighbridge.sweep.compare_blocks import compare_cells
from weighbridge.sweep.slo_search import slo_sentence

SPECIFIED = (
    "Workload | System options | Dev. | Dtype | Prompt tok (avg) | Output tok (avg) | Prev. turns | Load | "
    "QPS A | QPS B | Speed-up B/A [95 %] | Verdict | Reuse A/B | p50/p99 TTFT A, B | p50/p99 E2E A, B | "
    "TPOT A, B | Goodput A, B | Checks"
)
REMEDY = "Set `force_length: min_tokens`, or none."
HOSTILE = "<script>alert(1)</script>|"


def _sweep(systems: int = 3) -> SyntheticSweep:
    sweep = SyntheticSweep(sweep_settings(systems, {"closed": [1, 32], "poisson": [40]}), {"B": 1.1})
    sweep.checks = {"C": (failed_check("output length honoured", 0.12, "at most 1 %", REMEDY),)}
    return sweep


def _compared(sweep: SyntheticSweep) -> SweepComparison:
    return compare_cells(sweep.settings, sweep.plan, sweep.cells())


@pytest.fixture(scope="module")
def comparison() -> SweepComparison:
    """Return a comparison with a faster system, one that is not comparable, and a noise floor."""
    return _compared(_sweep())


def _rows(markdown: str) -> list[dict[str, str]]:
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def test_the_table_has_the_specified_columns_in_their_order(comparison: SweepComparison) -> None:
    assert " | ".join(column.name for column in COLUMNS) == SPECIFIED
    assert f"| {SPECIFIED} |" in comparison_markdown(comparison)


def test_a_line_has_what_both_did_and_the_speed_up_with_its_interval(comparison: SweepComparison) -> None:
    row = next(row for row in _rows(comparison_markdown(comparison)) if row["Load"] == "closed-32")
    assert row["System options"] == "B: --no-enable-prefix-caching / --enable-prefix-caching"
    assert (row["Dev."], row["Dtype"], row["Prompt tok (avg)"]) == ("1", "float16", "2,953")
    assert re.fullmatch(r"1\.\d{3} \[1\.\d{3}, 1\.\d{3}\]", row["Speed-up B/A [95 %]"])
    assert (row["Verdict"], row["Reuse A/B"], row["Checks"]) == ("faster", "0 % / 0 %", "ok")
    assert row["p50/p99 E2E A, B"].count("ms") == 4


def test_a_row_that_is_not_comparable_shows_no_speed_up(comparison: SweepComparison) -> None:
    rows = [row for row in _rows(comparison_markdown(comparison)) if row["System options"].startswith("C:")]
    assert len(rows) == 3
    for row in rows:
        assert (row["Speed-up B/A [95 %]"], row["Verdict"]) == ("–", "not comparable")  # noqa: RUF001
        assert row["Checks"] == "output length honoured"
        assert float(row["QPS B"]) > 0


def test_the_footer_says_blocks_margin_noise_floor_date_host_bytes_and_marks(
    comparison: SweepComparison,
) -> None:
    footer = comparison_markdown(comparison).rpartition("|\n")[2]
    for part in ("6 blocks", "5 %", "Noise floor", "2026-12-01", "host", "sha256 1111", "not steady"):
        assert part in footer


def test_marks_of_what_is_not_steady_has_too_few_samples_or_failed() -> None:
    sweep = _sweep(2)
    sweep.changes = {"B": {"steady": False, "ttft": None}}
    rows = _rows(comparison_markdown(_compared(sweep)))
    assert rows[0]["QPS B"].endswith(" ~")
    assert not rows[0]["QPS A"].endswith("~")
    assert rows[0]["p50/p99 TTFT A, B"].endswith("– / –")  # noqa: RUF001
    cells = [
        cell.model_copy(update={"figures": None}) if cell.system == "B" else cell for cell in sweep.cells()
    ]
    rows = _rows(comparison_markdown(compare_cells(sweep.settings, sweep.plan, cells)))
    assert rows[0]["QPS B"] == "x"


def test_no_text_of_a_user_breaks_the_table() -> None:
    sweep = _sweep(2)
    systems = dict(sweep.settings.systems)
    systems["B"] = systems["B"].model_copy(update={"options": HOSTILE})
    sweep.settings = sweep.settings.model_copy(update={"systems": systems})
    table = comparison_markdown(_compared(sweep))
    [line] = [line for line in table.splitlines() if "closed-32" in line and "B:" in line and line[0] == "|"]
    assert len(re.findall(r"(?<!\\)\|", line)) == len(COLUMNS) + 1


def test_the_csv_has_one_value_a_column(comparison: SweepComparison) -> None:
    rows = list(csv.DictReader(io.StringIO(comparison_csv(comparison))))
    assert len(rows) == len(comparison.rows)
    assert [row["verdict"] for row in rows[:3]] == ["faster", "not comparable", "same"]
    assert float(rows[0]["speed_up_low"]) < float(rows[0]["speed_up"]) < float(rows[0]["speed_up_high"])
    assert (rows[1]["speed_up"], rows[1]["speed_up_low"]) == ("", "")
    assert float(rows[0]["qps_a"]) == pytest.approx(comparison.cells[0].systems["A"].mean("qps"))


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_shows_every_verdict_without_a_cut(comparison: SweepComparison, width: int) -> None:
    stream = io.StringIO()
    Console(file=stream, width=width).print(render_table(comparison, width))
    shown = stream.getvalue()
    assert max(map(len, shown.splitlines())) <= width
    assert "…" not in shown
    assert (shown.count("not comparable"), shown.count("faster")) == (3, 3)
    assert len(re.findall(r"\d\.\d{3} \[\d\.\d{3}, \d\.\d{3}\]", shown)) == 6
    assert ("TTFT" in shown) == (width == 120)


def test_the_headline_says_the_only_verdict_or_what_all_have_in_common() -> None:
    one = SyntheticSweep(sweep_settings(2), {"B": 1.1})
    assert headline(_compared(one)).startswith("B is faster than A: 1.")
    alike = SyntheticSweep(sweep_settings(2, {"closed": [1, 8]}), {"B": 1.1})
    assert headline(_compared(alike)).startswith("B is faster than A at all 2 loads: 1.")
    assert headline(_compared(_sweep())) == (
        "Of 6 comparisons with A, the other systems are faster in 3 and not comparable in 3."
    )
    alone = SyntheticSweep(sweep_settings(1, aa=False))
    assert headline(_compared(alone)).startswith("A answers 67.")
    refused = SyntheticSweep(sweep_settings(2))
    refused.checks = {"B": (failed_check("failed requests", 3, "0", "Read errors.jsonl."),)}
    assert headline(_compared(refused)) == "B cannot be compared with A."


def test_a_noise_floor_that_reads_as_a_difference_is_a_warning() -> None:
    sweep = SyntheticSweep(sweep_settings(2), {"A-A": 1.2}, noise=0.01)
    [doubt] = doubts(_compared(sweep))
    assert doubt.startswith("A beside its own copy reads as faster at closed-32: 1.")


def test_the_published_schema_is_that_of_the_comparison(root: Path) -> None:
    schema = (root / "src" / "weighbridge" / "schemas" / "comparison.schema.json").read_text()
    assert schema == comparison_schema(), "run `make schema`"
    described = json.loads(schema)
    for name, model in {"top": described, **described["$defs"]}.items():
        assert model["description"], name
        for key, value in model.get("properties", {}).items():
            assert value.get("description") or name == "Check", f"{name}.{key}"


def test_all_files_are_written_and_old_plots_removed(tmp_path: Path) -> None:
    sweep = _sweep()
    sweep.settings = sweep.settings.model_copy(update={"name": "page"})
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "old.svg").write_text("")
    comparison = _compared(sweep)
    write_comparison(tmp_path, comparison, sweep.settings, sweep.cells())
    assert SweepComparison.parse_json((tmp_path / "comparison.json").read_text(), "it") == comparison
    plots = {path.stem for path in (tmp_path / "plots").iterdir()}
    assert plots == {
        "speed-ups",
        "throughput-latency-chat",
        "pareto-chat",
        "blocks-chat-closed-32",
        "blocks-chat-poisson-40",
    }
    page = (tmp_path / "report.html").read_text()
    for section in ("verdicts", "table", "figures", "checks", "run", "definitions"):
        assert f'<section id="{section}"' in page
    assert page.count("<svg") == len(plots)
    assert "requests.parquet" in page  # why there are no curves of single runs
    assert "Set <code>force_length: min_tokens</code>, or none." in page
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="(?!#|data:)', page)


def test_the_page_has_energy_and_cost_where_they_are_known() -> None:
    sweep = _sweep(2)
    plain = [heading for table in detail_tables(_compared(sweep)) for heading in table.headings]
    assert "cost of 1 million tokens" not in plain
    systems = {
        name: each.model_copy(update={"price_per_hour": 2.0}) for name, each in sweep.settings.systems.items()
    }
    sweep.settings = sweep.settings.model_copy(update={"systems": systems})
    sweep.changes = {"A": {"energy_j": 100.0}, "B": {"energy_j": 50.0}}
    figures, ratios = detail_tables(_compared(sweep))
    for table in (figures, ratios):
        assert {"J by output token", "cost of 1 million tokens"} <= {*table.headings}
        assert all(len(row) == len(table.headings) for row in table.rows)
    assert len(figures.rows) == 9
    assert [row[1] for row in ratios.rows] == ["B", "A-A"] * 3


def test_the_page_has_what_a_search_of_the_highest_load_found(tmp_path: Path) -> None:
    sweep = SyntheticSweep(sweep_settings(1, aa=False))
    found = SloCapacity(
        system="A",
        workload="chat",
        slo=Slo(ttft_ms=500),
        rate=None,
        goodput=None,
        lowest_failed=0.5,
        reason="the lowest load fails",
        trials=(),
    )
    (tmp_path / SLO_CAPACITY).write_text(SloCapacities(capacities=(found,)).model_dump_json())
    write_comparison(tmp_path, _compared(sweep), sweep.settings, sweep.cells())
    page = (tmp_path / "report.html").read_text()
    assert f"<li>{escape(slo_sentence(found))}</li>" in page


def test_a_page_escapes_what_users_wrote(tmp_path: Path) -> None:
    sweep = _sweep(2)
    systems = dict(sweep.settings.systems)
    systems["B"] = systems["B"].model_copy(update={"options": HOSTILE})
    sweep.settings = sweep.settings.model_copy(update={"systems": systems})
    write_comparison(tmp_path, _compared(sweep), sweep.settings, sweep.cells())
    page = (tmp_path / "report.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
