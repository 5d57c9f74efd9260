"""The verdicts of the official tools: measured with a reference, and kept for tests without one."""

import csv
import importlib
import io
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mutations.base import ROUND
from mutations.edits import Mutation
from mutations.forks import in_forks

NEW, OLD = "submission_checker.main", "submission_checker_old"
KEPT = Path(__file__).with_name("official_verdicts.tsv")
# What the older tool alone refuses and ours warns of, because published results of v6.0 have it.
EXCEPTIONS = ("structure: metadata.json in run_1", "structure: metadata.json in accuracy")
T = TypeVar("T")
_RESULT_COLUMNS = ("Division", "Organization", "Platform", "Model", "Scenario")


@dataclass(frozen=True)
class Verdicts:
    """What both official tools say of a tree: 'accepted 2', 'refused 1' or 'crashed ValueError'."""

    new: str
    old: str

    @property
    def accepted(self) -> bool:
        """Return whether both tools accept the tree and count a result for each scenario, or more."""
        return all(
            outcome == "accepted" and int(results) >= len(ROUND.scenarios)
            for outcome, _, results in (each.partition(" ") for each in (self.new, self.old))
        )


def judge_officially(
    tree: Path, mutations: Sequence[Mutation], reference: Path
) -> Iterator[tuple[Mutation, Verdicts]]:
    """Yield the verdicts of both tools on each mutation of a tree of LoadGen's round.

    Args:
        tree: The undamaged tree.
        mutations: The defects.
        reference: A checkout of mlcommons/inference.
    """
    yield from judge_by_tools(_verdicts, tree, mutations, reference)


def judge_by_tools(
    judge: Callable[[Path], T], tree: Path, mutations: Sequence[Mutation], reference: Path
) -> Iterator[tuple[Mutation, T]]:
    """Yield what a function that calls the official tools says of each mutation; else as `judge_officially`.

    Args:
        judge: Called with the root of a damaged copy, where both tools can be imported.
        tree: The undamaged tree.
        mutations: The defects.
        reference: A checkout of mlcommons/inference.
    """
    places = [str(reference.resolve() / "tools" / "submission")]
    before = sys.dont_write_bytecode, sys.path[:], sys.argv
    sys.dont_write_bytecode, sys.path[:0] = True, places
    try:
        for module in (NEW, OLD):
            importlib.import_module(module)
        logging.disable(logging.CRITICAL)
        yield from in_forks(judge, tree, mutations, fresh=True)
    finally:
        logging.disable(logging.NOTSET)
        sys.dont_write_bytecode, sys.path[:], sys.argv = before


def _verdicts(tree: Path) -> Verdicts:
    return Verdicts(*(verdict_of(module, tree, ROUND.checker_version) for module in (NEW, OLD)))


def verdict_of(module: str, tree: Path, version: str | None) -> str:
    """Return what one official tool says of a tree of a round, such as 'accepted 2'."""
    table = tree.with_name("results.csv")
    sys.argv = [module, "--input", str(tree), "--version", str(version), "--csv", str(table)]
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        try:
            code = sys.modules[module].main()
        except BaseException as error:
            return f"crashed {type(error).__name__}"
        finally:
            os.chdir("/")  # the old tool changes into the tree, which is removed afterwards
    with table.open(newline="", errors="replace") as stream:
        results = len({tuple(row.get(name) for name in _RESULT_COLUMNS) for row in csv.DictReader(stream)})
    return f"{'refused' if code else 'accepted'} {results}"


def kept_verdicts() -> dict[str, Verdicts]:
    """Return the verdicts that were measured when the table was last made, by the mutation's name."""
    kept = {}
    new = old = ""
    for line in KEPT.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        if not line.startswith("\t"):
            new, old = line.split("\t")
        else:
            kept[line[1:]] = Verdicts(new, old)
    return kept


def keep(verdicts: dict[str, Verdicts]) -> None:
    """Write the verdicts to the file that the tests read, grouped by verdict."""
    lines = ["# new checker, old checker; below them, indented, the mutations with these verdicts"]
    for said in sorted({(each.new, each.old) for each in verdicts.values()}):
        names = sorted(name for name, each in verdicts.items() if (each.new, each.old) == said)
        lines += ["\t".join(said), *(f"\t{name}" for name in names)]
    KEPT.write_text("\n".join(lines) + "\n", encoding="utf-8")
