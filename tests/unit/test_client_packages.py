"""The packages of an environment against the pins of the official client's, and who says so first."""

import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from weighbridge.benchmarks.rounds import load_round
from weighbridge.core.errors import SetupError
from weighbridge.endpoints.client_packages import ClientPackages, check_client_packages
from weighbridge.run.client_examination import examine_client
from weighbridge.system.machine_check import MachineState

ROUND = load_round("v6.1-endpoints")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose client needs two packages, and has an environment with both."""
    write_pins(tmp_path, python="3.12", Some_Package="1.0", other="2.0")
    site = tmp_path / f".venv-{ROUND.client}" / "lib" / "python3.12" / "site-packages"
    for name, number in (("some.package", "1.0"), ("other", "2.0")):
        (site / f"{name}-{number}.dist-info").mkdir(parents=True)
        (site / f"{name}-{number}.dist-info" / "METADATA").write_text(f"Name: {name}\nVersion: {number}\n")
    program = tmp_path / f".venv-{ROUND.client}" / "bin" / "python"
    program.parent.mkdir()
    program.touch()
    return tmp_path


def write_pins(project: Path, python: str, **pins: str) -> None:
    (project / "envs").mkdir(exist_ok=True)
    packages = "".join(f"      - {name.replace('_', '-')}=={number}\n" for name, number in pins.items())
    text = f"dependencies:\n  - python={python}\n  - pip\n  - pip:\n{packages}"
    (project / "envs" / f"client-{ROUND.client}.yaml").write_text(text)


def test_the_doctor_finds_an_environment_as_it_is_pinned(project: Path) -> None:
    found = examine_client(ROUND, project)
    assert found.state is MachineState.OK
    assert found.found == f"Python 3.12 in .venv-{ROUND.client}, with the pinned packages"


@pytest.mark.parametrize(
    ("python", "pins", "wrong"),
    [
        ("3.12", {"Some_Package": "1.0", "third": "3"}, "third 3 is missing"),
        ("3.12", {"Some_Package": "1.1", "other": "2.0"}, "Some-Package 1.1 is there as 1.0"),
        ("3.13", {"Some_Package": "1.0", "other": "2.0"}, "Python 3.12 is older than 3.13"),
    ],
)
def test_the_doctor_says_what_differs(project: Path, python: str, pins: dict[str, str], wrong: str) -> None:
    write_pins(project, python, **pins)
    found = examine_client(ROUND, project)
    assert found.state is MachineState.MISSING
    assert found.found.endswith(f"{ROUND.client}: {wrong}")
    assert f"make setup-{ROUND.client}" in str(found.remedy)


def test_the_doctor_says_that_there_is_no_environment(project: Path) -> None:
    (project / f".venv-{ROUND.client}" / "bin" / "python").unlink()
    assert examine_client(ROUND, project).found == f"no .venv-{ROUND.client}"
    assert examine_client(ROUND, project).state is MachineState.MISSING


def test_the_preflight_compares_the_interpreter_that_runs_it(project: Path) -> None:
    write_pins(project, "3.11", numpy=version("numpy"))
    here = "Python {}.{}".format(*sys.version_info[:2])
    assert check_client_packages(ROUND, project) == f"{here} with the packages of client-{ROUND.client}.yaml"
    write_pins(project, "3.11", numpy="0.1", nothing="1")
    wrong = rf"numpy 0\.1 is there as {version('numpy')} \(and 1 more\); run `make setup-{ROUND.client}`"
    with pytest.raises(SetupError, match=wrong):
        check_client_packages(ROUND, project)
    write_pins(project, "4.0")
    with pytest.raises(SetupError, match=f"{here} is older than 4.0; run"):
        check_client_packages(ROUND, project)


def test_an_installed_package_has_no_pins_to_compare_with(tmp_path: Path) -> None:
    assert check_client_packages(ROUND, tmp_path).endswith(
        f"no client-{ROUND.client}.yaml to compare its packages with"
    )
    assert ClientPackages.of_environment(tmp_path) is None
