"""The tables of docs/performance.md are those of the newest results under bench/results."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def tables(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_tables", root / "bench" / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _result(**changes: object) -> dict[str, object]:
    values = {"median": 40.0, "min": 38.0, "max": 51.0}
    case = {"summary": {"Weighbridge, 1 worker": {"cpu_us": values}}, "missing": {"wrk": "it is not there"}}
    machine = {"cpus": 2, "processor": "x", "kernel": "6", "python": "3", "loadgen": "6", "realtime": False}
    result: dict[str, object] = {
        "started": "2026-11-30T16:50:00+00:00",
        "quick": True,
        "rounds": 3,
        "machine": machine,
        "sources": {"Weighbridge": "abc"},
        "versions": {"wrk": "1"},
        "load_before": [1, 1, 1],
        "load_after": [2, 2, 2],
        "results": {"Offline": case},
    }
    return result | changes


def test_the_page_has_the_tables_of_the_newest_results(tables: ModuleType) -> None:
    page = tables.PAGE.read_text()
    assert tables.written(page, tables.results()) == page, "run python bench/tables.py"


def test_a_table_has_medians_with_their_spread_and_names_who_did_not_run(tables: ModuleType) -> None:
    page = tables.written(tables.PAGE.read_text(), [_result()])
    assert "| Weighbridge, 1 worker | 40.0 (38.0-51.0) |" in page
    assert "- wrk: it is not there." in page
    assert "2026-11-30 16:50 UTC" in page


def test_each_table_is_of_the_newest_result_that_has_it(tables: ModuleType) -> None:
    newer = _result(started="2026-12-01T00:00:00+00:00", results={})
    page = tables.written(tables.PAGE.read_text(), [newer, _result()])
    assert "| Weighbridge, 1 worker | 40.0 (38.0-51.0) |" in page


def test_two_checkouts_that_took_turns_are_compared(tables: ModuleType) -> None:
    values = {"median": 4.0, "min": 4.0, "max": 4.0}
    both = {"before, 1 worker": {"cpu_us": values}, "now, 1 worker": {"cpu_us": values | {"median": 3.0}}}
    result = _result(
        sources={"before": "abc", "now": "def"}, results={"Offline": {"summary": both, "missing": {}}}
    )
    page = tables.written(tables.PAGE.read_text(), [result])
    assert "| Offline: CPU µs/request | 4.00 | 3.00 |" in page
    assert "before: abc, now: def" in page


def test_a_result_with_the_other_clients_comes_before_a_newer_one_of_ours_alone(tables: ModuleType) -> None:
    alone = _result(started="2026-12-01T00:00:00+00:00", versions={})
    page = tables.written(tables.PAGE.read_text(), [alone, _result()])
    assert "2026-11-30 16:50 UTC" in page
    assert "2026-12-01 00:00 UTC" not in page


def test_a_page_without_a_marker_is_refused(tables: ModuleType) -> None:
    with pytest.raises(ValueError, match="markers of the table"):
        tables.written("# No table\n", [])
