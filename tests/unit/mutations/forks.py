"""Judge many damaged copies of a tree, each in a fork of this process."""

import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from mutations.edits import Mutation

# Thousands of small trees are written and removed; most disks are slow at that.
_IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
_WORK: list[tuple[Path, Mutation, Callable[[Path], object]]] = []  # what the forks inherit

T = TypeVar("T")


def in_forks(
    judge: Callable[[Path], T], tree: Path, mutations: Sequence[Mutation], fresh: bool = False
) -> Iterator[tuple[Mutation, T]]:
    """Yield what a function returns for the tree with each defect, in the order of the defects.

    Args:
        judge: Called with the root of a damaged copy.
        tree: The undamaged tree.
        mutations: The defects.
        fresh: True: a process judges one tree only, so that nothing of it reaches the next.
    """
    _WORK[:] = [(tree, mutation, judge) for mutation in mutations]
    context = multiprocessing.get_context("fork")
    with context.Pool(os.cpu_count(), maxtasksperchild=1 if fresh else None) as pool:
        results = pool.imap(_judge, range(len(mutations)), chunksize=1 if fresh else 8)
        yield from zip(mutations, results, strict=True)  # type: ignore[misc]


def _judge(number: int) -> object:
    tree, mutation, judge = _WORK[number]
    with tempfile.TemporaryDirectory(dir=_IN_MEMORY) as scratch:
        damaged = Path(scratch) / "tree"
        shutil.copytree(tree, damaged)
        mutation.edit(damaged)
        return judge(damaged)
