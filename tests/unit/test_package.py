"""The package's metadata: its dependencies are what it imports, and the locks install all of them."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from weighbridge import __version__

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "weighbridge"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BUILD_TOOLS = {"hatchling", "editables"}


def _names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(each).name) for each in requirements}


QUALITY = _names(PROJECT["optional-dependencies"]["quality"])


def _imported(path: Path) -> Iterator[str]:
    """Yield the top-level name of every module that a file imports, at whatever place in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def _imported_distributions(paths: list[Path]) -> set[str]:
    """Return the distributions that files import, without the standard library and this package."""
    owners = packages_distributions()
    found = set()
    for path in paths:
        for name in set(_imported(path)) - sys.stdlib_module_names - {"weighbridge"}:
            if (path.parent / f"{name}.py").is_file():
                continue  # a script's neighbour
            # The harness is installed elsewhere, and its distributions are called as their modules.
            alike = [canonicalize_name(name)] if canonicalize_name(name) in QUALITY else []
            assert name in owners or alike, f"{path}: imports {name}, which no distribution provides"
            found |= {canonicalize_name(owner) for owner in owners.get(name, alike)}
    return found


def test_the_dependencies_are_what_the_package_imports_no_more_and_no_fewer() -> None:
    files = [path for path in PACKAGE.rglob("*.py") if "demo" not in path.relative_to(PACKAGE).parts]
    assert len(files) > 50
    beyond = QUALITY - {"transformers"}  # lm-eval imports it, to read tokenizers
    beyond |= {"datasets"}  # of the official client's environment, in which its rows are made
    assert _names(PROJECT["dependencies"]) | beyond == _imported_distributions(files)


def test_the_demo_extra_is_what_the_catalogue_s_script_needs_beyond_the_package() -> None:
    script = PACKAGE / "benchmarks" / "qwen3_vl" / "demo" / "catalogue.py"
    beyond = _imported_distributions([script]) - _names(PROJECT["dependencies"])
    assert beyond == _names(PROJECT["optional-dependencies"]["demo"])


def test_the_workflow_s_lock_installs_the_package_s_dependencies_and_extras() -> None:
    asked = _names(PROJECT["dependencies"])
    for name, extra in PROJECT["optional-dependencies"].items():
        if name != "quality":  # has a lock of its own
            asked |= _names(extra)
    lines = (ROOT / "requirements" / "workflow.in").read_text().splitlines()
    listed = _names([line.partition("#")[0] for line in lines if line.partition("#")[0].strip()])
    assert listed == asked | BUILD_TOOLS
    lock = (ROOT / "requirements" / "workflow.lock").read_text()
    assert listed <= {canonicalize_name(name) for name in re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)}


def test_one_version_stands_in_the_package_its_metadata_and_the_citation() -> None:
    citation = (ROOT / "CITATION.cff").read_text()
    assert PROJECT["version"] == __version__
    assert re.findall(r"^version: (\S+)$", citation, re.MULTILINE) == [__version__]
    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text()
