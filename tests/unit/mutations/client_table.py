"""Run the official checker, our check and our gate on every mutation of the official client's results.

    PYTHONPATH=tests/unit python -m mutations.client_table REFERENCE [TABLE]

REFERENCE is a checkout of mlcommons/inference. TABLE is a Markdown file, by default
runs/endpoints-mutations.md. The checker's verdicts are kept beside this file for the tests.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from published_client_results import ROUND, write_published_tree

from mutations.client_results import OurVerdict, client_mutations, judge_client_tree
from mutations.edits import Mutation
from mutations.verdicts import NEW, judge_by_tools, verdict_of

KEPT = Path(__file__).with_name("official_client_verdicts.tsv")
ACCEPTED = "accepted 2"  # with a result of each scenario
_HEAD = ("mutation", "official checker", "our check", "our gate")


def main(reference: Path, table: Path) -> int:
    """Make the table; return 1 if the official checker refuses what ours passes."""
    mutations = [Mutation("nothing", lambda _: None), *client_mutations()]
    with tempfile.TemporaryDirectory() as scratch:
        tree = write_published_tree(Path(scratch) / "tree")
        said = official_verdicts(tree, mutations, reference)
        ours = {each.name: verdict for each, verdict in judge_client_tree(tree, mutations)}
    if said["nothing"] != ACCEPTED or ours["nothing"].refused:
        sys.exit(f"The undamaged tree is not accepted: {said['nothing']}; {ours['nothing']}")
    KEPT.write_text("".join(f"{name}\t{verdict}\n" for name, verdict in said.items()), encoding="utf-8")
    gaps = [name for name, verdict in said.items() if verdict != ACCEPTED and not ours[name].refused]
    alone = [name for name, verdict in said.items() if verdict == ACCEPTED and ours[name].refused]
    both = sum(verdict != ACCEPTED and ours[name].refused for name, verdict in said.items())
    line = (
        f"{len(said) - 1} mutations: {both} refused by both, {len(alone)} by ours alone, {len(gaps)} by the "
        f"official checker alone, {len(said) - 1 - both - len(alone) - len(gaps)} accepted by both"
    )
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text(_page(line, said, ours))
    print(f"{line}; written to {table}")
    for name in gaps:
        print(f"gap: {name!r} ({said[name]})")
    return 1 if gaps else 0


def official_verdicts(tree: Path, mutations: Sequence[Mutation], reference: Path) -> dict[str, str]:
    """Return what the official checker says of each mutation of a tree, by the mutation's name."""
    return {each.name: said for each, said in judge_by_tools(_official, tree, mutations, reference)}


def _official(tree: Path) -> str:
    return verdict_of(NEW, tree, ROUND.checker_version)


def kept_client_verdicts() -> dict[str, str]:
    """Return what the official checker said when the table was last made, by the mutation's name."""
    lines = KEPT.read_text(encoding="utf-8").splitlines()
    return dict(line.rsplit("\t", 1) for line in lines)


def _page(line: str, said: dict[str, str], ours: dict[str, OurVerdict]) -> str:
    rows = [_HEAD, ("---",) * len(_HEAD)]
    for name, verdict in said.items():
        cells = (name, verdict, ours[name].check or "accepted", ours[name].gate or "no failed check")
        rows.append(tuple(" ".join(cell.replace("|", "\\|").split())[:160] for cell in cells))
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"# Verdicts on each mutation of the official client's results\n\n{line}\n\n{table}\n"


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    sys.exit(
        main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "runs/endpoints-mutations.md"))
    )
