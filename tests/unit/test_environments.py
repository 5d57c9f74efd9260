"""The environments' pins are the lock's, and no lock names a host."""

import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))


def pins_of(path: Path) -> list[str]:
    dependencies = yaml.safe_load(path.read_text())["dependencies"]
    [pins] = [entry["pip"] for entry in dependencies if isinstance(entry, dict)]
    return list(pins)


def locked(lock: Path) -> set[str]:
    return {match[0] for match in re.finditer(r"^[a-z0-9._-]+==[^ ;\\]+", lock.read_text(), re.MULTILINE)}


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_an_environment_pins_what_the_lock_pins(path: Path) -> None:
    pins = pins_of(path)
    assert pins
    [lock] = re.findall(r"^# Versions are those of (requirements/\S+\.lock)", path.read_text(), re.MULTILINE)
    assert set(pins) <= locked(ROOT / lock)


# The server's packages are not installed here, so nothing here knows what they need.
@pytest.mark.parametrize(
    "path", [path for path in ENVIRONMENTS if path.stem != "server"], ids=lambda path: path.stem
)
def test_an_environment_pins_all_that_its_packages_need(path: Path) -> None:
    pinned = {canonicalize_name(pin.split("==")[0]) for pin in pins_of(path)}
    for name in pinned:
        for requirement in map(Requirement, requires(name) or []):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                assert canonicalize_name(requirement.name) in pinned, f"{name}: run `make lock`"


def test_the_client_of_another_round_differs_in_its_loadgen_alone() -> None:
    ours, other = (locked(ROOT / "requirements" / f"{name}.lock") for name in ("workflow", "client-v6.1"))
    assert other - ours == {"mlcommons-loadgen==6.0.17"}


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_a_lock_has_hashes_and_no_address(path: Path) -> None:
    text = path.read_text()
    assert "://" not in text
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert entries
    for entry in entries:
        assert "--hash=sha256:" in entry, entry.splitlines()[0]
        Requirement(entry.split("\\")[0].strip())


IMPORT_WITH_THESE_ALONE = """
import re, sys
from importlib.metadata import packages_distributions

owners, allowed = packages_distributions(), {"weighbridge", *sys.argv[1].split()}


class Gate:
    def find_spec(self, name, path=None, target=None):
        of = {re.sub(r"[-_.]+", "-", owner).lower() for owner in owners.get(name.partition(".")[0], [])}
        if of and not of & allowed:
            raise ModuleNotFoundError(f"{name} is of {of}, which the lock does not have")


sys.meta_path.insert(0, Gate())
for module in sys.argv[2:]:
    __import__(f"weighbridge.{module}")
"""


def test_the_client_of_another_round_has_all_that_a_run_imports() -> None:
    pinned = " ".join(pin.partition("==")[0] for pin in locked(ROOT / "requirements" / "client-v6.1.lock"))
    modules = ("cli", "run.preflight", "run", "client.worker", "loadgen.process")
    command = [sys.executable, "-c", IMPORT_WITH_THESE_ALONE]
    for pins, works in ((pinned, True), (pinned.replace("httptools", ""), False)):
        done = subprocess.run([*command, pins, *modules], capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == works, done.stderr
