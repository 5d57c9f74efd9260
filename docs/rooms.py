#!/usr/bin/env python3
"""Read which room of the package imports which, and draw it into docs/architecture.md.

    python docs/rooms.py           write the diagram anew (`make diagram`)

tests/unit/test_structure.py uses the functions here to check the order of the rooms.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "weighbridge"
PAGE = ROOT / "docs" / "architecture.md"
# Each room imports only from rooms that stand before it.
ORDER = (
    "core",
    "config",
    "records",
    "artifacts",
    "benchmarks",
    "requests",
    "system",
    "client",
    "loadgen",
    "serving",
    "endpoints",
    "run",
    "monitor",
    "evaluation",
    "disturbances",
    "gates",
    "search",
    "sweep",
    "quality",
    "submission",
    "provenance",
    "history",
    "report",
    "simulate",
    "cli",
)
BEGIN, END = "<!-- diagram: written by docs/rooms.py -->\n", "<!-- end of the diagram -->\n"


def modules(package: Path = PACKAGE) -> dict[str, Path]:
    """Return the files of the package by dotted module name; demo folders hold programs of their own."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        if "demo" not in parts:
            found[".".join((package.name, *(part for part in parts if part != "__init__")))] = path
    return found


def imports(package: Path = PACKAGE) -> dict[str, set[str]]:
    """Return the modules of the package that each module imports, at whatever place in its file."""
    known = modules(package)
    return {name: set(_imported(path, known)) - {name} for name, path in known.items()}


def _imported(path: Path, known: dict[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module in known:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in known else node.module


def room_of(module: str) -> str:
    """Return the room of a module: the folder right below the package; empty for the package itself."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] != "__main__" else ""


def room_imports(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return the rooms that each room imports, from the imports of the modules."""
    rooms: dict[str, set[str]] = {room_of(module): set() for module in graph if room_of(module)}
    for module, imported in graph.items():
        for other in imported:
            if room_of(module) and room_of(other) not in ("", room_of(module)):
                rooms[room_of(module)].add(room_of(other))
    return rooms


def reduced(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return the graph without edges against the order, and without those that a longer way implies."""
    place = {room: number for number, room in enumerate(ORDER)}
    forward = {room: {each for each in near if place[each] < place[room]} for room, near in graph.items()}
    reachable: dict[str, set[str]] = {}
    for room in sorted(forward, key=ORDER.index):
        reachable[room] = forward[room].union(*(reachable[each] for each in forward[room]))
    return {
        room: {each for each in near if not any(each in reachable[other] for other in near - {each})}
        for room, near in forward.items()
    }


def diagram(rooms: dict[str, set[str]]) -> str:
    """Draw the rooms as a Mermaid flowchart; an arrow points from a room to one that imports it."""
    lines = ["```mermaid", "flowchart TD"]
    near = reduced(rooms)
    for room in sorted(rooms, key=ORDER.index):
        lines += [f"    {other} --> {room}" for other in sorted(near[room], key=ORDER.index)]
        lines += [] if near[room] else [f"    {room}"]
    return "\n".join([*lines, "```", ""])


def levels(near: dict[str, set[str]]) -> list[list[str]]:
    """Return the rooms in rows, each below all rooms that it imports."""
    depth: dict[str, int] = {}
    for room in sorted(near, key=ORDER.index):
        depth[room] = 1 + max((depth[other] for other in near[room]), default=-1)
    rows: list[list[str]] = [[] for _ in range(1 + max(depth.values()))]
    for room, row in depth.items():
        rows[row].append(room)
    return rows


def drawing(rooms: dict[str, set[str]]) -> str:
    """Draw the rooms as SVG in the text's colour, for pages that run no Mermaid."""
    near = reduced(rooms)
    rows = levels(near)
    step_x, step_y, half_width, half_height = 110, 54, 46, 13
    width, height = step_x * max(map(len, rows)), step_y * len(rows)
    at = {
        room: (round((column + 0.5) * width / len(row)), step_y * number + step_y // 2)
        for number, row in enumerate(rows)
        for column, room in enumerate(row)
    }
    lines = [
        f'<line x1="{at[other][0]}" y1="{at[other][1] + half_height}" x2="{x}" y2="{y - half_height}"/>'
        for room, (x, y) in at.items()
        for other in sorted(near[room], key=ORDER.index)
    ]
    boxes = [
        f'<rect x="{x - half_width}" y="{y - half_height}" width="{2 * half_width}" '
        f'height="{2 * half_height}" rx="4"/>'
        f'<text x="{x}" y="{y + 4}">{room}</text>'
        for room, (x, y) in at.items()
    ]
    title = "Rooms of the package; a line leads down from a room to one that imports it"
    return "\n".join(
        [
            f'<svg class="rooms" viewBox="0 0 {width} {height}" role="img" aria-label="{title}">',
            *lines,
            *boxes,
            "</svg>",
            "",
        ]
    )


def with_diagram(page: str, drawn: str) -> str:
    """Return a page's text with the diagram between its two marks."""
    before, rest = page.split(BEGIN)
    return before + BEGIN + drawn + END + rest.split(END)[1]


if __name__ == "__main__":
    PAGE.write_text(with_diagram(PAGE.read_text(), diagram(room_imports(imports()))))
