"""Which sessions a sweep will have: known before anything is measured, and the same as are planned then."""

from sweep_cells import sweep_settings

from weighbridge.config.sweep_settings import SweepSettings
from weighbridge.records.sweep_plan import SweepPlan
from weighbridge.sweep.cell_key import identities_of
from weighbridge.sweep.expected_sessions import ExpectedSessions, expected_sessions, held_one_by_one


def _expected(settings: SweepSettings, plan: SweepPlan | None = None) -> ExpectedSessions:
    return expected_sessions(settings, plan, identities_of(settings, None))


def _planned(settings: SweepSettings) -> SweepPlan:
    expected = _expected(settings)
    return SweepPlan(sweep=settings.name, waves=expected.waves, last_wave=len(expected.waves))


def test_a_new_sweep_is_one_wave_of_every_system_in_every_block() -> None:
    expected = _expected(sweep_settings(2, {"closed": [1, 32]}, blocks=4, aa=False))
    assert [(key.block, key.system) for key in expected.sessions] == [
        *((1, "A"), (1, "B"), (2, "B"), (2, "A")),
        *((3, "A"), (3, "B"), (4, "B"), (4, "A")),
    ]
    assert [key.slot for key in expected.sessions] == list(range(1, 9))
    assert {expected.runs_of(key) for key in expected.sessions} == {2}


def test_what_is_planned_is_expected_as_it_is() -> None:
    settings = sweep_settings(3, blocks=6)
    plan = _planned(settings)
    assert _expected(settings, plan).waves == plan.waves


def test_a_system_that_is_removed_has_no_session_and_a_removed_load_no_run() -> None:
    settings = sweep_settings(3, {"closed": [1, 32]}, blocks=2, aa=False)
    less = sweep_settings(2, {"closed": [32]}, blocks=2, aa=False)
    expected = _expected(less, _planned(settings))
    assert {key.system for key in expected.sessions} == {"A", "B"}
    assert [expected.runs_of(key) for key in expected.sessions] == [1] * 4


def test_an_added_load_is_a_wave_of_its_own_for_all_systems() -> None:
    settings = sweep_settings(2, {"closed": [32]}, blocks=4)
    more = settings.model_copy(update={"levels": sweep_settings(2, {"closed": [1, 8, 32]}).levels})
    first, second = _expected(more, _planned(settings)).waves
    assert second.number == 2
    assert [cell.name for cell in second.cells] == ["chat/closed-1", "chat/closed-8"]
    assert set(second.systems) == set(first.systems) == {"A", "B", "A-A"}


def test_an_added_system_is_measured_beside_the_baseline() -> None:
    settings = sweep_settings(2, blocks=4, aa=False)
    more = sweep_settings(3, blocks=4, aa=False)
    assert [wave.systems for wave in _expected(more, _planned(settings)).waves] == [("A", "B"), ("A", "C")]


def test_a_load_that_was_left_out_stays_out() -> None:
    settings = sweep_settings(2, {"closed": [1, 8, 64]}, blocks=4)
    plan = SweepPlan(sweep=settings.name, skipped={"chat/closed-64": "saturated"})
    [wave] = _expected(settings, plan).waves
    assert [cell.name for cell in wave.cells] == ["chat/closed-1", "chat/closed-8"]


def test_only_a_sweep_whose_loads_and_servers_are_known_is_several_jobs() -> None:
    assert held_one_by_one(sweep_settings())
    assert not held_one_by_one(sweep_settings(coexist=True))
    assert not held_one_by_one(sweep_settings(2, {"auto": True}))
