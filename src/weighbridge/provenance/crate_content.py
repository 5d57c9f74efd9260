"""The content of a run directory's crate: inputs, software, runs, scores, verdicts, and their files."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rocrate.model.entity import Entity

from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.artifacts.manifest import Manifest
from weighbridge.artifacts.proof import Proof
from weighbridge.config.dataset_rules import name_with_dataset
from weighbridge.config.scenario_rules import Mode
from weighbridge.core.formatting import measured
from weighbridge.gates.closed_checks import DatasetInputs
from weighbridge.provenance.crate_files import PRODUCTS, RUN_FILES
from weighbridge.provenance.crate_software import (
    host_entity,
    load_generator_entity,
    server_entity,
    weighbridge_entity,
    workflow_entity,
)
from weighbridge.provenance.graph import CrateGraph
from weighbridge.records.notice import Standing, reason_of
from weighbridge.records.run_record import RunRecord
from weighbridge.records.score import ACCURACY_JSON, ACCURACY_TEXT
from weighbridge.records.search_record import PEAK
from weighbridge.records.verdict import VERDICT, Verdict

Runs = Mapping[tuple[str, str], RunRecord]

_PAGES = {
    ArtifactKind.MODEL: "https://huggingface.co/{repo}/tree/{revision}",
    ArtifactKind.DATASET: "https://huggingface.co/datasets/{repo}/tree/{revision}",
    ArtifactKind.REFERENCE: "https://github.com/{repo}/tree/{revision}",
    ArtifactKind.CLIENT: "https://github.com/{repo}/tree/{revision}",
    ArtifactKind.MMLU: "https://huggingface.co/datasets/{repo}/tree/{revision}",
}
_SNAKEFILE = "submission/*/*/src/*/Snakefile"  # the code that ran, as copied into the tree


@dataclass(frozen=True)
class CrateInputs:
    """The inputs of runs on one dataset, as entities of the crate."""

    artifacts: Mapping[ArtifactKind, Entity]
    prompt: Entity | None  # the benchmark may have no fixed texts
    store: Entity

    def some(self, *kinds: ArtifactKind) -> list[Entity]:
        """Return the artifacts of these kinds that exist."""
        return [self.artifacts[kind] for kind in kinds if kind in self.artifacts]


def describe(
    graph: CrateGraph,
    results: Path,
    runs: Runs,
    artifacts: Sequence[Proof],
    submitter: str,
    further: Mapping[str, DatasetInputs],
) -> None:
    """Add a run directory to the graph, in the order in which its files were made.

    Args:
        graph: The graph; its folder is `results`.
        results: The run directory's results/.
        runs: Its runs, at least one, by scenario and name.
        artifacts: Proofs of the inputs.
        submitter: Who made the runs.
        further: Proofs of the round's further datasets, and of the requests made of them, by name.

    Raises:
        InputError: a verdict is damaged.
    """
    agent = graph.thing("#submitter", "Organization", name=submitter)
    stores = {of.store.bodies_sha256: name for name, of in further.items() if of.store is not None}
    of_dataset: dict[str | None, CrateInputs] = {}
    for record in runs.values():
        dataset = stores.get(record.store_sha256)
        if dataset not in of_dataset:
            of_dataset[dataset] = _inputs(graph, record, artifacts, dataset, further)
    inputs = {scenario: of_dataset[stores.get(record.store_sha256)] for (scenario, _), record in runs.items()}
    for (scenario, name), record in runs.items():
        _run(graph, scenario, name, record, inputs[scenario], agent)
    for scenario in dict.fromkeys(scenario for scenario, _ in runs):
        made_by = weighbridge_entity(graph, runs.get((scenario, Mode.ACCURACY)) or next(iter(runs.values())))
        names = [name for of, name in runs if of == scenario]
        _judgement(graph, results / scenario, names, made_by, inputs[scenario], agent)
    _whole(graph, results, runs, [*of_dataset.values()], agent)


def _whole(
    graph: CrateGraph, results: Path, runs: Runs, inputs: Sequence[CrateInputs], agent: Entity
) -> None:
    """Add the products, the workflow that made them, and the description of the crate."""
    records = runs.values()
    started = min((record.load.started for record in records), key=datetime.fromisoformat)
    ended = max((record.load.ended for record in records), key=datetime.fromisoformat)
    products = graph.files("", PRODUCTS)
    # Without a tree there is no copy of the workflow, and the crate describes the runs alone.
    for snakefile in sorted(results.glob(_SNAKEFILE))[:1]:
        graph.action(
            "#workflow",
            "The whole benchmark",
            [workflow_entity(graph, snakefile, next(iter(records)))],
            _distinct(
                entity
                for of in inputs
                for entity in (*of.artifacts.values(), *([of.prompt] if of.prompt else []))
            ),
            products,
            description="From pinned artifacts through runs and verdicts to a checked submission tree.",
            agent=agent,
            startTime=started,
            endTime=ended,
        )
    record = next(iter(records))
    # A run from before its round was withdrawn does not say so, but its verdict does.
    standings: list[Standing] = [Verdict.read(path) for path in sorted(results.glob(f"*/{VERDICT}"))]
    of = next((each for each in (*standings, *records) if not each.submittable), record)
    if of.not_submittable_because:
        standing = f" {reason_of(of)}"
    else:
        standing = "" if of.submittable else " This is a demonstration; do not cite its numbers."
    graph.root(
        name=f"Benchmark of round {record.round} by {agent['name']}",
        description=(
            "Runs, scores, verdicts and submission of an MLPerf Inference benchmark, made with Weighbridge; "
            f"not verified by MLCommons Association.{standing}"
        ),
        datePublished=ended,
        author=agent,
        publisher=agent,
        license=graph.thing(
            "#licence",
            "CreativeWork",
            name="No licence stated",
            description="The publisher of these files states their licence.",
        ),
    )


def _distinct(entities: Iterable[Entity]) -> list[Entity]:
    """Return entities in their order, each once."""
    return list({entity.id: entity for entity in entities}.values())


def _inputs(
    graph: CrateGraph,
    record: RunRecord,
    artifacts: Sequence[Proof],
    dataset: str | None,
    further: Mapping[str, DatasetInputs],
) -> CrateInputs:
    """Return what the runs on a dataset were made from; None: the round's own dataset."""
    found = {proof.kind: _artifact(graph, proof) for proof in artifacts}
    if dataset is not None:
        found.pop(ArtifactKind.DATASET, None)
        if (proof := further[dataset].dataset) is not None:
            found[ArtifactKind.DATASET] = _artifact(graph, proof, dataset)
    prompt = (
        graph.thing(
            "#prompt",
            "CreativeWork",
            name="Prompt",
            description="Fixed texts of every request.",
            sha256=record.pins["prompt"],
        )
        if "prompt" in record.pins
        else None
    )
    store = graph.thing(
        f"#{name_with_dataset('requests', dataset)}",
        "CreativeWork",
        name="Request bodies",
        description="Ready-to-send bodies of all samples, made from dataset and prompt.",
        sha256=record.store_sha256,
        isBasedOn=[each for each in (found.get(ArtifactKind.DATASET), prompt) if each is not None],
    )
    return CrateInputs(found, prompt, store)


def _artifact(graph: CrateGraph, proof: Proof, dataset: str | None = None) -> Entity:
    manifest, name = Manifest(files=proof.files), name_with_dataset(proof.kind, dataset)
    facts = {
        "name": f"{proof.kind} {proof.repo}" if proof.repo else str(proof.kind),
        "description": f"{len(proof.files)} files, {manifest.total_bytes} bytes, proven by their sha256."
        + (f" From MLCommons' storage: {proof.uri}." if proof.uri else "")
        + (" Without the weights, which endpoints served: not proven." if proof.without_weights else ""),
        "identifier": graph.thing(
            f"#{name}-manifest",
            "PropertyValue",
            name="sha256 over a line 'sha256 size path' of each file",
            value=proof.manifest_digest,
        ),
    }
    if proof.repo is None or proof.revision is None:
        return graph.thing(f"#{name}", "CreativeWork", **facts)
    url = _PAGES[proof.kind].format(repo=proof.repo, revision=proof.revision)
    return graph.page(url, **facts, version=proof.revision)


def _run(
    graph: CrateGraph, scenario: str, name: str, record: RunRecord, inputs: CrateInputs, agent: Entity
) -> None:
    load = record.load
    status = {"actionStatus": "http://schema.org/CompletedActionStatus"}
    if load.aborted:
        status = {"actionStatus": "http://schema.org/FailedActionStatus", "error": load.aborted}
    graph.action(
        f"#run-{scenario}-{name}",
        f"{_title(graph, scenario)} {name} run",
        [
            weighbridge_entity(graph, record),
            load_generator_entity(graph, record),
            server_entity(graph, record),
        ],
        [*inputs.some(ArtifactKind.MODEL), inputs.store],
        graph.files(f"{scenario}/{name}", RUN_FILES, record.logs),
        description=f"{load.completed} of {load.issued} samples answered, "
        f"{measured(load.achieved_qps)} a second.",
        agent=agent,
        startTime=load.started,
        endTime=load.ended,
        location=host_entity(graph, record),
        **status,
    )


def _judgement(
    graph: CrateGraph, folder: Path, names: list[str], made_by: Entity, inputs: CrateInputs, agent: Entity
) -> None:
    """Add those of a scenario's score, verdict and peak search that exist; `names` are those of its runs."""
    scenario = folder.name
    runs = {name: graph.files(f"{scenario}/{name}", RUN_FILES) for name in (*Mode, *names)}
    scores = graph.files(
        scenario,
        {ACCURACY_JSON: "Score with all details.", ACCURACY_TEXT: "Score for the official checker."},
    )
    if scores:
        graph.action(
            f"#score-{scenario}",
            f"Score of {_title(graph, scenario)}",
            [made_by],
            [*runs[Mode.ACCURACY], *inputs.some(ArtifactKind.DATASET)],
            scores,
            description="All answers compared with the truth; the metrics are in the files.",
            agent=agent,
        )
    files = graph.files(scenario, {VERDICT: "Every check with its value and limit."})
    if files:
        verdict = Verdict.read(folder / VERDICT)
        graph.action(
            f"#verdict-{scenario}",
            f"Verdict on {verdict.title}",
            [made_by],
            [*(file for files_ in runs.values() for file in files_), *scores],
            [*files, *_figures(graph, verdict)],
            description=f"{len(verdict.checks)} checks of {'both' if len(runs) == 2 else 'all'} runs: "
            f"{verdict.outcome}.",
            agent=agent,
        )
    graph.files(scenario, {PEAK: "The search for the highest rate that passes, probe by probe."})


def _title(graph: CrateGraph, scenario: str) -> str:
    """Return a scenario's name for readers from its verdict, or its key without one."""
    path = graph.folder / scenario / VERDICT
    return Verdict.read(path).title if path.is_file() else scenario


def _figures(graph: CrateGraph, verdict: Verdict) -> list[Entity]:
    figures = {
        "outcome": ("Outcome", verdict.outcome, {}),
        "rate": ("Rate", verdict.rate, {"unitText": verdict.rate_unit}),
        "accuracy": (verdict.metric, verdict.accuracy, {}),
    }
    figures |= {name: (name, value, {}) for name, value in verdict.metrics.items() if name != verdict.metric}
    return [
        graph.thing(
            f"#{name}-{verdict.scenario}",
            "PropertyValue",
            name=f"{verdict.title}: {label}",
            value=value,
            **more,
        )
        for name, (label, value, more) in figures.items()
        if value is not None
    ]
