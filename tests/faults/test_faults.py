"""A share of what `make faults` tries, of every group: each fault ends well."""

import pytest
from injection import signals
from injection.bench import Bench
from injection.calls import ERRORS, places, try_run, try_stage_call
from injection.inputs import BAD_INPUTS, BadInput, try_input
from injection.interference import INTERFERENCES, Interference, try_interference
from injection.issue_rows import ISSUES, Issue
from injection.matrix import Row
from injection.schedules import try_seed
from injection.shim import CallFault, Kind, Role
from injection.stages import STAGES, Stage, begin
from injection.world import well

_SEEDS = 10
# A stopped process ends a run after 30 s: tests/integration/test_load_faults.py shows that it is seen.
QUICK = [one for one in INTERFERENCES if "for good" not in one.name]
SHORT = [stage for stage in STAGES if stage.name not in ("build-requests", "report", "search-qps")]


def assert_right(row: Row) -> None:
    assert not row.complaints, f"{row.fault}: {row.seen}: {row.complaints}"


def first_places(counts: dict[tuple[Role, Kind], int]) -> list[CallFault]:
    """Return the first call of each kind in each process, with each error: the same ones every time."""
    return [each for each in places(counts) if each.nth == 1]


@pytest.fixture(scope="module")
def counts(place: Bench) -> dict[tuple[Role, Kind], int]:
    place.world.server.begin(well)
    ended = place.zygote.run(place.world.run(place.fresh()))
    assert ended.code == 0, ended.text
    return place.zygote.state.counts()


def test_a_clean_run_makes_calls_of_every_kind_in_every_process(
    counts: dict[tuple[Role, Kind], int],
) -> None:
    assert {kind for _, kind in counts} >= set(ERRORS)
    assert {role for role, _ in counts} >= {Role.MAIN, Role.LOADGEN, Role.WORKER}


@pytest.mark.parametrize("part", range(8))
def test_a_run_with_one_call_failing(place: Bench, counts: dict[tuple[Role, Kind], int], part: int) -> None:
    for fault in first_places(counts)[part::8]:
        assert_right(try_run(place, fault, "performance" if part % 2 else "accuracy"))


@pytest.mark.parametrize("stage", SHORT, ids=lambda stage: stage.name)
def test_a_stage_with_one_call_failing(place: Bench, stage: Stage) -> None:
    place.world.server.begin(well)
    ended = place.zygote.run(begin(place.world, stage, place.fresh()))
    assert ended.code == 0, ended.text
    every = [each for each in places(place.zygote.state.counts()) if each.role is Role.MAIN]
    for fault in (each for each in every if each.kind is Kind.WRITE and each.nth == 1):
        assert_right(try_stage_call(place, stage, fault))


@pytest.mark.parametrize("number", signals.NUMBERS, ids=lambda number: number.name)
@pytest.mark.parametrize("phase", signals.PHASES)
def test_a_signal_in_each_phase_of_a_run(place: Bench, phase: str, number: signals.signal.Signals) -> None:
    assert_right(signals.try_phase(place.zygote, place.world, phase, place.fresh(), number))


@pytest.mark.parametrize("stage", SHORT, ids=lambda stage: stage.name)
def test_a_signal_in_each_stage(place: Bench, stage: Stage) -> None:
    place.world.server.begin(well)
    ended = place.zygote.run(begin(place.world, stage, place.fresh()))
    assert ended.code == 0, ended.text
    [(kind, nth)] = signals.places(place.zygote.state.counts(), 1)
    number = signals.NUMBERS[STAGES.index(stage) % len(signals.NUMBERS)]
    assert_right(signals.try_stage(place.zygote, place.world, stage, place.fresh(), number, kind, nth))


def test_a_killed_build_of_requests_leaves_no_process(place: Bench) -> None:
    build = STAGES[1]
    assert build.name == "build-requests"
    args = place.zygote, place.world, build, place.fresh()
    # As its first body is written: all processes of the pool wait for work.
    assert_right(signals.try_stage(*args, signals.signal.SIGKILL, Kind.WRITE, 1))


@pytest.mark.parametrize("one", QUICK, ids=lambda one: one.name)
def test_what_happens_to_processes_and_files(place: Bench, one: Interference) -> None:
    assert_right(try_interference(place.zygote, place.world, place.fresh(), one))


@pytest.mark.parametrize("seed", range(_SEEDS))
def test_a_whole_run_against_a_faulty_server(place: Bench, seed: int) -> None:
    assert_right(try_seed(place.zygote, place.world, place.fresh(), seed))


@pytest.mark.parametrize("issue", ISSUES, ids=lambda issue: f"{issue.number} {issue.name}")
def test_what_was_once_found_by_hand(place: Bench, issue: Issue) -> None:
    assert_right(issue.attempt(place))


@pytest.mark.parametrize("bad", BAD_INPUTS, ids=lambda bad: bad.name[:60])
def test_bad_inputs_are_refused(place: Bench, bad: BadInput) -> None:
    assert_right(try_input(place, bad))
