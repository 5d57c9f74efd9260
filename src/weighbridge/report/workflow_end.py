"""What a workflow ends with: where its results are, and why it failed."""

import errno
import os
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from weighbridge.core.errors import InputError, InvalidRunError, SetupError, WeighbridgeError
from weighbridge.monitor.workflow_failures import JobFailure
from weighbridge.records.verdict import VERDICT, Verdict, by_remedy

_RESULTS = ("submission", "check", "verdicts", "quality")
# Names for people, the rules that make the files, and the files.
_FILES = (
    ("Report, with figures", "write_report", "results/report.html"),
    ("Submission tree, unpacked beside it", "assemble", "results/submission.tar.gz"),
)
_LOCKED = "Directory cannot be locked"
_OWN_WORDS = "weighbridge: "
_EXCEPTION = re.compile(r"\w*(Error|Exception)\b.*:?$")
_NO_RULE = re.compile(r"No rule to produce (\S+)")
_LAST_LINES = 8
_SIGNALLED = 128
_UNLOCK = "give the same command once with --snakemake=--unlock, and then again."


def asks_for_results(targets: Sequence[str]) -> bool:
    """Return whether targets are of a benchmark's results, rather than of inputs or of a comparison alone."""
    return not targets or any(
        target in _RESULTS or (target.startswith("results/") and sweep_of(target) is None)
        for target in targets
    )


def sweep_of(target: str) -> str | None:
    """Return the name of the comparison that a target asks for; None where it asks for none."""
    found = re.fullmatch(r"sweep_(\w+)|results/sweeps/([^/]+)/.+", target)
    return (found[1] or found[2]) if found else None


def result_paths(place: Path, is_made: Callable[[str], bool]) -> Iterator[tuple[str, Path]]:
    """Yield names and paths of the report and the tree in a run directory.

    Args:
        place: The run directory.
        is_made: Whether what a rule makes is as it was asked for.
    """
    for name, rule, path in _FILES:
        if (place / path).is_file() and is_made(rule):
            yield name, place / path


def invalid_scenarios(results: Path, targets: Sequence[str]) -> InvalidRunError | None:
    """Return the error for verdicts that say INVALID, with their remedies; None where there is none.

    Of the verdicts only those that the targets ask for: a tree, which is made of them, says itself what does
    not count, and what else lies in the folder is of other times.
    """
    said = [
        f"{verdict.scenario} is INVALID: {'; '.join(check.wording for check in checks)}. {remedy or ''}"
        for path in sorted(results.glob(f"*/{VERDICT}"))
        if "verdicts" in targets or f"results/{path.parent.name}/{VERDICT}" in targets
        for verdict in [Verdict.read(path)]
        for remedy, checks in by_remedy(verdict.failed).items()
    ]
    return InvalidRunError("\n".join(said)) if said else None


def workflow_failure(
    code: int, failures: Sequence[JobFailure], words: str, *, began: bool
) -> WeighbridgeError | None:
    """Return the error that a workflow ends with: the sentences of its jobs, and the code of the first.

    Args:
        code: Snakemake's exit code.
        failures: The jobs that failed.
        words: What Snakemake printed.
        began: Whether it began to make something.

    Returns:
        None where nothing failed.
    """
    if failures:
        known = [failure.code for failure in failures if failure.code is not None]
        return _error("\n".join(map(str, failures)), known[0] if known else 1)
    if code == 0:
        return None
    lines = [line for line in words.splitlines() if line.strip()]
    own = [line for line in lines if line.startswith(_OWN_WORDS)]
    if own:
        return _error(own[-1].removeprefix(_OWN_WORDS), code)
    if _LOCKED in words:
        return SetupError(
            "another Snakemake works in this run directory, or one was killed there; wait for it, or, if "
            "there is none, give the same command once with --snakemake=--unlock."
        )
    if os.strerror(errno.ENOSPC) in words:
        return SetupError(
            "the disk of the run directory is full; make room, and give the same command again."
        )
    unknown = _NO_RULE.search(words)
    if unknown and not began:
        return InputError(
            f"{unknown[1]}: no stage has this name or makes this file; `snakemake --list-target-rules` names "
            "the stages, README.md some files."
        )
    if code < 0:
        return _error(f"Snakemake was ended by {signal.Signals(-code).name}; {_UNLOCK}", _SIGNALLED - code)
    begins = [number for number, line in enumerate(lines) if _EXCEPTION.match(line)]
    last = "\n".join(lines[begins[-1] :] if begins else lines[-_LAST_LINES:])
    return _error(f"Snakemake stopped: {last}", 1 if began else InputError.exit_code)


def _error(sentence: str, code: int) -> WeighbridgeError:
    error = WeighbridgeError(sentence)
    error.exit_code = code
    return error
