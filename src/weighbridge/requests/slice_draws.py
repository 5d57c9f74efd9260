"""All that is drawn of a slice's conversations except texts and images: how many of what, and how long."""

from dataclasses import dataclass, field
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from weighbridge.config.load_level import LoadLevel
from weighbridge.config.scenario_rules import LONGEST_S
from weighbridge.config.workload import Workload
from weighbridge.records.sweep_plan import PhaseCounts
from weighbridge.requests.arrivals import due_times
from weighbridge.requests.draws import Sampler, Values, generator
from weighbridge.requests.turns import RunPhase

_MOST_IMAGES, _MOST_TURNS, _MOST_TOKENS = 255, 1000, 2**24


@dataclass(frozen=True)
class SliceSpec:
    """What is sent in one block at one load.

    Attributes:
        block: Number of the block, from 1; 0 is free for runs before the first.
        repeat: Number of the run within its session, from 1.
        level: The load.
        counts: Conversations by phase.
    """

    block: int
    repeat: int
    level: LoadLevel
    counts: PhaseCounts

    @property
    def number(self) -> int:
        """Where it is drawn: from what it is, so that other slices beside it change nothing."""
        return crc32(f"{self.block}/{self.repeat}/{self.level.name}".encode())


@dataclass(frozen=True)
class SlicePart:
    """The conversations of one phase of a slice; n conversations of at most m turns.

    Attributes:
        seed: The workload's.
        place: Where its values are drawn: slice, phase, and what earlier stores have taken.
        phase: The phase.
        first: Number of its first conversation in the slice.
        turns: Turns of each conversation, shape (n,).
        images, output: Images and output tokens of each turn, shape (m, n).
        think: Time before each turn in s, shape (m, n).
        prefix: Group of each conversation's shared prefix, shape (n,); -1: it has none.
        due: When each is due, in s, shape (n,); NaN in closed loops.
    """

    seed: int
    place: tuple[int, ...]
    phase: RunPhase
    first: int
    turns: NDArray[np.int64]
    images: NDArray[np.int64]
    output: NDArray[np.int64]
    think: Values
    prefix: NDArray[np.int64]
    due: Values
    _streams: dict[tuple[str, int], np.random.Generator] = field(default_factory=dict, repr=False)

    def stream(self, component: str, turn: int) -> np.random.Generator:
        """Return the stream of a component of one turn, where the last use of it left it."""
        key = component, turn
        if key not in self._streams:
            self._streams[key] = generator(self.seed, f"{component}/{turn}", *self.place)
        return self._streams[key]

    @property
    def sent(self) -> NDArray[np.bool_]:
        """Which turns there are, shape (m, n)."""
        return np.asarray(np.arange(len(self.output))[:, None] < self.turns)


class SliceDraws:
    """Draws the slices of one workload."""

    def __init__(self, workload: Workload) -> None:
        """Prepare the distributions.

        Raises:
            InputError: a distribution's file cannot be read, or its bounds hold no value.
        """
        self.workload = workload
        images, later = workload.images_per_turn.first, workload.images_per_turn.later
        self.turns = Sampler(workload.turns, "turns", whole=True, lowest=1, most=_MOST_TURNS)
        self._first = Sampler(images, "images_per_turn", whole=True, lowest=0, most=_MOST_IMAGES)
        self._later = Sampler(later, "images_per_turn.later", whole=True, lowest=0, most=_MOST_IMAGES)
        self._output = Sampler(
            workload.output_tokens, "output_tokens", whole=True, lowest=1, most=_MOST_TOKENS
        )
        self._think = Sampler(workload.think_time_s, "think_time_s", whole=False, lowest=0, most=LONGEST_S)

    def parts(self, given: SliceSpec, skip: int) -> list[SlicePart]:
        """Return a slice's conversations by phase, in the order in which they are issued.

        Args:
            given: The slice.
            skip: Number of conversations of earlier stores; another number draws others.

        Raises:
            InputError: a number that was drawn is too large, or a trace is too short.
        """
        due = due_times(given.level, given.counts, self.workload.seed, f"{given.block}/{given.repeat}", skip)
        counts = (given.counts.warmup, given.counts.measured, given.counts.cooldown)
        found, first = [], 0
        for phase, count in zip(RunPhase, counts, strict=True):
            found.append(self._part(given, phase, first, due[first : first + count], skip))
            first += count
        return found

    def _part(self, given: SliceSpec, phase: RunPhase, first: int, due: Values, skip: int) -> SlicePart:
        workload, count, place = self.workload, len(due), (given.number, int(phase), skip)

        def stream(component: str, turn: int = 0) -> np.random.Generator:
            return generator(workload.seed, f"{component}/{turn}", *place)

        turns = self.turns.draw(stream("turns"), count).astype(np.int64)
        most = int(turns.max(initial=1))
        images = [
            (self._later if turn else self._first).draw(stream("image_count", turn), count)
            for turn in range(most)
        ]
        output = [self._output.draw(stream("output_len", turn), count) for turn in range(most)]
        think = [self._think.draw(stream("think", turn), count) for turn in range(1, most)]
        shared = workload.shared_prefix
        prefix = np.full(count, -1)
        if shared is not None:
            chosen = stream("prefix").random((count, 2))
            groups = np.minimum((chosen[:, 1] * shared.groups).astype(np.int64), shared.groups - 1)
            prefix = np.where(chosen[:, 0] < shared.share, groups, -1)
        return SlicePart(
            workload.seed,
            place,
            phase,
            first,
            turns,
            np.array(images, dtype=np.int64),
            np.array(output, dtype=np.int64),
            np.array([np.zeros(count), *think]),
            prefix,
            due,
        )
