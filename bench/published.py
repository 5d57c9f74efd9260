"""Judge and check the published results of a round, and compare them with published.yaml.

    python bench/published.py REPOSITORY [--reference DIR] [--round v6.0] [--keep DIR]

REPOSITORY is a git directory, or a checkout, of a published round such as mlcommons/inference_results_v6.0.
Of each submitter only the parts of the round's benchmark are taken: system descriptions, results, the
calibration document, and one file of the code, because the checkers only ask whether there is any. With
--reference, a checkout of mlcommons/inference, the official checkers run too. The exit code is 4 unless every
result has the published figures, no verdict is INVALID, and neither our own check nor the present official
checker has an error. What the old official checker says is shown, and not counted: it refuses a file of one
of the systems.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from rich import box
from rich.console import Console
from rich.table import Table

from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.artifacts.proof import Proof
from weighbridge.benchmarks.registry import load_benchmark
from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.round import Round
from weighbridge.core.errors import InputError, WeighbridgeError
from weighbridge.core.formatting import number_or_dash
from weighbridge.gates import judge_logs
from weighbridge.records.check_record import CheckReport, Complaint, render_report
from weighbridge.records.verdict import Verdict
from weighbridge.report.compare_runs import Published, PublishedResult
from weighbridge.submission.checker import check_submission

_CALIBRATION = ("calibration.md", "documentation/calibration.md")
_OLD = "submission_checker_old"
_REFUSED = 4


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


def parts_of(paths: Iterable[str], benchmark: str) -> list[str]:
    """Return the files that make up the results of one benchmark in the closed division.

    Raises:
        InputError: there are none.
    """
    closed = [path for path in paths if path.startswith("closed/")]
    results = re.compile(rf"closed/([^/]+)/results/([^/]+)/{re.escape(benchmark)}/.+")
    found = {match: path for path in closed if (match := results.fullmatch(path))}
    systems = {(match[1], match[2]) for match in found}
    if not systems:
        raise InputError(f"no results of {benchmark} in closed/; pass the repository of a published round.")
    chosen = [*found.values(), *(f"closed/{who}/systems/{system}.json" for who, system in systems)]
    for submitter in sorted({submitter for submitter, _ in systems}):
        root = f"closed/{submitter}/"
        chosen += [root + name for name in _CALIBRATION]
        code = [path for path in closed if path.startswith(f"{root}src/")]
        chosen += [path for path in code if benchmark in PurePosixPath(path).parts][:1] or code[:1]
    return sorted(set(chosen) & set(closed))


@dataclass(frozen=True)
class Row:
    """One published result, judged again.

    Attributes:
        system: SUBMITTER/SYSTEM, as in the paths.
        verdict: What the gates say.
        published_rate: As published; None: not found.
        published_score: As published; None where published.yaml has none.
        errors: Complaints of that level about its files.
        warnings: Likewise.
    """

    system: str
    verdict: Verdict
    published_rate: float | None
    published_score: float | None
    errors: int
    warnings: int

    @property
    def agrees(self) -> bool:
        """Return whether rate and score are the published ones, in the published digits."""
        rate, score = self.verdict.rate, self.verdict.accuracy
        if rate is None or score is None or self.published_rate is None:
            return False
        same_rate = f"{rate:.6g}" == f"{self.published_rate:.6g}"
        return same_rate and self.published_score in (None, round(score, 5))


def rows_of(tree: Path, round_: Round, published: Published, report: CheckReport) -> list[Row]:
    """Judge every system of a tree, and put each verdict beside its published figures and complaints."""
    rows = []
    for system, verdicts in judge_logs(tree, round_).systems.items():
        figures = _published_of(system, verdicts, published)
        for verdict in verdicts:
            told = figures.scenarios.get(verdict.scenario) if figures else None
            levels = _levels_of(system, verdict, round_, report)
            rows.append(
                Row(
                    system=system,
                    verdict=verdict,
                    published_rate=told.rate if told else None,
                    published_score=told.score if told else None,
                    errors=levels["error"],
                    warnings=levels["warning"],
                )
            )
    return rows


def _published_of(system: str, verdicts: tuple[Verdict, ...], published: Published) -> PublishedResult | None:
    """Return the submitter's published system whose rates are nearest; systems have other names there."""
    rates = {verdict.scenario: verdict.rate or 0.0 for verdict in verdicts}

    def distance(result: PublishedResult) -> float:
        return sum(abs(of.rate - rates.get(name, 0.0)) for name, of in result.scenarios.items())

    submitter = system.partition("/")[0]
    alike = [result for result in published.results if result.submitter == submitter]
    return min(alike, key=distance, default=None)


def _levels_of(system: str, verdict: Verdict, round_: Round, report: CheckReport) -> Mapping[str, int]:
    submitter, _, name = system.partition("/")
    place = f"closed/{submitter}/results/{name}/{round_.benchmark}/{verdict.title}"
    return Counter(
        each.level
        for each in report.complaints
        if f"{each.file}/".casefold().startswith(f"{place}/".casefold())
    )


def table_of(rows: list[Row]) -> Table:
    """Return the table of all results."""
    table = Table(title="Published results", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("System", overflow="fold")
    for name in ("Scenario", "Verdict", "Rate", "published", "p99", "F1", "published", "Errors", "Warnings"):
        table.add_column(name, justify="left" if name in ("Scenario", "Verdict") else "right")
    for row in rows:
        verdict = row.verdict
        late = verdict.p99_latency_s if verdict.has_latencies else None
        table.add_row(
            row.system,
            verdict.title,
            verdict.outcome,
            number_or_dash(verdict.rate, ".6g"),
            number_or_dash(row.published_rate, ".6g"),
            number_or_dash(late, ".3f"),
            number_or_dash(verdict.accuracy, ".6f"),
            number_or_dash(row.published_score, ".5f"),
            str(row.errors),
            str(row.warnings),
        )
    return table


def main() -> int:
    """Extract, judge, check and compare; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("repository", type=Path)
    parser.add_argument("--reference", type=Path, help="a checkout of mlcommons/inference")
    parser.add_argument("--round", default="v6.0")
    parser.add_argument("--keep", type=Path, help="folder to extract into; default: a temporary one")
    chosen = parser.parse_args()
    try:
        return _run(chosen)
    except WeighbridgeError as error:
        sys.stderr.write(f"published: {error}\n")
        return error.exit_code


def _run(chosen: argparse.Namespace) -> int:
    """Do what the arguments say, and return the exit code.

    Raises:
        WeighbridgeError: the repository or the reference is not what it must be.
    """
    round_ = load_round(chosen.round)
    published = Published.read(load_benchmark(round_.benchmark).folder / "published.yaml")
    with tempfile.TemporaryDirectory() as scratch:
        tree = chosen.keep or Path(scratch) / "published"
        repository = Repository(chosen.repository)
        repository.extract(parts_of(repository.paths, round_.benchmark), tree)
        report = check_submission(tree, round_, reference=_proof(chosen.reference))
        rows = rows_of(tree, round_, published, report)
    # As wide as it is, also where the output is a file.
    console = Console(width=max(Console().width, 150))
    console.print(table_of(rows))
    console.print(render_report(report), soft_wrap=True)
    agreeing = sum(row.agrees for row in rows)
    valid = sum(row.verdict.outcome != "INVALID" for row in rows)
    summary = (
        f"{len({row.system for row in rows})} systems, {len(rows)} results: {agreeing} with the published "
        f"figures, {valid} without a failed check; check: {report.counts or 'no complaint'}."
    )
    if uncounted := sum(each.level == "error" for each in report.complaints) - len(errors_of(report)):
        summary += f" Of {_OLD}: {uncounted} of these errors, not counted."
    console.print(summary, highlight=False, soft_wrap=True)
    return 0 if agreeing == valid == len(rows) and not errors_of(report) else _REFUSED


def errors_of(report: CheckReport) -> list[Complaint]:
    """Return the errors that count: those of the old official checker, which refuses one system, do not."""
    return [each for each in report.complaints if each.level == "error" and each.tool != _OLD]


def _proof(reference: Path | None) -> Proof | None:
    """Return a checkout as what the checker takes; nobody proves its files here."""
    if reference is None:
        return None
    if not (reference / "tools" / "submission").is_dir():
        raise InputError(f"{reference}: has no tools/submission; pass a checkout of mlcommons/inference.")
    return Proof(
        kind=ArtifactKind.REFERENCE,
        folder=reference.resolve(),
        repo=None,
        revision=None,
        manifest_digest="0" * 64,
        files=(),
    )


if __name__ == "__main__":
    sys.exit(main())
