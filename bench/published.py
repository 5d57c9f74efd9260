"""Judge and check the published results of a round, and compare them with what was published.

    python bench/published.py REPOSITORY [--reference DIR] [--round v6.0] [--division open] [--keep DIR]

The published figures are those of summary_results.json in the repository: every rate, and every score. Where
there is none, they are those of the benchmark's published.yaml.

REPOSITORY is a git directory, or a checkout, of a published round such as mlcommons/inference_results_v6.0.
Of each submitter only the parts of the round's benchmark are taken: system descriptions, results, the
calibration document, and one file of the code, because the checkers only ask whether there is any. With
--reference, a checkout of mlcommons/inference, the official checkers run too. The exit code is 4 unless every
result has the published figures, no verdict is INVALID, and neither our own check nor the present official
checker has an error. What the old official checker says is shown, and not counted: it refuses a file of one
of the systems.
"""

import argparse
import math
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from published_results import SUMMARY, Figures, Repository, figures_in, parts_of
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

_OLD = "submission_checker_old"
_REFUSED = 4
# A published score has five decimals or more, or is a whole number.
_PUBLISHED_DIGITS = 0.5e-5


@dataclass(frozen=True)
class Row:
    """One published result, judged again.

    Attributes:
        system: SUBMITTER/SYSTEM, as in the paths.
        verdict: What the gates say.
        published: The published figures; None: not found.
        errors: Complaints of that level about its files.
        warnings: Likewise.
    """

    system: str
    verdict: Verdict
    published: Figures | None
    errors: int
    warnings: int

    @property
    def agrees(self) -> bool:
        """Return whether rate and scores are the published ones, in the published digits."""
        rate, scores, published = self.verdict.rate, self.verdict.metrics, self.published
        if rate is None or self.verdict.accuracy is None or published is None:
            return False
        same = f"{rate:.6g}" == f"{published.rate:.6g}"
        return same and all(
            abs(scores.get(name, math.inf) - value) < _PUBLISHED_DIGITS
            for name, value in published.scores.items()
        )


FiguresOf = Callable[[str, tuple[Verdict, ...], Verdict], Figures | None]


def figures_of(published: Published) -> FiguresOf:
    """Return what finds the figures of a verdict in published.yaml."""

    def found(system: str, verdicts: tuple[Verdict, ...], verdict: Verdict) -> Figures | None:
        result = _published_of(system, verdicts, published)
        told = result.scenarios.get(verdict.scenario) if result else None
        if told is None:
            return None
        return Figures(told.rate, {} if told.score is None else {verdict.metric: told.score})

    return found


def rows_of(tree: Path, round_: Round, published: FiguresOf, report: CheckReport) -> list[Row]:
    """Judge every system of a tree, and put each verdict beside its published figures and complaints."""
    rows = []
    for system, verdicts in judge_logs(tree, round_).systems.items():
        for verdict in verdicts:
            levels = _levels_of(system, verdict, round_, report)
            figures = published(system, verdicts, verdict)
            rows.append(Row(system, verdict, figures, levels["error"], levels["warning"]))
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
    *division, submitter, name = system.split("/")
    above = f"{'/'.join(division) or 'closed'}/{submitter}/results/{name}"
    places = [f"{above}/{folder}/{verdict.title}/".casefold() for folder in round_.tree_names]
    return Counter(
        each.level for each in report.complaints if f"{each.file}/".casefold().startswith(tuple(places))
    )


def table_of(rows: list[Row], metric: str) -> Table:
    """Return the table of all results."""
    table = Table(title="Published results", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("System", overflow="fold")
    for name in (
        "Scenario",
        "Verdict",
        "Rate",
        "published",
        "p99",
        metric,
        "published",
        "Errors",
        "Warnings",
    ):
        table.add_column(name, justify="left" if name in ("Scenario", "Verdict") else "right")
    for row in rows:
        verdict = row.verdict
        late = verdict.p99_latency_s if verdict.has_latencies else None
        table.add_row(
            row.system,
            verdict.title,
            verdict.outcome,
            number_or_dash(verdict.rate, ".6g"),
            number_or_dash(row.published.rate if row.published else None, ".6g"),
            number_or_dash(late, ".3f"),
            number_or_dash(verdict.accuracy, ".6f"),
            number_or_dash(row.published.scores.get(metric) if row.published else None, ".5f"),
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
    parser.add_argument("--division", choices=["closed", "open"], default="closed")
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
    with tempfile.TemporaryDirectory() as scratch:
        tree = chosen.keep or Path(scratch) / "published"
        repository = Repository(chosen.repository)
        repository.extract(parts_of(repository.paths, round_.tree_names, chosen.division), tree)
        published = _published_in(repository, round_, Path(scratch))
        report = check_submission(tree, round_, reference=_proof(chosen.reference))
        rows = rows_of(tree, round_, published, report)
    # As wide as it is, also where the output is a file.
    console = Console(width=max(Console().width, 150))
    console.print(table_of(rows, round_.main_metric))
    failed = Counter(f"{check.name} ({check.run or 'both'})" for row in rows for check in row.verdict.failed)
    for name, count in failed.most_common():
        console.print(f"failed in {count} results: {name}", highlight=False, soft_wrap=True)
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


def _published_in(repository: Repository, round_: Round, scratch: Path) -> FiguresOf:
    """Return what finds the figures of a verdict: in the repository's own summary, else in published.yaml.

    Raises:
        InputError: the file is damaged.
    """
    if SUMMARY not in repository.paths:
        return figures_of(Published.read(load_benchmark(round_.benchmark).folder / "published.yaml"))
    repository.extract([SUMMARY], scratch)
    figures = figures_in((scratch / SUMMARY).read_bytes(), round_)
    return lambda system, _, verdict: figures.get(("/".join(system.split("/")[-2:]), verdict.title))


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
