"""What a tree was made from, as resources of a statement: artifacts, requests, round, code, packages."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.artifacts.proof import Proof
from weighbridge.benchmarks.rounds import round_digest
from weighbridge.config.dataset_rules import name_with_dataset
from weighbridge.config.round import Round
from weighbridge.core.files import sha256_of
from weighbridge.provenance.statement import CODE, GIT_COMMIT, MANIFEST, ROUND, SHA256, Resource
from weighbridge.provenance.tree_runs import TreeRuns
from weighbridge.records.official_client import OfficialClient
from weighbridge.records.run_record import RunRecord
from weighbridge.records.store_manifest import StoreManifest
from weighbridge.submission.checker.recorded_scenario import RecordedScenario
from weighbridge.submission.tree_records import proofs_of, read_inputs

_GITHUB = "https://github.com/"
_HUBS = {
    ArtifactKind.MODEL: "https://huggingface.co/",
    ArtifactKind.DATASET: "https://huggingface.co/datasets/",
    ArtifactKind.REFERENCE: _GITHUB,
    ArtifactKind.MMLU: "https://huggingface.co/datasets/",
    ArtifactKind.CLIENT: _GITHUB,
}
_PROMPT = "prompt"  # the benchmark may have no fixed texts
_COMMIT = re.compile(r"[0-9a-f]{40}")


def materials_of(runs: Sequence[TreeRuns], round_: Round, reference: Proof | None) -> tuple[Resource, ...]:
    """Return all that the runs of a tree were made from.

    Args:
        runs: The scenarios of the tree.
        round_: The rules.
        reference: Proof of the official reference, which no tree carries; None: it was not fetched.

    Raises:
        InputError: a proof or the requests' manifest in the tree is damaged.
    """
    systems = {each.system: each.scenario for each in runs}
    records = {
        f"{each.system} {each.scenario.rules.name} {mode}": record
        for each in runs
        for mode, record in each.records.items()
    }
    return (
        *_merged((name, each) for name, scenario in systems.items() for each in _inputs(scenario)),
        *([_artifact(reference)] if reference is not None else []),
        Resource(
            name="round",
            uri=f"urn:weighbridge:round:{round_.reference}",
            digest={ROUND: round_digest(round_)},
        ),
        *_merged((name, each) for name, scenario in systems.items() for each in _locks(scenario)),
        *_merged((name, make(record)) for make in _OF_A_RUN for name, record in records.items()),
        *_merged((name, _client_rows(record.client)) for name, record in records.items() if record.client),
        *_merged((name, _prompt(record)) for name, record in records.items() if _PROMPT in record.pins),
    )


def _merged(named: Iterable[tuple[str, Resource]]) -> Iterator[Resource]:
    """Yield equal resources once; where others have the same name, whose it is becomes part of the name."""
    owners: dict[str, dict[str, tuple[Resource, list[str]]]] = {}
    for owner, resource in named:
        alike = owners.setdefault(resource.name, {})
        alike.setdefault(resource.model_dump_json(), (resource, []))[1].append(owner)
    for alike in owners.values():
        for resource, names in alike.values():
            of = f" of {', '.join(names)}" if len(alike) > 1 else ""
            yield resource.model_copy(update={"name": f"{resource.name}{of}"})


def _inputs(scenario: RecordedScenario) -> Iterator[Resource]:
    inputs = read_inputs(scenario.system_records)
    yield from (_artifact(proof) for proof in proofs_of(inputs).values() if proof is not None)
    yield from _requests(inputs.store, None)
    for name, of in inputs.further.items():
        if of.dataset is not None:
            yield _artifact(of.dataset, name)
        yield from _requests(of.store, name)


def _requests(store: StoreManifest | None, dataset: str | None) -> Iterator[Resource]:
    if store is not None:
        yield Resource(
            name=name_with_dataset("requests", dataset),
            digest={SHA256: store.bodies_sha256},
            annotations={"count": store.count, "bytes": store.bodies_bytes},
        )


def _artifact(proof: Proof, dataset: str | None = None) -> Resource:
    digest = {MANIFEST: proof.manifest_digest}
    if proof.revision and _COMMIT.fullmatch(proof.revision):
        digest[GIT_COMMIT] = proof.revision
    known = {"repository": proof.repo, "revision": proof.revision, "mlcommons": proof.uri}
    return Resource(
        name=name_with_dataset(proof.kind, dataset),
        uri=f"{_HUBS[proof.kind]}{proof.repo}" if proof.repo else None,
        digest=digest,
        annotations={name: value for name, value in known.items() if value is not None} or None,
    )


def _locks(scenario: RecordedScenario) -> Iterator[Resource]:
    """Yield the files of the tree that pin the packages: those of a checkout, or of what was installed."""
    client = scenario.round_.client
    for name in ("requirements/workflow.lock", f"requirements/client-{client}.lock", "requirements.txt"):
        path = scenario.sources / name
        if path.is_file():
            yield Resource(
                name=f"packages in {name}",
                uri=f"file:{path.relative_to(scenario.tree).as_posix()}",
                digest={SHA256: sha256_of(path)},
            )


def _code(record: RunRecord) -> Resource:
    digest, revision = {CODE: record.code_sha256}, record.git_revision
    if revision and _COMMIT.fullmatch(revision):
        digest[GIT_COMMIT] = revision
    annotations: dict[str, Any] = {"version": record.weighbridge_version}
    # Of a checkout with local changes the revision says where it began, and is no hash of it.
    return Resource(
        name="code", digest=digest, annotations=annotations | ({"revision": revision} if revision else {})
    )


def _load_generator(record: RunRecord) -> Resource:
    if (client := record.client) is not None:
        return Resource(
            name="official client",
            uri=client.repo if "://" in client.repo else f"{_GITHUB}{client.repo}",
            digest={GIT_COMMIT: client.commit},
            annotations={
                "tree": client.tree,
                "modified": client.modified,
                "python": client.python,
                "packages": client.packages_sha256,
            },
        )
    return Resource(name="LoadGen", uri=f"pkg:pypi/mlcommons-loadgen@{record.load.loadgen_version}")


def _server(record: RunRecord) -> Resource:
    server = record.server
    return Resource(
        name="server",
        uri="urn:weighbridge:server",
        annotations={"kind": server.kind or "not known", "version": server.version or "not reported"},
    )


def _client_rows(client: OfficialClient) -> Resource:
    return Resource(
        name="official client's dataset",
        uri=f"urn:weighbridge:client-rows:{client.dataset_name}",
        digest={SHA256: client.dataset_sha256},
        annotations={"rows": client.dataset_rows},
    )


def _prompt(record: RunRecord) -> Resource:
    return Resource(name=_PROMPT, digest={SHA256: record.pins[_PROMPT]})


_OF_A_RUN: tuple[Callable[[RunRecord], Resource], ...] = (_code, _load_generator, _server)
