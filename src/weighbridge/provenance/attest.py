"""Attest a submission tree: say by hashes what its archive holds, and what that was made from."""

import logging
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError
from securesystemslib.signer import CryptoSigner

from weighbridge import __version__
from weighbridge.artifacts.proof import Proof
from weighbridge.config.round import Round
from weighbridge.core.errors import InputError
from weighbridge.core.files import sha256_of, write_atomic
from weighbridge.provenance.materials import materials_of
from weighbridge.provenance.signing import sealed
from weighbridge.provenance.statement import (
    BUILD_TYPE,
    BUILDER,
    PREDICATE_TYPE,
    SHA256,
    STATEMENT_TYPE,
    BuildDefinition,
    Builder,
    BuildTimes,
    Provenance,
    Resource,
    RunDetails,
    Statement,
)
from weighbridge.provenance.tree_runs import TreeRuns, scenarios_of
from weighbridge.records.verdict import VERDICT
from weighbridge.submission.checker.check_tree import opened_tree
from weighbridge.submission.tree import manifest_of

ATTESTATION = "attestation.json"

_log = logging.getLogger(__name__)


def attest(
    archive: Path, round_: Round, *, reference: Proof | None, signer: CryptoSigner | None, output: Path
) -> Statement:
    """Write the attestation of a tree's archive, and return its statement.

    The same archive, reference and key give the same bytes.

    Args:
        archive: The tree's .tar.gz.
        round_: The rules.
        reference: Proof of the official reference, which no tree carries; None: it was not fetched.
        signer: The key that signs; None: the envelope has no signature.
        output: attestation.json.

    Raises:
        InputError: the archive cannot be read, or holds no records of this round's runs.
    """
    if not archive.is_file():
        raise InputError(
            f"{archive}: is not an archive; pass the .tar.gz that `weighbridge assemble` writes."
        )
    with opened_tree(archive) as tree:
        statement = statement_of(tree, round_, reference)
    whole = Resource(name=archive.name, digest={SHA256: sha256_of(archive)})
    statement = statement.model_copy(update={"subject": (whole, *statement.subject)})
    write_atomic(output, sealed(statement.payload(), signer))
    if signer is None:
        _log.warning(
            "%s is not signed: set submission.signing_key_file or signing_key_env to sign it", output
        )
    else:
        _log.info("%s: signed with the key %s", output, signer.public_key.keyid)
    return statement


def statement_of(tree: Path, round_: Round, reference: Proof | None = None) -> Statement:
    """Return the statement of a tree's folder; its archive is not among the subjects.

    Raises:
        InputError: the tree holds no records of this round's runs, or they are damaged.
    """
    recorded = (each for each in scenarios_of(tree, round_) if each.records.is_dir())
    runs = [TreeRuns.read(scenario) for scenario in recorded]
    if not runs:
        raise InputError(
            f"the tree holds no records of runs of round {round_.reference}, so nothing says what it was "
            "made from; assemble it with Weighbridge, from the runs."
        )
    try:
        return _statement(tree, runs, round_, reference)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise InputError(
            f"the tree or its records hold what no statement can: {first['input']!r:.200} is no "
            f"{first['loc'][0]}."
        ) from None


def _statement(tree: Path, runs: Sequence[TreeRuns], round_: Round, reference: Proof | None) -> Statement:
    loads = [record.load for each in runs for record in each.records.values()]
    first = runs[0].scenario.path
    return Statement(
        _type=STATEMENT_TYPE,
        subject=tuple(
            Resource(name=entry.path, digest={SHA256: entry.sha256}) for entry in manifest_of(tree).files
        ),
        predicate_type=PREDICATE_TYPE,
        predicate=Provenance(
            build_definition=BuildDefinition(
                build_type=BUILD_TYPE,
                external_parameters={
                    "round": round_.reference,
                    "division": first.division,
                    "submitter": first.submitter,
                    "system": runs[0].system,
                },
                resolved_dependencies=materials_of(runs, round_, reference),
            ),
            run_details=RunDetails(
                builder=Builder(id=BUILDER, version={"weighbridge": __version__}),
                metadata=BuildTimes(
                    started_on=min(load.started for load in loads),
                    finished_on=max(load.ended for load in loads),
                ),
                byproducts=tuple(map(_verdict, runs)),
            ),
        ),
    )


def _verdict(runs: TreeRuns) -> Resource:
    """Return the verdict on a scenario, with the figures that it is about."""
    path, verdict = runs.scenario.records / VERDICT, runs.verdict
    figures = {
        "outcome": verdict.outcome,
        "submittable": verdict.submittable,
        "rate": verdict.rate,
        "unit": verdict.rate_unit,
        **verdict.metrics,
    }
    return Resource(
        name=f"verdict on {verdict.title} of {runs.system}",
        uri=f"file:{path.relative_to(runs.scenario.tree).as_posix()}",
        digest={SHA256: sha256_of(path)},
        annotations={name: value for name, value in figures.items() if value is not None},
    )
