"""The hash over the code that measures: just the modules that the measuring processes import."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from weighbridge.system import identity
from weighbridge.system.identity import _ENTRY_MODULES, git_revision, imported_files

LOADED = (
    "import importlib, sys; importlib.import_module('weighbridge.{}');"
    "ours = (module.__file__ for name, module in sys.modules.items() if name.split('.')[0] == 'weighbridge');"
    "print(*ours, sep='\\n')"
)


@pytest.fixture(scope="module")
def package() -> Path:
    return Path(__file__).parents[2] / "src" / "weighbridge"


@pytest.mark.parametrize("module", _ENTRY_MODULES)
def test_all_that_a_measuring_process_imports_is_in_it(package: Path, module: str) -> None:
    command = [sys.executable, "-c", LOADED.format(module)]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    found = imported_files(package, _ENTRY_MODULES)
    assert {Path(path).relative_to(package) for path in loaded} <= {
        path.relative_to(package) for path in found
    }


def test_what_shows_and_judges_results_is_not_in_it(package: Path) -> None:
    rooms = {path.relative_to(package).parts[0] for path in imported_files(package, _ENTRY_MODULES)}
    assert {"run", "client", "loadgen", "serving"} <= rooms
    assert rooms.isdisjoint({"report", "gates", "submission", "provenance", "simulate", "search", "cli"})


def code(package: Path) -> str:
    """Hash the code of a copied package, in a process of its own."""
    command = [sys.executable, "-c", "from weighbridge.system.identity import *; print(code_sha256())"]
    environment = {"PYTHONPATH": str(package.parent)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return done.stdout.strip()


def test_a_comment_matters_only_in_a_module_that_measures(package: Path, tmp_path: Path) -> None:
    copy = tmp_path / "src" / "weighbridge"
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__", "demo"))
    before = code(copy)
    for path in ("report/page.py", "gates/judge.py", "cli/run.py"):
        (copy / path).write_text((copy / path).read_text() + "# A comment.\n")
    assert code(copy) == before
    (copy / "client" / "worker.py").write_text((copy / "client" / "worker.py").read_text() + "# A comment.\n")
    assert code(copy) != before


def test_imports_that_only_a_type_checker_sees_are_left_out(tmp_path: Path) -> None:
    package = tmp_path / "toy"
    package.mkdir()
    files = {
        "__init__": "",
        "start": "from toy import direct\nif TYPE_CHECKING:\n    import toy.types\n",
        "direct": "def f():\n    from toy.late import name\n",
        "late": "import json\nname = 1\n",
        "types": "",
        "other": "",
    }
    for name, text in files.items():
        (package / f"{name}.py").write_text(text)
    found = {path.stem for path in imported_files(package, ("start",))}
    assert found == {"__init__", "start", "direct", "late"}


def test_the_revision_is_read_without_a_write_to_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*words: str) -> str:
        who = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
        done = subprocess.run(["git", *who, *words], cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    source = tmp_path / "module.py"
    monkeypatch.setattr(identity, "_PACKAGE", tmp_path)
    git("init", "--quiet")
    source.write_text("one = 1\n")
    git("add", "module.py")
    assert git_revision() is None
    git("commit", "--quiet", "--message=one")
    # Touched: a command that takes the index's lock would write the file's new time into it.
    os.utime(source, (1, 1))
    before = (tmp_path / ".git" / "index").read_bytes()
    assert git_revision() == git("rev-parse", "HEAD")
    assert (tmp_path / ".git" / "index").read_bytes() == before
    source.write_text("one = 2\n")
    assert git_revision() == f"{git('rev-parse', 'HEAD')}-dirty"
