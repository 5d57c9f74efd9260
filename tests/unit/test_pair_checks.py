"""What must be equal between two systems before their runs are compared."""

from typing import Any

import pytest
from sweep_cells import SyntheticSweep, server_record, sweep_settings

from weighbridge.config.load_level import LoadLevel, Ramp
from weighbridge.records.comparison import ComparisonResult
from weighbridge.records.sweep_run import CellRecord
from weighbridge.sweep.compare_blocks import compare_cells
from weighbridge.sweep.pair_checks import pair_checks, unequal_work

Cells = list[CellRecord]


def both(**changes: Any) -> tuple[Cells, Cells]:
    """Return the runs of A and B; `changes` are of B's figures."""
    cells = SyntheticSweep(sweep_settings(), changes={"B": changes}).cells()
    return [cell for cell in cells if cell.system == "A"], [cell for cell in cells if cell.system == "B"]


def reasons(baseline: Cells, other: Cells, **settings: Any) -> str:
    return " ".join(pair_checks(baseline, other, sweep_settings(**settings)))


def test_runs_of_equal_work_may_be_compared() -> None:
    assert reasons(*both()) == ""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"prompt_tokens": 2953 * 1.011}, "Prompt tokens differ by +1.1%"),
        ({"prompt_tokens": 2953 * 0.989}, "Prompt tokens differ by -1.1%"),
        ({"output_tokens": 121.3}, "Output tokens differ by +1.1%"),
        ({"prompt_tokens": None}, "B does not report its prompt tokens"),
        ({"output_tokens": None}, "B does not report its output tokens"),
    ],
)
def test_unequal_work_is_refused_unless_it_is_allowed(changes: dict[str, Any], said: str) -> None:
    pair = both(**changes)
    assert said in reasons(*pair)
    assert "allow_unequal_work" in reasons(*pair)
    assert reasons(*pair, allow_unequal_work=True) == ""
    assert said in " ".join(unequal_work(*pair))


@pytest.mark.parametrize("field", ["prompt_tokens", "output_tokens"])
def test_tokens_within_one_percent_are_equal(field: str) -> None:
    mean = {"prompt_tokens": 2953.0, "output_tokens": 120.0}[field]
    assert reasons(*both(**{field: 1.009 * mean})) == ""


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"store_sha256": "9" * 64}, "store of requests: measure both with one store"),
        ({"code_sha256": "9" * 64}, "client's code: measure both with one release"),
        ({"server": server_record().model_copy(update={"version": "0.13.0"})}, "B changed its version"),
        ({"wave": 2}, "not of the same waves and blocks"),
        ({"level": LoadLevel(ramp=Ramp(start=1, end=9, over_s=60))}, "A ramp"),
    ],
)
def test_one_run_that_differs_is_refused(changed: dict[str, Any], said: str) -> None:
    baseline, other = both()
    other[2] = other[2].model_copy(update=changed)
    assert said in reasons(baseline, other)


def test_counts_and_hosts_must_be_those_of_the_block() -> None:
    baseline, other = both()
    fewer = other[0].counts.model_copy(update={"measured": 999})
    assert "number of conversations" in reasons(
        baseline, [other[0].model_copy(update={"counts": fewer}), *other[1:]]
    )
    elsewhere = [
        cell.model_copy(update={"host": cell.host.model_copy(update={"name": "other"})}) for cell in other
    ]
    assert "client's host" in reasons(baseline, elsewhere)


def test_two_waves_of_other_sizes_are_compared_each_by_itself() -> None:
    pairs = both()
    later = [
        [
            cell.model_copy(
                update={
                    "wave": 2,
                    "store_sha256": "5" * 64,
                    "counts": cell.counts.model_copy(update={"measured": 500}),
                }
            )
            for cell in cells
        ]
        for cells in pairs
    ]
    assert reasons(pairs[0] + later[0], pairs[1] + later[1]) == ""


def test_systems_may_have_versions_of_their_own() -> None:
    baseline, other = both()
    newer = server_record().model_copy(update={"version": "0.13.0"})
    assert reasons(baseline, [cell.model_copy(update={"server": newer}) for cell in other]) == ""


def test_latencies_of_an_overloaded_system_are_not_compared_and_its_throughput_is_shown() -> None:
    settings = sweep_settings(levels={"poisson": [40.0]})
    sweep = SyntheticSweep(settings, changes={"B": {"overloaded": True}})
    comparison = compare_cells(settings, sweep.plan, sweep.cells())
    row = next(each for each in comparison.rows if each.system == "B")
    assert row.result is ComparisonResult.NOT_COMPARABLE
    assert "overloaded" in " ".join(row.reasons)
    assert "lower rate" in " ".join(row.reasons)
    figures = comparison.cells[0].systems["B"].figures
    assert "qps" in figures
    assert not [name for name in figures if name.startswith("e2e")]
