"""A checkout with a finished run in it, to be edited, moved and copied."""

import ast
import shutil
from pathlib import Path

from driver import Answer
from small_run import ROOT, SmallRun

PARTS = ("Snakefile", "config.yaml", "demo", "envs", "profiles", "src", "workflow")


class Checkout:
    """A copy of this checkout, with a copy of a finished run in its runs/demo."""

    def __init__(self, root: Path, run: SmallRun) -> None:
        self.root, self.run = root, run

    @classmethod
    def with_run(cls, root: Path, finished: SmallRun) -> "Checkout":
        root.mkdir()
        for part in PARTS:
            if (ROOT / part).is_dir() and not (ROOT / part).is_symlink():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(ROOT / part, root / part, symlinks=True, ignore=ignored)
            else:
                shutil.copy2(ROOT / part, root / part, follow_symlinks=False)
        return cls(root, finished.copied_to(root / "runs" / "demo", root))

    def __call__(self, *arguments: str, **changes: object) -> Answer:
        """Run snakemake with the run's settings and some changes."""
        return self.run.workflow(*arguments, **(self.run.changes | changes))

    def plan(self, *targets: str, **changes: object) -> str:
        """Return what a dry run says; it succeeds."""
        answer = self("-n", *(targets or ("submission",)), **changes)
        assert answer.code == 0, answer.text
        return answer.text

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace a text in a file, which must be there once."""
        text = (self.root / path).read_text()
        assert text.count(old) == 1, f"{path}: {old!r} is there {text.count(old)} times"
        (self.root / path).write_text(text.replace(old, new))

    def append(self, path: str, text: str) -> None:
        with (self.root / path).open("a") as file:
            file.write(text)

    def add_field(self, path: str, model: str, field: str) -> None:
        """Add a field to a pydantic model, after its docstring."""
        lines = (self.root / path).read_text().splitlines(keepends=True)
        [node] = [
            node
            for node in ast.parse("".join(lines)).body
            if isinstance(node, ast.ClassDef) and node.name == model
        ]
        lines.insert(node.body[0].end_lineno or 0, f"    {field}\n")
        (self.root / path).write_text("".join(lines))

    def moved_to(self, root: Path) -> "Checkout":
        """Move everything, results too."""
        shutil.move(self.root, root)
        return Checkout(root, SmallRun(root / "runs" / "demo", root, self.run.port))
