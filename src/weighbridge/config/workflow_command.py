"""Build the command line of Snakemake from what a user asks `weighbridge submit` for.

Files and values of the user are laid over those of the profile; given to Snakemake itself, they would take
their place.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from weighbridge.config.snakemake_profile import as_argument, check_profiles, named_profiles, read_profiles
from weighbridge.core.errors import InputError
from weighbridge.core.models import read_data, read_yaml

_KEY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z0-9_-]+)*")


@dataclass(frozen=True)
class WorkflowCommand:
    """What a user asks for.

    Attributes:
        targets: Rules or files; none: the tree and its report.
        profiles: Snakemake profiles.
        files: Laid over config.yaml and over the profiles' files, in this order.
        settings: Single settings, as KEY=VALUE; a dot in KEY leads into a section.
        directory: The run directory; None: that of the profiles, or else the current folder.
        cores: Cores, or the jobs at once; None: as the profiles say.
        others: Further arguments of Snakemake.
    """

    targets: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    directory: str | None = None
    cores: str | None = None
    others: tuple[str, ...] = ()

    def run_directory(self, folder: Path) -> Path:
        """Return the run directory; relative ones start at `folder`."""
        return folder / (self.directory or read_profiles(self._names, folder).directory or ".")

    def check_files(self, folder: Path) -> None:
        """Read the profiles and the files to lay over config.yaml; Snakemake names neither file nor line.

        Raises:
            InputError: one cannot be read; the message names file, line and column of an error of syntax.
        """
        check_profiles(self._names, folder)
        for name in (*read_profiles(self._names, folder).configfiles, *self.files):
            read_data(folder / name)

    def arguments(self, folder: Path) -> list[str]:
        """Return the arguments of Snakemake, started in `folder`.

        Raises:
            InputError: a setting is not KEY=VALUE.
        """
        profile = read_profiles(self._names, folder)
        words = [word for name in self.profiles for word in ("--profile", name)]
        if self.directory is not None:
            words += ["--directory", self.directory]
        if self.cores is not None:
            words += ["--cores", self.cores]
        # What an interrupted job left is made anew: the same command goes on.
        words += ["--rerun-incomplete", "--nocolor", *self.others]
        if self.files:
            words += ["--configfile", *profile.configfiles, *self.files]
        values = setting_arguments(self.settings)
        if values:
            # Snakemake merges a section with the one before it; a single value takes the place of another.
            kept = [text for key, text in profile.values.items() if values.get(key, "{").startswith("{")]
            words += ["--config", *kept, *(f"{key}={value}" for key, value in values.items())]
        return [*words, "--", *self.targets] if self.targets else words

    @property
    def _names(self) -> tuple[str, ...]:
        return self.profiles or named_profiles((), os.environ)


def setting_arguments(settings: Sequence[str]) -> dict[str, str]:
    """Return single settings as Snakemake's `--config` takes them: by top-level key, sections as JSON.

    Args:
        settings: Texts such as 'limit=10' and 'scenarios.server.target_qps=5'; values are YAML.

    Raises:
        InputError: one has no such form, or two contradict each other.
    """
    merged: dict[str, object] = {}
    for text in settings:
        key, sign, value = text.partition("=")
        if not sign or not _KEY.fullmatch(key):
            raise InputError(
                f"--set {text}: is not KEY=VALUE; write for example --set limit=10 or "
                "--set scenarios.server.target_qps=5."
            )
        *sections, last = key.split(".")
        place = merged
        for section in sections:
            inner = place.setdefault(section, {})
            if not isinstance(inner, dict):
                raise InputError(f"--set {text}: another --set gives {section} a single value; drop one.")
            place = inner
        if last in place:
            raise InputError(f"--set {text}: {key} is set twice; drop one.")
        place[last] = read_yaml(value, f"--set {key}")
        if (sections and place[last] is None) or _holds_null(place[last]):
            raise InputError(
                f"--set {text}: Snakemake takes null inside a section for a text; write it in a YAML file, "
                "and give that with --config."
            )
    return {key: as_argument(value) for key, value in merged.items()}


def _holds_null(value: object) -> bool:
    """Return whether a null stands somewhere in a section or list."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(each is None or _holds_null(each) for each in inner)
