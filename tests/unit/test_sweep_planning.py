"""What a sweep measures together, in which order, and how much of it."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from weighbridge.config.fingerprint import ROOT_VARIABLE
from weighbridge.config.load_level import LoadLevel
from weighbridge.config.sweep_settings import NOISE_FLOOR_SYSTEM, SweepSettings
from weighbridge.records.sweep_plan import CellPlan, PhaseCounts, SweepPlan
from weighbridge.sweep.cell_key import identities_of, model_digest
from weighbridge.sweep.orders import orders
from weighbridge.sweep.planning import (
    WantedCell,
    known_rates,
    needed_waves,
    with_wave,
    without_outdated,
)
from weighbridge.sweep.run_counts import SizedRun, sized_run, within_limit
from weighbridge.sweep.sweep_preparation import current_plan


def sweep(systems: str = "AB", closed: tuple[int, ...] = (1, 8), **changes: object) -> SweepSettings:
    described = {
        name: {"server": {"model_name": "m", "endpoints": [f"http://{name.lower()}:1"]}} for name in systems
    }
    return SweepSettings.parse(
        {"name": "s", "systems": described, "workloads": [{"name": "w"}], "levels": {"closed": closed}}
        | changes,
        "test",
    )


def cells(settings: SweepSettings) -> list[WantedCell]:
    return [WantedCell("w", level) for level in settings.levels.all]


def grown(settings: SweepSettings, plan: SweepPlan) -> SweepPlan:
    """Return the plan with every wave that it needs."""
    identities = identities_of(settings, None)
    plan = without_outdated(plan, identities)
    for need in needed_waves(settings, plan, cells(settings), identities):
        rates = dict.fromkeys(settings.systems, 10.0)
        planned = [
            CellPlan(
                workload=cell.workload,
                level=cell.level,
                counts=PhaseCounts(warmup=2, measured=10, cooldown=3),
                sized_by=rates,
            )
            for cell in need.cells
        ]
        plan = with_wave(settings, plan, need, planned, identities)
    return plan


def shapes(plan: SweepPlan) -> list[tuple[tuple[str, ...], list[str], int]]:
    return [(wave.systems, [cell.level.name for cell in wave.cells], wave.blocks) for wave in plan.waves]


EMPTY = SweepPlan(sweep="s")
BOTH = ["closed-1", "closed-8"]


def test_a_first_wave_has_all_systems_and_the_copy_of_the_baseline() -> None:
    plan = grown(sweep(), EMPTY)
    assert shapes(plan) == [(("A", "B", NOISE_FLOOR_SYSTEM), BOTH, 6)]
    assert len(list(plan.waves[0].sessions())) == 18


def test_what_is_planned_is_not_planned_again() -> None:
    plan = grown(sweep(), EMPTY)
    assert grown(sweep(), plan) == plan


@pytest.mark.parametrize("changes", [{"duration_s": 120.0}, {"runs_per_session": 2}, {"order": "sequential"}])
def test_runs_of_another_size_or_order_are_planned_anew(changes: dict[str, object]) -> None:
    plan = grown(sweep(**changes), grown(sweep(), EMPTY))
    assert [wave.number for wave in plan.waves] == [2]


def test_how_results_are_judged_changes_no_plan() -> None:
    plan = grown(sweep(), EMPTY)
    assert grown(sweep(equivalence=0.02, allow_unequal_work=True), plan) == plan


def test_what_was_seen_of_a_workload_goes_when_it_changes() -> None:
    loads = {"w": (LoadLevel(closed=2),)}
    seen = grown(sweep(), EMPTY).model_copy(update={"auto": loads, "skipped": {"w/closed-64": "saturated"}})
    same = current_plan(seen, identities_of(sweep(), None))
    assert (same.auto, same.skipped) == (seen.auto, seen.skipped)
    changed = sweep(workloads=[{"name": "w", "output_tokens": 900}])
    other = current_plan(seen, identities_of(changed, None))
    assert (other.waves, other.auto, other.skipped) == ((), {}, {})


def test_a_further_load_is_a_wave_of_only_this_load_for_all_systems() -> None:
    plan = grown(sweep(closed=(1, 8, 32)), grown(sweep(), EMPTY))
    assert shapes(plan)[1:] == [(("A", "B", NOISE_FLOOR_SYSTEM), ["closed-32"], 6)]
    assert plan.waves[1].number == 2


def test_a_further_system_is_measured_beside_the_baseline_without_the_others() -> None:
    plan = grown(sweep("ABC"), grown(sweep(), EMPTY))
    assert shapes(plan)[1:] == [(("A", "C"), BOTH, 6)]


def test_the_copy_of_the_baseline_is_added_where_it_is_missing() -> None:
    plan = grown(sweep(), grown(sweep(aa=False), EMPTY))
    assert shapes(plan)[1:] == [(("A", NOISE_FLOOR_SYSTEM), BOTH, 6)]


def test_more_blocks_are_a_wave_of_the_missing_ones() -> None:
    plan = grown(sweep(blocks=8), grown(sweep(), EMPTY))
    assert shapes(plan)[1:] == [(("A", "B", NOISE_FLOOR_SYSTEM), BOTH, 2)]


def test_one_system_is_measured_alone() -> None:
    assert shapes(grown(sweep("A", aa=False), EMPTY)) == [(("A",), BOTH, 6)]


def test_a_system_with_other_arguments_is_measured_anew_with_its_own_baseline() -> None:
    plan = grown(sweep("ABC"), EMPTY)
    changed = sweep("ABC")
    server = changed.systems["B"].server.model_copy(update={"endpoints": ("http://elsewhere:1",)})
    other = changed.systems["B"].model_copy(update={"server": server})
    changed = changed.model_copy(update={"systems": changed.systems | {"B": other}})
    assert shapes(grown(changed, plan)) == [
        (("A", "C", NOISE_FLOOR_SYSTEM), BOTH, 6),
        (("A", "B"), BOTH, 6),
    ]


def test_a_changed_workload_leaves_nothing_of_the_plan_but_its_numbers() -> None:
    plan = grown(sweep(), EMPTY)
    changed = sweep(workloads=[{"name": "w", "output_tokens": 7}])
    assert [wave.number for wave in grown(changed, plan).waves] == [2]


def test_rates_of_a_system_that_has_changed_are_not_known() -> None:
    settings = sweep()
    plan = grown(settings, EMPTY)
    cell, identities = cells(settings)[0], identities_of(settings, None)
    assert known_rates(plan, cell, identities) == {"A": 10.0, "B": 10.0}
    elsewhere = sweep("AC").model_copy(update={"systems": sweep("AC").systems})
    assert known_rates(plan, cell, identities_of(elsewhere, None)) == {"A": 10.0}


@pytest.mark.parametrize("systems", [2, 3, 4, 5])
def test_a_linear_drift_favours_no_system_over_an_even_number_of_blocks(systems: int) -> None:
    names = [f"s{number}" for number in range(systems)]
    found = orders(names, 6, "balanced", 3)
    slots: Counter[str] = Counter()
    for block, order in enumerate(found):
        assert sorted(order) == names
        slots.update({name: block * systems + place for place, name in enumerate(order)})
    assert len(set(slots.values())) == 1


@pytest.mark.parametrize(("systems", "blocks"), [(3, 6), (4, 4), (5, 10)])
def test_each_system_follows_each_other_equally_often(systems: int, blocks: int) -> None:
    names = "abcdefg"[:systems]
    follows = Counter(pair for order in orders(names, blocks, "balanced", 1) for pair in pairwise(order))
    assert len(follows) == systems * (systems - 1)
    assert len(set(follows.values())) == 1


def test_two_systems_take_turns_at_being_first() -> None:
    assert orders("AB", 4, "balanced", 9) == (("A", "B"), ("B", "A")) * 2


def test_a_sequential_sweep_measures_one_system_after_the_other() -> None:
    wave = grown(sweep(order="sequential", blocks=2, aa=False), EMPTY).waves[0]
    assert [(key.block, key.system, key.slot) for key in wave.sessions()] == [
        (1, "A", 1),
        (2, "A", 2),
        (1, "B", 3),
        (2, "B", 4),
    ]


CLOSED = LoadLevel(closed=8)


def test_a_run_lasts_its_duration_on_the_slowest_and_its_warmup_on_the_fastest() -> None:
    run = sized_run(sweep(), CLOSED, {"A": 10.0, "B": 40.0}, turns=2.0)
    assert run == SizedRun(PhaseCounts(warmup=200, measured=300, cooldown=16))


def test_a_run_has_thirty_requests_for_each_conversation_at_once() -> None:
    assert sized_run(sweep(), CLOSED, {"A": 1.0}, turns=1.0).counts.measured == 240
    assert sized_run(sweep(), LoadLevel(closed=1), {"A": 1.0}, turns=1.0).counts.measured == 200


def test_a_run_of_a_slow_system_is_shortened_and_says_so() -> None:
    run = sized_run(sweep(), CLOSED, {"A": 0.1}, turns=1.0)
    assert run.counts.measured == 60
    assert run.shortened is not None
    assert "max_duration_s" in run.shortened


def test_a_quick_comparison_of_slow_servers_stays_small() -> None:
    quick = sweep(min_requests=10, duration_s=15.0, warmup_s=2.0, max_duration_s=120.0)
    counts = sized_run(quick, LoadLevel(closed=4), {"A": 0.5}, turns=1.0).counts
    assert counts == PhaseCounts(warmup=10, measured=10, cooldown=10)


def test_an_open_load_has_its_own_rate_whatever_the_systems_reach() -> None:
    run = sized_run(sweep(), LoadLevel(poisson=5.0), {"A": 1.0}, turns=2.0)
    assert run.counts.measured == 300
    with pytest.raises(ValueError, match="not known"):
        sized_run(sweep(), LoadLevel.parse({"trace": {"file": "t.jsonl"}}, "test"), {}, turns=2.0)


def test_a_run_that_the_store_has_no_room_for_says_so() -> None:
    run = within_limit(SizedRun(PhaseCounts(warmup=1, measured=100, cooldown=1)), 0.25, "1 GiB")
    assert run.counts.measured == 25
    assert run.shortened == "25 of 100 conversations, since the store would exceed 1 GiB"


def test_a_model_is_the_same_wherever_it_lies_and_another_with_other_weights(tmp_path: Path) -> None:
    for name, weights in (("one", b"w" * 5000), ("copy", b"w" * 5000), ("other", b"w" * 4999 + b"x")):
        (tmp_path / name / "part").mkdir(parents=True)
        (tmp_path / name / "part" / "weights").write_bytes(weights)
    one, copy, other = (model_digest(tmp_path / name) for name in ("one", "copy", "other"))
    assert one == copy != other


def test_a_moved_checkout_has_the_same_workloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = set()
    for place in ("here", "there"):
        root = tmp_path / place
        monkeypatch.setenv(ROOT_VARIABLE, str(root))
        text = {"kind": "internvl-jsonl", "path": str(root / "lines.jsonl")}
        settings = sweep(workloads=[{"name": "w", "source": {"text": text}}])
        found.add(identities_of(settings, None).workloads["w"])
    assert len(found) == 1
