"""Run the official tools and our own check on every mutation; write the table, and keep the verdicts.

    PYTHONPATH=tests/unit python -m mutations REFERENCE [TABLE]

REFERENCE is a checkout of mlcommons/inference. TABLE is a Markdown file, by default runs/mutations.md.
"""

import sys
import tempfile
import time
from pathlib import Path

from mutations.all import CRASHED, all_mutations, judge_ourselves
from mutations.base import accepted_tree
from mutations.edits import Mutation
from mutations.verdicts import EXCEPTIONS, Verdicts, judge_officially, keep

Row = tuple[Mutation, str, Verdicts]


def main(reference: Path, table: Path) -> int:
    """Make the table; return 1 if an official tool refuses what our rules pass."""
    started = time.monotonic()
    mutations = [Mutation("nothing", lambda _: None), *all_mutations()]
    with tempfile.TemporaryDirectory() as scratch:
        tree = accepted_tree(Path(scratch))
        official = {
            mutation.name: verdicts for mutation, verdicts in judge_officially(tree, mutations, reference)
        }
        ours = judge_ourselves(tree, mutations)
        rows = [(mutation, said, official[mutation.name]) for mutation, said in ours]
    if rows[0][1] or not rows[0][2].accepted:
        sys.exit(f"The undamaged tree is not accepted: {rows[0][1] or rows[0][2]}")
    keep(official)
    gaps = [row for row in rows if not row[2].accepted and not row[1] and row[0].name not in EXCEPTIONS]
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text(_page(rows, gaps))
    print(f"{_summary(rows)}\n{len(gaps)} gaps, {time.monotonic() - started:.0f} s, written to {table}")
    for mutation, _, verdicts in gaps:
        print(f"gap: {mutation.name!r} ({verdicts.new}; {verdicts.old})")
    return 1 if gaps else 0


def _summary(rows: list[Row]) -> str:
    counts = {
        "mutations": len(rows) - 1,
        "refused by ours": sum(bool(said) for _, said, _ in rows),
        "by the new checker": sum(not each.new.startswith("accepted") for _, _, each in rows),
        "by the old checker": sum(not each.old.startswith("accepted") for _, _, each in rows),
        "by either, or with fewer results": sum(not each.accepted for _, _, each in rows),
        "ours crashed": sum(said.startswith(CRASHED) for _, said, _ in rows),
    }
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _page(rows: list[Row], gaps: list[Row]) -> str:
    stricter = [row for row in rows if row[2].accepted and row[1]]
    excepted = [row for row in rows if row[0].name in EXCEPTIONS]
    parts = [
        "# Verdicts on each mutation",
        _summary(rows),
        f"## An official tool refuses, ours passes: {len(gaps)}",
        _table(gaps),
        "## The older tool alone refuses, published results have it, ours warns",
        _table(excepted),
        f"## Ours refuses, both official tools accept: {len(stricter)}",
        _table(stricter),
        "## All",
        _table(rows),
    ]
    return "\n\n".join(parts) + "\n"


def _table(rows: list[Row]) -> str:
    lines = ["| mutation | ours | new checker | old checker |", "| --- | --- | --- | --- |"]
    for mutation, said, verdicts in rows:
        cells = (mutation.name, f"refused: {said}" if said else "accepted", verdicts.new, verdicts.old)
        lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").encode(errors="backslashreplace").decode().split())[:200]


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "runs/mutations.md")))
