"""Verify a submission tree by its attestation, on any machine: signature, hashes, round, and the runs."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import Field
from securesystemslib.dsse import Envelope

from weighbridge.config.round import Round
from weighbridge.core.errors import InputError
from weighbridge.core.models import Model
from weighbridge.gates import NEEDS_ANSWERS, NEEDS_EVENTS
from weighbridge.provenance.attest import ATTESTATION
from weighbridge.provenance.attested_checks import (
    REMEDY,
    attested_round,
    check_archive,
    check_files,
    check_materials,
    check_round,
    check_rules,
    envelope_in,
    listed,
    statement_in,
)
from weighbridge.provenance.judged_again import (
    Originals,
    differences,
    evidence_checks_of,
    judged_again,
    require_originals,
)
from weighbridge.provenance.signing import is_signed_by, public_key_in
from weighbridge.provenance.statement import Statement
from weighbridge.provenance.tree_runs import TreeRuns, scenarios_of
from weighbridge.records.notice import reason_of
from weighbridge.records.verdict import Check, Gate
from weighbridge.submission.checker.check_tree import opened_tree
from weighbridge.submission.checker.recorded_scenario import RecordedScenario

VerificationOutcome = Literal["VERIFIED", "CONSISTENT", "NOT VERIFIED"]


@dataclass(frozen=True)
class Asked:
    """What to verify, and by what.

    Attributes:
        tree: Folder with the divisions, or its archive.
        attestation: attestation.json; None: beside the tree.
        key: File of the public key; None: whose the signature is, is not checked.
        round_: The rules; None: those of this release with the attested name.
        originals: What scoring the answers again needs.
    """

    tree: Path
    attestation: Path | None = None
    key: Path | None = None
    round_: Round | None = None
    originals: Originals | None = None


@dataclass
class Verification:
    """What was checked of a tree.

    Attributes:
        checks: Every check; `passed` is None where the evidence is missing.
        notes: What was not asked for, or cannot be shown here, in sentences.
        statement: What is attested; None: there is no attestation that can be read.
        signed: Whether it is signed with the key that was given.
    """

    checks: list[Check] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    statement: Statement | None = None
    signed: bool = False

    @property
    def outcome(self) -> VerificationOutcome:
        """The result in a word; CONSISTENT: all passed, and whose the attestation is was not checked."""
        if self.failed or self.unknown:
            return "NOT VERIFIED"
        return "VERIFIED" if self.signed else "CONSISTENT"

    @property
    def failed(self) -> list[Check]:
        """The checks that did not pass."""
        return [check for check in self.checks if check.passed is False]

    @property
    def unknown(self) -> list[Check]:
        """The checks whose evidence is missing."""
        return [check for check in self.checks if check.passed is None]


class VerificationListing(Model):
    """What `verify --json` prints."""

    outcome: VerificationOutcome
    signed: bool = Field(description="Whether it is signed with the key that was given.")
    checks: tuple[Check, ...] = Field(description="Every check; `passed` is null where evidence is missing.")
    notes: tuple[str, ...] = Field(description="What was not asked for, or cannot be shown here.")
    statement: Statement | None = Field(description="What is attested; null: no attestation can be read.")

    @classmethod
    def of(cls, done: Verification) -> "VerificationListing":
        """Return the listing of a verification."""
        return cls(
            outcome=done.outcome,
            signed=done.signed,
            checks=tuple(done.checks),
            notes=tuple(done.notes),
            statement=done.statement,
        )


def verify_tree(asked: Asked) -> Verification:
    """Verify a tree; the checks say what is wrong.

    Raises:
        InputError: the tree is neither a folder nor an archive, the key is none, or what was given for
            scoring again does not belong to these runs.
    """
    done, gate = Verification(), Gate(None)
    # A tree is named in whatever way leads to its folder or archive; the attestation lies beside that.
    path = asked.attestation or asked.tree.resolve().parent / ATTESTATION
    envelope = envelope_in(gate, path)
    if envelope is not None:
        _signature(done, gate, envelope, asked.key)
        done.statement = statement_in(gate, envelope, path)
    round_ = asked.round_ or attested_round(gate, done.statement)
    if done.statement is not None:
        check_archive(gate, asked.tree, done.statement)
    done.checks = gate.checks
    with ExitStack() as opened:
        try:
            tree = opened.enter_context(opened_tree(asked.tree))
        except InputError:
            # A damaged archive is told by its hash; without one, nothing is known of it.
            if any(check.name == "archive" for check in done.failed):
                return done
            raise
        if done.statement is not None:
            check_files(gate, tree, done.statement)
        if round_ is not None:
            check_round(gate, round_, done.statement)
            check_materials(gate, tree, round_, done.statement)
            check_rules(gate, tree, round_)
            _runs(done, tree, round_, asked.originals)
    return done


def _signature(done: Verification, gate: Gate, envelope: Envelope, file: Path | None) -> None:
    if file is not None:
        done.signed = is_signed_by(envelope, public_key_in(file))
        other = "of another key, or broken" if envelope.signatures else "none"
        said = "of this key" if done.signed else other
        gate.holds("signature", said, f"of the key in {file}", done.signed, REMEDY)
    elif envelope.signatures:
        done.notes.append(
            "The signature was NOT checked against a known key: get the submitter's public key from a place "
            "that you trust, and pass --key. Without it, anyone could have written the attestation."
        )
    else:
        done.notes.append(
            "The attestation is NOT signed: anyone could have written it. It shows that tree and "
            "statement belong together, not whose they are."
        )


def _runs(done: Verification, tree: Path, round_: Round, originals: Originals | None) -> None:
    """Judge every scenario again, and compare that with the verdict in the tree."""
    if not round_.submittable:
        done.notes.append(reason_of(round_))
    not_scored: list[str] = []
    for scenario in scenarios_of(tree, round_):
        label = f"{scenario.system_records.name} {scenario.rules.folder}"
        if not scenario.records.is_dir():
            gate = Gate(None)
            remedy = (
                "The runs are of another harness, or their records were removed: nothing shows what they did."
            )
            gate.unknown(f"{label}: evidence", "records of its runs", remedy)
            done.checks += gate.checks
        elif not _judge(done, scenario, label, originals):
            not_scored.append(label)
    if not_scored:
        done.notes.append(
            f"Not scored again here: {', '.join(not_scored)}. A tree has only both ends of an accuracy log, "
            "and no log of events; with the whole logs and the dataset, --originals FOLDER and "
            "--dataset PROOF do it."
        )


def _judge(done: Verification, scenario: RecordedScenario, label: str, originals: Originals | None) -> bool:
    """Add the checks of one scenario; return whether its answers were scored again."""
    gate, name = Gate(None), f"{label}: judged again"
    if originals is not None:
        require_originals(scenario, originals)
    try:
        runs = TreeRuns.read(scenario)
        evidence = evidence_checks_of(runs)
        done.checks += [check.model_copy(update={"name": f"{label}: {check.name}"}) for check in evidence]
        found = judged_again(runs, originals)
    except InputError as error:
        gate.holds(name, "not possible", "as the verdict in the tree", False, str(error))
        done.checks += gate.checks
        return False
    known = NEEDS_ANSWERS | NEEDS_EVENTS if originals is None else frozenset[str]()
    missing = [check.name for check in found.unknown if check.name not in known]
    differing = differences(found, runs.verdict, scenario.by_client and originals is None)
    said = [f"{sum(check.passed is True for check in found.checks)} of {len(found.checks)} checks passed"]
    needing = len(found.unknown) - len(missing)
    said += [f"{needing} need the answers"] if needing else []
    said += [f"differ: {listed(differing)}"] if differing else []
    said += [f"not proven: {listed(missing)}"] if missing else []
    gate.holds(
        name,
        "; ".join(said),
        f"{runs.verdict.outcome}, as the verdict in the tree",
        False if differing else None if missing else True,
        f"The evidence does not show what the tree states. {REMEDY}",
    )
    done.checks += gate.checks
    if runs.verdict.outcome != "VALID":
        names = dict.fromkeys(check.name for check in (*runs.verdict.failed, *runs.verdict.unknown))
        done.notes.append(f"{label} is {runs.verdict.outcome} by the tree's own verdict: {', '.join(names)}.")
    return not any(check.name in known for check in found.unknown)
