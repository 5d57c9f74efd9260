"""Check a submission tree by all rules and tools, and return one report."""

import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from weighbridge.artifacts.proof import Proof
from weighbridge.config.round import Round
from weighbridge.core.errors import InputError
from weighbridge.records.check_record import CheckReport, Finding, count_levels, refuses
from weighbridge.submission.checker.official import run_official
from weighbridge.submission.checker.original_rules import check_originals
from weighbridge.submission.checker.own_rules import own_complaints
from weighbridge.submission.checker.tree_paths import DIVISIONS, scenario_paths
from weighbridge.submission.tree import unpack


def check_submission(
    tree: Path,
    round_: Round,
    *,
    reference: Proof | None = None,
    originals: Path | None = None,
    strict: bool = False,
) -> CheckReport:
    """Check a tree by Weighbridge's own rules and, if the reference is given, by the official tools.

    Args:
        tree: The folder that holds closed/ or open/, or its archive.
        round_: The rules.
        reference: Proof of mlcommons/inference on disk; None: the official tools are not run.
        originals: The folder of full accuracy logs that `assemble` wrote; None: they are not checked.
        strict: True: what is only odd refuses the tree too.

    Raises:
        InputError: the tree or the folder of originals does not exist.
    """
    if originals is not None and not originals.is_dir():
        raise InputError(f"{originals}: no such folder; build the tree first with `weighbridge assemble`.")
    with opened_tree(tree) as root:
        return _check(root, round_, reference, originals, strict)


@contextmanager
def opened_tree(tree: Path) -> Iterator[Path]:
    """Yield a tree's folder; an archive is unpacked into a temporary one.

    Raises:
        InputError: it is neither a folder nor an archive with the divisions in it.
    """
    if tree.is_dir():
        yield tree
        return
    with tempfile.TemporaryDirectory() as scratch:
        try:
            unpack(tree, Path(scratch))
        except (OSError, EOFError, zlib.error, tarfile.TarError, ValueError, KeyError) as error:
            # An OSError names the path again, and tarfile lists in further lines what it tried.
            reason = getattr(error, "strerror", None) or str(error).partition(":\n")[0]
            raise InputError(
                f"{tree}: neither a folder nor an archive ({reason}); `weighbridge assemble` writes both."
            ) from None
        yield _root_of(Path(scratch), tree)


def _root_of(unpacked: Path, archive: Path) -> Path:
    """Return the folder of an unpacked archive that holds the divisions: the top, or the only one there."""
    packed = list(unpacked.iterdir())
    if any(path.name in DIVISIONS for path in packed):
        return unpacked
    if len(packed) == 1 and packed[0].is_dir():
        return packed[0]
    raise InputError(
        f"{archive}: holds neither {' nor '.join(f'{name}/' for name in DIVISIONS)}, nor one folder "
        "with them; pack the folder that `weighbridge assemble` writes."
    )


def expected_results(tree: Path, round_: Round) -> int:
    """Return the number of results that an official tool must count: what the tree has, and what it lacks.

    Each folder of a scenario is a result, each system of the closed division has all that the round needs,
    and a tree without any has those of one system.
    """
    found: dict[Path, list[str]] = {}
    lacking = 0
    for path in scenario_paths(tree):
        found.setdefault(path.folder.parent, []).append(path.scenario)
    for benchmark, scenarios in found.items():
        if benchmark.relative_to(tree).parts[0] == "closed":
            lacking += len(round_.missing_folders(scenarios))
    held = sum(map(len, found.values()))
    return held + lacking if found else len(round_.missing_folders(()))


def _check(
    tree: Path, round_: Round, reference: Proof | None, originals: Path | None, strict: bool
) -> CheckReport:
    expected = expected_results(tree, round_)
    complaints = own_complaints(tree, round_)
    proven, unproven = check_originals(tree, originals, round_) if originals else ({}, [])
    complaints += unproven
    count = len(scenario_paths(tree))
    said = f"{count} scenarios, {count_levels(complaints) or 'no complaints'}"
    accepted = not any(refuses(complaint, strict) for complaint in complaints)
    findings = [Finding(tool="weighbridge", accepted=accepted, results=count, said=said)]
    for finding, more in run_official(tree, round_, reference, expected):
        findings.append(finding)
        complaints += more
    return CheckReport(
        round=round_.name,
        submittable=round_.submittable,
        not_submittable_because=round_.not_submittable_because,
        strict=strict,
        expected_results=expected,
        originals=proven,
        findings=tuple(findings),
        complaints=tuple(complaints),
    )
