"""What a sweep's run against a simulated server should have measured, beside what it measured."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Literal

from weighbridge.core.errors import InputError
from weighbridge.core.models import Model
from weighbridge.records.sweep_run import CELL_RECORD, CellFigures, CellRecord
from weighbridge.requests.holes import Holes
from weighbridge.requests.workload_store import WorkloadStore
from weighbridge.simulate.asked_lengths import AskedLengths
from weighbridge.simulate.behaviour import Behaviour
from weighbridge.simulate.run_replay import BodyOf, replayed_figures

_LATENCIES = ("e2e", "ttft", "tpot")
_STATISTICS = ("mean", "p50", "p90", "p99")


class PredictedFigure(Model):
    """One figure of a run, as it was expected and as it was measured."""

    name: str
    unit: Literal["s", "1/s"]
    expected: float
    measured: float

    @property
    def error(self) -> float:
        """The difference, as a share of what was expected."""
        return self.measured / self.expected - 1 if self.expected else 0.0


class PredictionListing(Model):
    """What `predict --json` prints."""

    figures: tuple[PredictedFigure, ...]


def predicted_cell(
    cell: Path, store: Path, behaviour: Behaviour, *, run: int = 0
) -> tuple[PredictedFigure, ...]:
    """Compute a run's figures without a network, and read the measured ones.

    Args:
        cell: Folder of the run, with its run.json.
        store: Folder of its workload's store.
        behaviour: The behaviour that the server was started with.
        run: How many runs the server served before.

    Raises:
        InputError: the run has no figures, is of another store, or the store cannot be used.
    """
    record = CellRecord.read(cell / CELL_RECORD)
    if record.figures is None:
        raise InputError(f"{cell}: the run ended early and has no figures; choose another.")
    requests = WorkloadStore.open(store)
    if requests.manifest.digest != record.store_sha256:
        raise InputError(f"{store}: the run in {cell} sent other requests; pass the store of its wave.")
    expected = replayed_figures(
        requests.slice(record.block, record.level.name, record.repeat),
        record.level,
        requests.manifest.workload,
        sent_bodies(requests, behaviour),
        behaviour,
        run=run,
    )
    if expected is None:
        raise InputError(f"{store}: has no measured request for the run in {cell}.")
    return tuple(compared_figures(expected, record.figures))


def compared_figures(expected: CellFigures, measured: CellFigures) -> Iterator[PredictedFigure]:
    """Yield throughput and latencies that both have."""
    yield PredictedFigure(name="qps", unit="1/s", expected=expected.qps, measured=measured.qps)
    for latency in _LATENCIES:
        both = getattr(expected, latency), getattr(measured, latency)
        if None in both:
            continue
        for statistic in _STATISTICS:
            values = [getattr(each, statistic) for each in both]
            if None not in values:
                yield PredictedFigure(
                    name=f"{latency} {statistic}", unit="s", expected=values[0], measured=values[1]
                )


def sent_bodies(store: WorkloadStore, behaviour: Behaviour) -> BodyOf:
    """Return a function of a request's body as the server gets it, without the model's name.

    Where a body repeats earlier answers of the server, they are computed as the server does.
    """
    holes, answers = Holes(store.path), AskedLengths("", behaviour)

    @cache
    def text(request: int) -> bytes:
        data = body(request)
        answer = answers.of(answers.key(data), answers.read(data)).right
        return (answer.text or "").encode()

    def body(request: int) -> bytes:
        stored, parts, at = bytes(store.body(request)), [], 0
        for hole in holes.of(request):
            parts += [stored[at : hole.position], text(hole.answered)]
            at = hole.position
        return b"".join([*parts, stored[at:]]) if parts else stored

    return body
