"""The structure of the package: order of the rooms, no circles, unique names, files of a readable length."""

import ast
import importlib
import importlib.util
import re
from collections import defaultdict
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_SPEC = importlib.util.spec_from_file_location("rooms", ROOT / "docs" / "rooms.py")
assert _SPEC is not None
assert _SPEC.loader is not None
rooms = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(rooms)

MODULES: dict[str, Path] = rooms.modules()
GRAPH: dict[str, set[str]] = rooms.imports()
MAX_LINES = 300


def _backward(graph: Mapping[str, set[str]]) -> set[tuple[str, str]]:
    """Return each import (importer, imported) that runs from a room to one that stands after it."""
    place = {"": -1} | {room: number for number, room in enumerate(rooms.ORDER)}
    return {
        (module, other)
        for module, imported in graph.items()
        for other in imported
        if module != "weighbridge.__main__" and place[rooms.room_of(other)] > place[rooms.room_of(module)]
    }


def _circle(graph: Mapping[str, set[str]]) -> list[str]:
    """Return the nodes of one circle, the first again at the end; none: an empty list."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_every_folder_of_the_package_is_a_room_of_the_order() -> None:
    assert {rooms.room_of(module) for module in MODULES} - {""} <= set(rooms.ORDER)


def test_the_page_on_architecture_lists_the_rooms_in_their_order() -> None:
    table = re.findall(r"^\| `(\w+)` \|", rooms.PAGE.read_text().partition("## Rooms")[2], re.MULTILINE)
    there = {rooms.room_of(module) for module in MODULES} - {""}
    assert table == [room for room in rooms.ORDER if room in there]


def test_no_import_runs_back_up_the_order_of_the_rooms() -> None:
    assert _backward(GRAPH) == set()


def test_no_rooms_import_each_other_in_a_circle() -> None:
    assert _circle(rooms.room_imports(GRAPH)) == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert _circle(GRAPH) == []


def _plugin(path: Path) -> str:
    """Return the benchmark's folder that a file is in; every benchmark has its own task.py, for example."""
    parts = path.relative_to(rooms.PACKAGE).parts
    return parts[1] if parts[0] == "benchmarks" and len(parts) > 2 else ""


def test_no_two_modules_have_the_same_file_name() -> None:
    places = defaultdict(list)
    for path in MODULES.values():
        if path.stem not in ("__init__", "__main__"):
            places[path.stem].append(path)
    twice = {
        stem: [str(path.relative_to(rooms.PACKAGE)) for path in paths]
        for stem, paths in places.items()
        if len(paths) > 1 and len({_plugin(path) for path in paths} - {""}) < len(paths)
    }
    assert twice == {}


def test_no_two_public_types_have_the_same_name() -> None:
    places = defaultdict(list)
    for module, path in MODULES.items():
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(module)
    assert {name: modules for name, modules in places.items() if len(modules) > 1} == {}


def test_no_file_is_too_long_to_read_at_once() -> None:
    lengths = {name: len(path.read_text().splitlines()) for name, path in MODULES.items()}
    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}


def _outside() -> list[Path]:
    """Return the files outside the package that import from it and that no test runs as a whole."""
    return [
        *(ROOT / "bench").glob("*.py"),
        *(ROOT / "workflow" / "rules").glob("*.smk"),
        *rooms.PACKAGE.glob("benchmarks/*/demo/*.py"),
        *(ROOT / "tests" / "end_to_end").glob("*.py"),
        *(ROOT / "tests" / "cluster").glob("*.py"),
    ]


@pytest.mark.parametrize("path", _outside(), ids=lambda path: path.name)
def test_what_files_outside_import_from_the_package_exists(path: Path) -> None:
    statement = r"^ *from (weighbridge[\w.]*) import (\([^)]*\)|[^\n]*)"
    for module, names in re.findall(statement, path.read_text(), re.MULTILINE):
        imported = importlib.import_module(module)
        for name in re.findall(r"(\w+)(?: as \w+)?(?:,|\s|\)|$)", re.sub(r"#.*", "", names).strip("()")):
            assert hasattr(imported, name) or f"{module}.{name}" in MODULES, f"{module} has no {name}"


# The checks themselves, on small packages that break each rule.


def _package(folder: Path, files: Mapping[str, str]) -> dict[str, set[str]]:
    package = folder / "weighbridge"
    for name, text in files.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(text)
    graph: dict[str, set[str]] = rooms.imports(package)
    return graph


@pytest.mark.parametrize(
    "text",
    [
        "import weighbridge.gates.judge\n",
        "from weighbridge.gates import judge\n",
        "from weighbridge.gates.judge import Judge\n",
        "def late():\n    from weighbridge.gates import judge\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from weighbridge.gates import judge\n",
    ],
)
def test_an_import_back_up_is_seen_wherever_it_stands(tmp_path: Path, text: str) -> None:
    graph = _package(tmp_path, {"core/files.py": text, "gates/judge.py": ""})
    assert _backward(graph) == {("weighbridge.core.files", "weighbridge.gates.judge")}


def test_a_circle_of_modules_is_seen(tmp_path: Path) -> None:
    files = {
        f"core/{name}.py": f"from weighbridge.core import {other}\n" for name, other in ("ab", "bc", "ca")
    }
    assert {each[-1] for each in _circle(_package(tmp_path, files))} == {"a", "b", "c"}


def test_the_diagram_leaves_out_what_a_longer_way_implies() -> None:
    graph = {"core": set(), "config": {"core"}, "cli": {"core", "config"}}
    assert rooms.diagram(graph).splitlines()[2:-1] == [
        "    core",
        "    core --> config",
        "    config --> cli",
    ]


def test_the_diagram_in_the_docs_is_that_of_the_imports() -> None:
    page = rooms.PAGE.read_text()
    assert rooms.with_diagram(page, rooms.diagram(rooms.room_imports(GRAPH))) == page, "run `make diagram`"
