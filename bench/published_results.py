"""The published results of a round in a git directory, a checkout or a plain folder: files and figures."""

import json
import re
import subprocess
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from weighbridge.config.round import Round
from weighbridge.core.errors import InputError

SUMMARY = "summary_results.json"
"""What the official checker printed of all results, in the root of a repository."""
_CALIBRATION = ("calibration.md", "documentation/calibration.md")
_OF_OPEN = ("model_mapping.json",)


class Repository:
    """The files of a published round, in a git directory, a checkout or a plain folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._objects = dict(_tree_of_git(folder)) if _is_git(folder) else None
        self.paths = sorted(self._objects) if self._objects is not None else _files_in(folder)

    def extract(self, paths: Iterable[str], into: Path) -> None:
        """Write files into a folder, under their paths.

        Raises:
            InputError: the repository does not contain the content of one.
        """
        wanted = list(paths)
        contents = self._from_git(wanted) if self._objects is not None else self._from_folder(wanted)
        for path, content in contents:
            place = into / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)

    def _from_folder(self, paths: list[str]) -> Iterator[tuple[str, bytes]]:
        for path in paths:
            yield path, (self._folder / path).read_bytes()

    def _from_git(self, paths: list[str]) -> Iterator[tuple[str, bytes]]:
        assert self._objects is not None
        names = "".join(f"{self._objects[path]}\n" for path in paths)
        output = _git(self._folder, "cat-file", "--batch", given=names.encode())
        at = 0
        for path in paths:
            end = output.index(b"\n", at)
            header = output[at:end].split()
            if header[1] == b"missing":
                raise InputError(f"{self._folder}: has no content of {path}; fetch the whole repository.")
            size = int(header[2])
            yield path, output[end + 1 : end + 1 + size]
            at = end + size + 2


def _is_git(folder: Path) -> bool:
    return (folder / ".git").exists() or (folder / "HEAD").is_file()


def _git(folder: Path, *arguments: str, given: bytes = b"") -> bytes:
    # Of whoever owns it: only objects are read, and no command of the repository's settings runs.
    command = ["git", "-c", "safe.directory=*", "-C", str(folder), *arguments]
    done = subprocess.run(command, input=given, capture_output=True, check=False)
    if done.returncode:
        raise InputError(
            f"{folder}: git {arguments[0]} fails: {done.stderr.decode(errors='replace').strip()}"
        )
    return done.stdout


def _tree_of_git(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield path and object of every file of the newest commit."""
    for entry in _git(folder, "ls-tree", "-r", "-z", "HEAD").decode(errors="surrogateescape").split("\0"):
        described, _, path = entry.partition("\t")
        if path and described.split()[1] == "blob":
            yield path, described.split()[2]


def _files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def parts_of(paths: Iterable[str], names: Collection[str], division: str = "closed") -> list[str]:
    """Return the files that make up the results of one benchmark, whose folder has one of the names.

    Raises:
        InputError: there are none.
    """
    within = [path for path in paths if path.startswith(f"{division}/")]
    folders = "|".join(map(re.escape, names))
    results = re.compile(rf"{division}/([^/]+)/results/([^/]+)/(?:{folders})/.+")
    found = {match: path for path in within if (match := results.fullmatch(path))}
    systems = {(match[1], match[2]) for match in found}
    if not systems:
        raise InputError(
            f"no results of {', '.join(sorted(names))} in {division}/; pass a published round's repository."
        )
    chosen = [*found.values(), *(f"{division}/{who}/systems/{system}.json" for who, system in systems)]
    for submitter in sorted({submitter for submitter, _ in systems}):
        root = f"{division}/{submitter}/"
        chosen += [root + name for name in (*_CALIBRATION, *_OF_OPEN)]
        code = [path for path in within if path.startswith(f"{root}src/")]
        chosen += [path for path in code if not {*names}.isdisjoint(PurePosixPath(path).parts)][:1] or code[
            :1
        ]
    return sorted(set(chosen) & set(within))


@dataclass(frozen=True)
class Figures:
    """The published figures of one result: its rate, or latency in s, and its scores by metric."""

    rate: float
    scores: dict[str, float]


def figures_in(text: bytes, round_: Round) -> dict[tuple[str, str], Figures]:
    """Read the figures of a round's benchmark, by SUBMITTER/SYSTEM and the scenario's folder.

    The name of a score there is that of the official checker, in capitals; a single one is the main metric.

    Raises:
        InputError: the text is no summary.
    """
    found = {}
    try:
        for entry in json.loads(text):
            if entry["Model"] != round_.folder:
                continue
            printed = dict(re.findall(r"(\w+): ([0-9.]+)", entry["Accuracy"]))
            metrics = {name.upper(): name for name in round_.metrics}
            single = round_.main_metric if len(printed) == 1 else None
            scores = {single or metrics[name]: float(value) for name, value in printed.items()}
            scale = 1000 if "(ms)" in entry["Performance_Units"] else 1
            figures = Figures(float(entry["Performance_Result"]) / scale, scores)
            found[f"{entry['Submitter']}/{entry['Platform']}", entry["Scenario"]] = figures
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{SUMMARY}: not the summary of a published round ({error!r}).") from None
    return found
