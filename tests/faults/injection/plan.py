"""Every fault of the matrix: all of them, or a small share that tests each group."""

from collections.abc import Callable, Iterator
from functools import partial

from injection import interference, schedules, signals
from injection.bench import Bench
from injection.calls import places, try_run, try_stage_call
from injection.inputs import BAD_INPUTS, try_input
from injection.issue_rows import ISSUES
from injection.matrix import Row
from injection.oracle import complaints_of_ended
from injection.shim import Kind, Role
from injection.stages import STAGES, Stage, begin
from injection.world import well

Attempt = Callable[[Bench], Row]
# Fewer places for the stages than for a run: what they do there is the same write over and over.
_STAGE_PLACES = 24
_SIGNAL_PLACES = 3


def all_faults(bench: Bench, seeds: int, share: int = 1) -> list[Attempt]:
    """Return every fault, of the failed calls one in `share`; clean commands show their places."""
    return [
        *(issue.attempt for issue in ISSUES),
        *(partial(_interfere, one=one) for one in interference.INTERFERENCES),
        *_phase_signals(),
        *_stage_signals(bench),
        *(partial(try_input, bad=bad) for bad in BAD_INPUTS),
        *(partial(_seed, seed=seed) for seed in range(seeds)),
        *[*_stage_calls(bench), *_run_calls(bench)][::share],
    ]


def _interfere(bench: Bench, one: interference.Interference) -> Row:
    return interference.try_interference(bench.zygote, bench.world, bench.fresh(), one)


def _seed(bench: Bench, seed: int) -> Row:
    return schedules.try_seed(bench.zygote, bench.world, bench.fresh(), seed)


def _phase_signals() -> Iterator[Attempt]:
    for phase in signals.PHASES:
        for number in signals.NUMBERS:
            yield lambda bench, phase=phase, number=number: signals.try_phase(
                bench.zygote, bench.world, phase, bench.fresh(), number
            )


def _clean(bench: Bench, stage: Stage) -> dict[tuple[Role, Kind], int]:
    bench.world.server.begin(well)
    ended = bench.zygote.run(begin(bench.world, stage, bench.fresh()), limit_s=60)
    complaints = complaints_of_ended(ended, (0,))
    assert not complaints, ended.text
    return bench.zygote.state.counts()


def _stage_signals(bench: Bench) -> Iterator[Attempt]:
    for stage in STAGES:
        for kind, nth in signals.places(_clean(bench, stage), _SIGNAL_PLACES):
            for number in signals.NUMBERS:
                yield lambda bench, stage=stage, kind=kind, nth=nth, number=number: signals.try_stage(
                    bench.zygote, bench.world, stage, bench.fresh(), number, kind, nth
                )


def _stage_calls(bench: Bench) -> Iterator[Attempt]:
    for stage in STAGES:
        every = [each for each in places(_clean(bench, stage)) if each.role is Role.MAIN]
        for fault in every[:: max(1, len(every) // _STAGE_PLACES)]:
            yield partial(try_stage_call, stage=stage, fault=fault)


def _run_calls(bench: Bench) -> Iterator[Attempt]:
    for mode in ("performance", "accuracy"):
        bench.world.server.begin(well)
        ended = bench.zygote.run(bench.world.run(bench.fresh(), mode))
        assert ended.code == 0, ended.text
        for fault in places(bench.zygote.state.counts()):
            yield partial(try_run, fault=fault, mode=mode)
