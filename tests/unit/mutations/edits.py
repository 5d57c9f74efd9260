"""Small edits of a tree's files and folders, as functions of the tree's root."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

SUBMITTER = "closed/Me"
RESULTS = f"{SUBMITTER}/results/box/qwen3-vl-235b-a22b"
SYSTEM = f"{SUBMITTER}/systems/box.json"
DETAIL, SUMMARY, ANSWERS = "mlperf_log_detail.txt", "mlperf_log_summary.txt", "mlperf_log_accuracy.json"
PREFIX = ":::MLLOG "

Edit = Callable[[Path], None]


@dataclass(frozen=True)
class Mutation:
    """One defect.

    Attributes:
        name: Unique and stable: the kept verdicts are found by it.
        edit: Makes the defect in a tree.
    """

    name: str
    edit: Edit


def scenario_file(scenario: str, inner: str) -> str:
    """Return the path of a file in the folder of a scenario."""
    return f"{RESULTS}/{scenario}/{inner}"


def write(name: str, content: str | bytes) -> Edit:
    """Write a file, and the folders above it."""

    def edit(tree: Path) -> None:
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return edit


def remove(name: str) -> Edit:
    """Remove a file or a folder."""

    def edit(tree: Path) -> None:
        shutil.rmtree(tree / name) if (tree / name).is_dir() else (tree / name).unlink()

    return edit


def move(name: str, to: str) -> Edit:
    """Rename or move a file or a folder."""

    def edit(tree: Path) -> None:
        (tree / to).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).rename(tree / to)

    return edit


def copy(name: str, to: str) -> Edit:
    """Copy a file or a folder."""

    def edit(tree: Path) -> None:
        (tree / to).parent.mkdir(parents=True, exist_ok=True)
        if (tree / name).is_dir():
            shutil.copytree(tree / name, tree / to)
        else:
            shutil.copyfile(tree / name, tree / to)

    return edit


def link(name: str, to: str) -> Edit:
    """Make a symbolic link."""

    def edit(tree: Path) -> None:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).symlink_to(to)

    return edit


def folder(name: str) -> Edit:
    """Make an empty folder."""

    def edit(tree: Path) -> None:
        (tree / name).mkdir(parents=True)

    return edit


def changed(name: str, change: Callable[[bytes], bytes]) -> Edit:
    """Change the bytes of a file; a change that changes nothing is an error of the table."""

    def edit(tree: Path) -> None:
        before = (tree / name).read_bytes()
        after = change(before)
        assert after != before, f"{name} was not changed"
        (tree / name).write_bytes(after)

    return edit


def replaced(name: str, old: str, new: str) -> Edit:
    """Replace a text of a file."""
    return changed(name, lambda content: content.replace(old.encode(), new.encode()))


def json_values(name: str, change: Callable[[dict[str, Any]], object]) -> Edit:
    """Change the object of a JSON file in place."""

    def edit(tree: Path) -> None:
        values = json.loads((tree / name).read_text())
        change(values)
        (tree / name).write_text(json.dumps(values, indent=2))

    return edit


def yaml_values(name: str, change: Callable[[dict[str, Any]], object]) -> Edit:
    """Change the object of a YAML file in place."""

    def edit(tree: Path) -> None:
        values = yaml.safe_load((tree / name).read_text())
        change(values)
        (tree / name).write_text(yaml.safe_dump(values, sort_keys=False))

    return edit


def log_entries(name: str, change: Callable[[list[dict[str, Any]]], object]) -> Edit:
    """Change the entries of a detail log in place."""

    def edit(tree: Path) -> None:
        entries = [json.loads(line[len(PREFIX) :]) for line in (tree / name).read_text().splitlines()]
        change(entries)
        (tree / name).write_text("".join(f"{PREFIX}{json.dumps(entry)}\n" for entry in entries))

    return edit


def both(*edits: Edit) -> Edit:
    """Make several edits, one after the other."""

    def edit(tree: Path) -> None:
        for each in edits:
            each(tree)

    return edit
