"""What a Snakemake profile says of the configuration: its overlay, single values and the run directory.

Snakemake lets `--configfile` and `--config` of a command line take the place of those of the profile. Laid
over config.yaml without the profile's own file, the user's settings are then those of another benchmark.
"""

import argparse
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from weighbridge.core.errors import InputError
from weighbridge.core.models import check_syntax, read_data

PROFILE_VARIABLE = "SNAKEMAKE_PROFILE"
# Settings of a site, such as addresses, which are nothing to repeat elsewhere.
_OF_A_SITE = frozenset({"client", "fetch", "fetch_on", "server"})
_FILE_NAME = re.compile(r"(?:profile|config)(?:\.v(\d+)\+)?\.yaml")


@dataclass(frozen=True)
class SnakemakeProfile:
    """The keys of one profile, or of several laid over each other, that concern the configuration.

    Attributes:
        names: The profiles, as the user named them.
        configfiles: Files that are laid over config.yaml.
        values: Single values, as KEY=VALUE, by key.
        directory: The run directory; None: the current folder.
    """

    names: tuple[str, ...] = ()
    configfiles: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    directory: str | None = None

    def replacement(
        self, configfiles: Sequence[Path], values: Mapping[str, object], folder: Path
    ) -> str | None:
        """Return the sentence that refuses a command line which takes the place of the profile's settings.

        Args:
            configfiles: The files that Snakemake lays over config.yaml.
            values: What `--config` sets.
            folder: Where relative paths start.
        """
        here = {(folder / path).resolve() for path in configfiles}
        if any((folder / path).resolve() not in here for path in self.configfiles):
            given = [_short(path, folder) for path in configfiles]
            both = shlex.join(["--configfile", *self.configfiles, *given])
            return (
                f"--configfile {shlex.join(given)} replaces {shlex.join(self.configfiles)} of the profile "
                f"{self._named}, and with it the benchmark and server that the profile is for; give both, "
                f"`{both}`, or single values as `--config KEY=VALUE`."
            )
        missing = [text for key, text in self.values.items() if key not in values]
        if missing:
            given = [f"{key}={as_argument(value)}" for key, value in values.items()]
            return (
                f"--config {shlex.join(given)} replaces {shlex.join(missing)} of the profile {self._named}; "
                f"give both, `--config {shlex.join([*missing, *given])}`."
            )
        return None

    def arguments(self, configfiles: Sequence[Path], values: Mapping[str, object], folder: Path) -> list[str]:
        """Return the arguments of `weighbridge submit` for the same configuration.

        Args:
            configfiles: The files that Snakemake lays over config.yaml.
            values: What `--config` sets; what is of a site is left out.
            folder: The checkout; of files outside only the name is said.
        """
        own = {(folder / path).resolve() for path in self.configfiles}
        words = [word for name in self.names for word in ("--profile", _short(Path(name), folder))]
        for path in configfiles:
            if (folder / path).resolve() not in own:
                named = _short(path, folder)
                words += ["--config", path.name if Path(named).is_absolute() else named]
        for key, value in values.items():
            text = f"{key}={as_argument(value)}"
            if key not in _OF_A_SITE and text != self.values.get(key):
                words += ["--set", text]
        return words

    def of_command_line(self, values: Mapping[str, object]) -> dict[str, object]:
        """Return those values of `--config` that stand on the command line, and not in the profile."""
        return {key: value for key, value in values.items() if key not in self.values}

    @property
    def _named(self) -> str:
        return " and ".join(self.names)


def named_profiles(words: Sequence[str], environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the profiles that a command line of Snakemake names, or else the environment."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--profile", action="append")
    known, _ = parser.parse_known_args(list(words))
    of_environment = [environment[PROFILE_VARIABLE]] if environment.get(PROFILE_VARIABLE) else []
    return tuple(name for name in known.profile or of_environment if name != "none")


def read_profiles(names: Sequence[str], folder: Path) -> SnakemakeProfile:
    """Read profiles as Snakemake does: of a key that several have, the last one counts.

    One that is not below `folder` is among the user's or the site's own, and is not read.

    Args:
        names: Folders or files.
        folder: Where they start.
    """
    merged = SnakemakeProfile(tuple(names))
    for name in names:
        file = _file_of(folder / name)
        content = _keys_of(file) if file is not None else {}
        merged = SnakemakeProfile(
            merged.names,
            _files(content["configfile"], file, folder) if "configfile" in content else merged.configfiles,
            _values(content["config"]) if "config" in content else merged.values,
            str(content["directory"]) if "directory" in content else merged.directory,
        )
    return merged


def as_argument(value: object) -> str:
    """Return a value as Snakemake's `--config KEY=VALUE` takes it; sections and lists are JSON."""
    if value is None:
        return ""  # which Snakemake takes for null; "null" it takes for a text
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def check_profiles(names: Sequence[str], folder: Path) -> None:
    """Check the syntax of profiles below a folder; of an error, Snakemake's words end in all its options.

    Raises:
        InputError: one is not YAML; the message names file, line and column.
    """
    for name in names:
        file = _file_of(folder / name)
        if file is not None:
            check_syntax(file)


def _file_of(path: Path) -> Path | None:
    """Return a profile's file: itself, or in its folder that of the newest Snakemake."""
    if path.is_file():
        return path
    names = [_FILE_NAME.fullmatch(file.name) for file in path.glob("*.yaml")] if path.is_dir() else []
    found = [name for name in names if name]
    return path / max(found, key=lambda name: int(name[1] or 0))[0] if found else None


def _keys_of(file: Path) -> Mapping[str, object]:
    try:
        content = read_data(file)
    except InputError:
        return {}  # a template, which Snakemake can read and we cannot
    return content if isinstance(content, dict) else {}


def _files(value: object, file: Path | None, folder: Path) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(map(str, value))
    assert file is not None
    beside = file.parent / str(value)  # Snakemake looks there first, unless there are several
    return (_short(beside, folder) if beside.exists() else str(value),)


def _values(value: object) -> dict[str, str]:
    if isinstance(value, dict):
        return {str(key): f"{key}={single}" for key, single in value.items()}
    texts = list(map(str, value)) if isinstance(value, list) else str(value).split()
    return {text.partition("=")[0]: text for text in texts}


def _short(path: Path, folder: Path) -> str:
    full = folder / path
    return str(full.relative_to(folder)) if full.is_relative_to(folder) else str(full)
