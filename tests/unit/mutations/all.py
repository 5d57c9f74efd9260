"""All mutations, and our own verdict on each."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from mutations.base import ROUND
from mutations.edits import Mutation
from mutations.forks import in_forks
from mutations.logs import log_mutations
from mutations.statements import score_mutations, statement_mutations
from mutations.structure import structure_mutations
from weighbridge.submission.checker import check_submission


def all_mutations() -> list[Mutation]:
    """Return every mutation, in the order of the table."""
    return [*structure_mutations(), *log_mutations(), *statement_mutations(), *score_mutations()]


def judge_ourselves(tree: Path, mutations: Sequence[Mutation]) -> Iterator[tuple[Mutation, str]]:
    """Yield, for each mutation of a tree, the first error of our own rules; "" if they accept it."""
    return in_forks(_first_error, tree, mutations)


def _first_error(tree: Path) -> str:
    try:
        complaints = check_submission(tree, ROUND).complaints
    except Exception as error:
        return f"{CRASHED}: {type(error).__name__}: {error}"
    errors = (f"{each.file}: {each.said}" for each in complaints if each.level == "error")
    return next(errors, "")


CRASHED = "CRASHED"
