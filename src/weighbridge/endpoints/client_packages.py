"""Compare the packages of an interpreter with those that the environment of the official client pins."""

import importlib.metadata
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from weighbridge.config.round import Round
from weighbridge.core.errors import SetupError
from weighbridge.core.models import read_text

_PIN = re.compile(r"^ *- ([A-Za-z0-9._-]+)==(\S+)$", re.MULTILINE)
_PYTHON = re.compile(r"^ *- python=(\d+)\.(\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class ClientPackages:
    """The packages of an interpreter.

    Attributes:
        python: Its version.
        versions: Version of each package, by its name in lower case with dashes.
    """

    python: tuple[int, int]
    versions: Mapping[str, str]

    @classmethod
    def here(cls) -> "ClientPackages":
        """Return the packages of this interpreter."""
        return cls(sys.version_info[:2], _versions(sys.path))

    @classmethod
    def of_environment(cls, folder: Path) -> "ClientPackages | None":
        """Return the packages of a virtual environment, without starting it; None: there is none."""
        for site in folder.glob("lib/python3.*/site-packages"):
            if (folder / "bin" / "python").is_file():
                major, minor = site.parent.name.removeprefix("python").split(".")
                return cls((int(major), int(minor)), _versions([str(site)]))
        return None

    def differences(self, pinned: Path) -> list[str]:
        """Return what differs from the pins of a file in envs/, each as words for a sentence.

        Raises:
            InputError: the file cannot be read.
        """
        text = read_text(pinned)
        wanted = tuple(map(int, _PYTHON.findall(text)[0]))
        found = []
        if self.python < wanted:
            found.append("Python {}.{} is older than {}.{}".format(*self.python, *wanted))
        for name, version in _PIN.findall(text):
            installed = self.versions.get(normal_name(name))
            if installed != version:
                found.append(f"{name} {version} is {f'there as {installed}' if installed else 'missing'}")
        return found


def environment_file(round_: Round, root: Path) -> Path:
    """Return the file of a project that pins the packages of a round's client."""
    return root / "envs" / f"client-{round_.client}.yaml"


def check_client_packages(round_: Round, root: Path) -> str:
    """Check that this interpreter has the packages of the round's official client, each as it is pinned.

    Args:
        round_: The round.
        root: The project. Of an installed package there is none, and the first run finds what is missing.

    Returns:
        What was found, for a record.

    Raises:
        SetupError: a package is missing or has another version, or Python is too old.
    """
    pinned, here = environment_file(round_, root), ClientPackages.here()
    version = "Python {}.{}".format(*here.python)
    if not pinned.is_file():
        return f"{version}; no {pinned.name} to compare its packages with"
    if found := here.differences(pinned):
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise SetupError(
            f"{sys.executable} is not the environment of the official client of round {round_.name}: "
            f"{found[0]}{more}; run `make setup-{round_.client}` in the project, which makes it."
        )
    return f"{version} with the packages of {pinned.name}"


def _versions(path: list[str]) -> dict[str, str]:
    return {
        normal_name(each.metadata["Name"]): each.version
        for each in importlib.metadata.distributions(path=path)
        if each.metadata["Name"]
    }


def normal_name(name: str) -> str:
    """Return a package's name as it is compared: in lower case, with dashes."""
    return re.sub(r"[-_.]+", "-", name).lower()
