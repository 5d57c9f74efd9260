"""What one line of faults works with: a zygote, a world, and folders of its own."""

import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from injection.commands import ARRIVES_WITHIN_S, Zygote
from injection.stages import assemble_good
from injection.world import World, world


@dataclass(frozen=True)
class Bench:
    """A place at which faults are tried, one after the other."""

    folder: Path
    zygote: Zygote
    world: World
    draw: random.Random = field(default_factory=lambda: random.Random(1))

    def fresh(self) -> Path:
        """Return the path of a run's folder that is not there yet."""
        out = self.folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        return out

    def when(self, condition: Callable[[], bool], then: Callable[[], object]) -> bool:
        """Do something as soon as a condition holds; return whether it did in time."""
        deadline = time.monotonic() + ARRIVES_WITHIN_S
        while time.monotonic() < deadline:
            if condition():
                then()
                return True
            time.sleep(0.005)
        return False


@contextmanager
def bench(library: Path, folder: Path) -> Iterator[Bench]:
    """Make a place for faults below a folder."""
    with Zygote(library, folder / "zygote") as zygote, world(folder / "world", zygote) as made:
        assemble_good(zygote, made)
        yield Bench(folder, zygote, made)
