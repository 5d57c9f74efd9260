"""Compare a tree with its attestation: its archive, its files, its round, and what it was made from."""

import re
from pathlib import Path

from securesystemslib.dsse import Envelope

from weighbridge.benchmarks.rounds import load_round, round_digest
from weighbridge.config.round import Round
from weighbridge.core.errors import InputError
from weighbridge.core.files import sha256_of
from weighbridge.provenance.attest import statement_of
from weighbridge.provenance.signing import opened
from weighbridge.provenance.statement import ROUND, SHA256, Statement
from weighbridge.records.verdict import Gate
from weighbridge.submission.checker.own_rules import own_complaints
from weighbridge.submission.checker.tree_paths import DIVISIONS
from weighbridge.submission.tree import manifest_of

# BENCHMARK/ROUND@CATEGORY, and no path of a file.
_ROUND_NAME = re.compile(
    r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9](?:[\w.-]*[\w-])?(?<!\.yaml)(?<!\.yml)"
    r"(?:\+limit=\d+)?(?:@[\w-]+)?(?:\+accuracy=strict)?"
)
_SHOWN = 3  # of the files or complaints of one kind
_SHOWN_DIGITS = 16  # of a hash
_REFERENCE = "reference"
REMEDY = "Get tree and attestation from their source again; if they stay like this, do not use the result."


def envelope_in(gate: Gate, path: Path) -> Envelope | None:
    """Return the envelope in a file; None: the gate says why there is none."""
    name, limit = "attestation", "an envelope of an in-toto statement"
    if not path.is_file():
        gate.unknown(name, limit, f"There is no {path}; pass --attestation, or ask the submitter for it.")
        return None
    try:
        return opened(path)
    except InputError as error:
        gate.holds(name, "not readable", limit, False, str(error))
        return None


def statement_in(gate: Gate, envelope: Envelope, path: Path) -> Statement | None:
    """Return the statement in an envelope; None: the gate says why it is none about a tree."""
    name, limit = "attestation", "a statement about a submission tree"
    try:
        statement = Statement.parse_json(envelope.payload.decode(errors="replace"), str(path))
    except InputError as error:
        gate.holds(name, "another statement", limit, False, str(error))
        return None
    gate.holds(name, "readable", limit, True, "")
    return statement


def attested_round(gate: Gate, statement: Statement | None) -> Round | None:
    """Return the round that a statement names, by the rules of this release; None: the gate says why not."""
    name, limit = "round", "a round of this release"
    if statement is None:
        gate.unknown(name, limit, "Without an attestation, name the round: --round.")
        return None
    if not _ROUND_NAME.fullmatch(statement.round_reference):
        # A file's path in a stranger's statement is not followed.
        remedy = "The statement names no round by its name."
        gate.holds(name, statement.round_reference, limit, False, remedy)
        return None
    try:
        return load_round(statement.round_reference)
    except InputError as error:
        gate.holds(name, statement.round_reference, limit, False, f"{error} Or pass its file: --round.")
        return None


def check_archive(gate: Gate, given: Path, statement: Statement) -> None:
    """Check the archive's sha256, whatever its name; beside a folder there may be no archive."""
    attested = [sha256 for name, sha256 in _subjects(statement).items() if not _is_file_of_tree(name)]
    folder = given.resolve()
    archive = given if given.is_file() else folder.with_name(f"{folder.name}.tar.gz")
    if archive.is_file():
        found = sha256_of(archive)
        limit = " or ".join(str(sha256)[:_SHOWN_DIGITS] for sha256 in attested) or "an attested one"
        gate.holds("archive", found[:_SHOWN_DIGITS], limit, found in attested, REMEDY)


def check_files(gate: Gate, tree: Path, statement: Statement) -> None:
    """Check every file of a tree against the subjects of its statement."""
    files = {name: sha256 for name, sha256 in _subjects(statement).items() if _is_file_of_tree(name)}
    found = {entry.path: entry.sha256 for entry in manifest_of(tree).files}
    changed = sorted(name for name in {*found, *files} if found.get(name) != files.get(name))
    said = f"differ: {listed(changed)}" if changed else f"{len(found)} files"
    gate.holds("files", said, f"the {len(files)} that are attested", bool(files) and not changed, REMEDY)


def _subjects(statement: Statement) -> dict[str, str | None]:
    return {each.name: (each.digest or {}).get(SHA256) for each in statement.subject}


def _is_file_of_tree(name: str) -> bool:
    return name.partition("/")[0] in DIVISIONS


def check_round(gate: Gate, round_: Round, statement: Statement | None) -> None:
    """Check that the rules are those that are attested, and that this release pins them if they are real."""
    if statement is not None:
        attested = statement.dependencies.get("round")
        wanted = (attested.digest or {}).get(ROUND) if attested else None
        remedy = f"The result was judged by other rules than these. {REMEDY}"
        found = round_digest(round_)
        limit = (wanted or "an attested one")[:_SHOWN_DIGITS]
        gate.holds("round", found[:_SHOWN_DIGITS], limit, found == wanted, remedy)
    if round_.not_submittable_because and round_.withdrawn is None:
        gate.holds("round of this release", "no", "yes", False, f"{round_.not_submittable_because}.")


def check_materials(gate: Gate, tree: Path, round_: Round, statement: Statement | None) -> None:
    """Check that what is attested of a tree's origin is what its own records say."""
    name, limit = "what it was made from", "as the tree's records say"
    try:
        found = statement_of(tree, round_)
    except InputError as error:
        gate.unknown(name, limit, str(error))
        return
    if statement is None:
        return
    # The reference is in no tree; it stands in the statement alone.
    attested = {name: each for name, each in statement.dependencies.items() if name != _REFERENCE}
    pairs = (
        (found.dependencies, attested),
        (found.verdicts, statement.verdicts),
        (_parameters(found), _parameters(statement)),
    )
    differing = [
        each
        for ours, theirs in pairs
        for each in sorted({*ours, *theirs})
        if ours.get(each) != theirs.get(each)
    ]
    said = f"differ: {listed(differing)}" if differing else f"{len(attested)} inputs"
    gate.holds(name, said, limit, not differing, REMEDY)


def _parameters(statement: Statement) -> dict[str, str]:
    times = statement.predicate.run_details.metadata
    return statement.predicate.build_definition.external_parameters | times.model_dump()


def check_rules(gate: Gate, tree: Path, round_: Round) -> None:
    """Check what `weighbridge check` calls errors; its warnings are a submitter's business."""
    errors = [f"{each.file}: {each.said}" for each in own_complaints(tree, round_) if each.level == "error"]
    said = f"{len(errors)}: {listed(errors, '; ')}" if errors else "none"
    remedy = f"`weighbridge check` lists all of them. {REMEDY}"
    gate.holds("errors of the tree", said, "none", not errors, remedy)


def listed(names: list[str], separator: str = ", ") -> str:
    """Return the first names as text, and how many more there are."""
    more = len(names) - _SHOWN
    return separator.join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
