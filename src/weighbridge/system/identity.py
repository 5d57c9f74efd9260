"""Which code ran, and where: the checkout's revision, the package's hash, the host."""

import ast
import hashlib
import os
import platform
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import psutil

from weighbridge.records.run_record import Host

_PACKAGE = Path(__file__).parents[1]


# What the processes of a measurement start with: the session, the issuer, each client worker, and LoadGen's;
# and the server adapters, which a session imports by name.
_ENTRY_MODULES = (
    "run.session",
    "loadgen.loadgen_issuer",
    "client.worker",
    "loadgen.loadgen_process",
    "serving.vllm",
    "serving.sglang",
)
# Likewise of a run of a sweep.
_SWEEP_MODULES = (
    "sweep.conduct",
    "client.worker",
    "client.issuing_process",
    "serving.vllm",
    "serving.sglang",
)
_STATUS = ("status", "--porcelain=v2", "--branch", "--untracked-files=no")
_SIMULATION_MODULES = ("simulate.simulated_server", "simulate.asked_lengths")
# What parsing a file that is no Python raises; ValueError: Python 3.11 at a null byte.
UNREADABLE = (SyntaxError, ValueError, RecursionError)


@cache
def code_sha256() -> str:
    """Hash the modules that a measurement imports, by name and content.

    It decides whether two runs of a scenario were measured by the same code. Modules that no measuring
    process imports, such as the report's, are not part of it; nor is what only type checkers import.
    """
    return code_sha256_of(_PACKAGE)


def code_sha256_of(package: Path) -> str:
    """Hash the same modules of a copy of this package.

    Raises:
        UNREADABLE: a module of the copy is no Python.
    """
    return _hash_of(package, _ENTRY_MODULES)


@cache
def sweep_code_sha256() -> str:
    """Hash the modules that a run of a sweep imports, likewise."""
    return _hash_of(_PACKAGE, _SWEEP_MODULES)


@cache
def simulation_sha256() -> str:
    """Hash the modules that the simulated server imports, likewise."""
    return simulation_sha256_of(_PACKAGE)


def simulation_sha256_of(package: Path) -> str:
    """Hash the same modules of a copy of this package.

    Raises:
        UNREADABLE: a module of the copy is no Python.
    """
    return _hash_of(package, _SIMULATION_MODULES)


def _hash_of(package: Path, modules: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for path in sorted(imported_files(package, modules)):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0")
        digest.update(path.read_bytes())
    return digest.hexdigest()


def imported_files(package: Path, modules: tuple[str, ...]) -> set[Path]:
    """Find the files of a package that its modules import, directly or not, at the top or in functions.

    Args:
        package: The package's folder.
        modules: Where to start, named from the package: "run.session".
    """
    found: set[Path] = set()
    waiting = [f"{package.name}.{module}" for module in modules]
    while waiting:
        parts = waiting.pop().split(".")
        # Importing a.b.c runs the files of a, a.b and a.b.c; the last part may name a function instead.
        for length in range(1, len(parts) + 1):
            file = _file_of(package, parts[1:length])
            if file is not None and file not in found:
                found.add(file)
                waiting.extend(
                    name
                    for name in _imports(ast.parse(file.read_bytes()))
                    if name.partition(".")[0] == package.name
                )
    return found


def _file_of(package: Path, parts: list[str]) -> Path | None:
    path = package.joinpath(*parts)
    files = (path / "__init__.py", path.with_suffix(".py"))
    return next((file for file in files if file.is_file()), None)


def _imports(node: ast.AST) -> Iterator[str]:
    """Yield the names that a module imports; the package has no relative imports (ruff's TID252)."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module is not None:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        for statement in node.orelse:
            yield from _imports(statement)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _imports(child)


def git_revision() -> str | None:
    """Name the commit of the checkout that holds the package; None where there is no checkout."""
    try:
        # `describe --dirty` would write the index of a checkout in which somebody may be working, and leave
        # its lock there when it is killed.
        answer = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(_PACKAGE), *_STATUS],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return None
    commit = re.search(r"^# branch\.oid ([0-9a-f]+)$", answer.stdout, re.MULTILINE)
    if answer.returncode != 0 or commit is None:
        return None
    changed = any(not line.startswith("#") for line in answer.stdout.splitlines())
    return f"{commit[1]}-dirty" if changed else commit[1]


def this_host() -> Host:
    """Describe the machine the client runs on."""
    return Host(
        name=platform.node(),
        cpus=len(os.sched_getaffinity(0)),
        memory_bytes=psutil.virtual_memory().total,
        platform=platform.platform(),
        python=platform.python_version(),
    )
