"""The order of the systems in each block, so that a drift of the machine favours none of them."""

from collections.abc import Sequence
from random import Random
from typing import Literal


def orders(
    systems: Sequence[str], blocks: int, kind: Literal["balanced", "sequential"], seed: int
) -> tuple[tuple[str, ...], ...]:
    """Return the systems in the order in which each block measures them, shape (blocks, systems).

    Balanced: of two systems A B, B A and so on. Of more, rows of a Williams square, in which each follows
    each other one equally often; every second row is the one before reversed, so that a linear drift cancels
    over any even number of blocks. Sequential: as given.

    Args:
        systems: Their names.
        blocks: How many blocks there are.
        kind: As above.
        seed: Decides which system has which column of the square, and in which order its rows are used.
    """
    if kind == "sequential" or len(systems) == 1:
        return (tuple(systems),) * blocks
    if len(systems) == 2:
        there = tuple(systems)
        return tuple(there if block % 2 == 0 else there[::-1] for block in range(blocks))
    random = Random(seed)  # noqa: S311 no secret
    names, rows = list(systems), _half_square(len(systems))
    random.shuffle(names)
    random.shuffle(rows)
    pairs = [[names[place] for place in row] for row in rows]
    there_and_back = [order for pair in pairs for order in (tuple(pair), tuple(reversed(pair)))]
    return tuple(there_and_back[block % len(there_and_back)] for block in range(blocks))


def _half_square(size: int) -> list[list[int]]:
    """Return the rows of a Williams square without those that are another one's reverse.

    Source: E. J. Williams, Experimental designs balanced for the estimation of residual effects, 1949.
    """
    zigzag = (step // 2 + 1 if step % 2 else size - step // 2 for step in range(1, size))
    first = [0, *(place % size for place in zigzag)]
    # Of an even number of systems, the second half of the square is the first one reversed.
    rows = size // 2 if size % 2 == 0 else size
    return [[(place + row) % size for place in first] for row in range(rows)]
