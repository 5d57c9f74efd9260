"""Write runs of a submittable round with the evidence that its tree carries, for tests that assemble one."""

import json
from pathlib import Path
from typing import Any

from loadgen_files import small_round, write_results
from request_files import write_products

from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.artifacts.proof import Proof
from weighbridge.artifacts.verify import describe
from weighbridge.config.closed_rules import ArtifactPin, ClosedRules, TaskPart
from weighbridge.config.request_settings import RequestSettings
from weighbridge.config.round import Round
from weighbridge.config.settings import SubmissionSettings
from weighbridge.gates import Inputs
from weighbridge.records.store_manifest import StoreManifest
from weighbridge.submission import assemble
from weighbridge.submission.system_description import required_fields
from weighbridge.system.identity import code_sha256_of

MODEL = ArtifactPin(
    repo="lab/model-bf16", revision="1" * 40, files={"config.json": {"text.hidden_size": 4096.0}}
)
DATASET = ArtifactPin(repo="lab/products", revision="2" * 40)
REAL = small_round(submittable=True)
RULES = ClosedRules(
    model=MODEL,
    dataset=DATASET,
    requests=RequestSettings(),
    server_must_not_change=(TaskPart.MEDIA, TaskPart.MODEL),
)
CLOSED = small_round(submittable=True, closed=RULES)
STATED = {"weight_data_types": "bf16", "weight_transformations": "No"}
PLACE = "/srv/nobody-must-know"


def proof_of(
    folder: Path, kind: ArtifactKind, pin: ArtifactPin | None, samples: int = CLOSED.samples
) -> Proof:
    """Write a small artifact, and return its proof; without a pin it is one's own."""
    place = folder / kind
    place.mkdir(parents=True, exist_ok=True)
    if kind is ArtifactKind.MODEL:
        (place / "config.json").write_text(json.dumps({"text": {"hidden_size": 4096}}))
        (place / "model.safetensors").write_bytes(b"weights")
    else:
        write_products(place, samples)
    manifest = describe(place)
    return Proof(
        kind=kind,
        folder=place,
        repo=pin.repo if pin else None,
        revision=pin.revision if pin else None,
        manifest_digest=manifest.digest,
        files=manifest.files,
    )


def inputs_in(folder: Path, model: ArtifactPin | None = MODEL, samples: int = CLOSED.samples) -> Inputs:
    """Return evidence of a pinned dataset and of requests as the round demands them."""
    dataset = proof_of(folder, ArtifactKind.DATASET, DATASET, samples)
    requests = StoreManifest(
        dataset={entry.path: entry.sha256 for entry in dataset.files},
        benchmark=CLOSED.benchmark,
        model_name="model",
        prefix='{"model":"model","messages":',
        suffix="}",
        count=samples,
        bodies_bytes=1,
        bodies_sha256="d" * 64,
    )
    return Inputs(proof_of(folder, ArtifactKind.MODEL, model), dataset, requests)


def write_demonstration(root: Path, round_: Round) -> None:
    """Write results/ of a demonstration, with its tree, below `root`."""
    write_results(root / "results", round_)
    (root / "project").mkdir()
    (root / "project" / "Snakefile").write_text("rule all:\n")
    assemble(
        results=root / "results",
        destination=root / "results" / "submission",
        originals=root / "results" / "originals",
        round_=round_,
        settings=SubmissionSettings(submitter="Me", system="box"),
        source=root / "project",
    )


def write_tree(root: Path) -> Path:
    """Write valid runs below `root`, and return the folder of the tree that has all their evidence."""
    inputs = inputs_in(root)
    write_judged(root, inputs)
    return build(root, inputs)


def write_judged(root: Path, inputs: Inputs) -> None:
    """Write valid runs of this evidence into results/, and the code that ran into project/."""
    package = write_project(root)
    write_results(root / "results", REAL)
    for path in (root / "results").rglob("run.json"):
        record = json.loads(path.read_text())
        record["code_sha256"] = code_sha256_of(package)
        path.write_text(json.dumps(record | recorded(inputs, record["server"])))


def write_project(root: Path) -> Path:
    """Write the code that ran into project/; return its package."""
    package = root / "project" / "src" / "weighbridge"
    (package / "run").mkdir(parents=True)
    for path in (package / "__init__.py", package / "run" / "__init__.py", package / "run" / "session.py"):
        path.write_text(f"# {path.name}\n")
    (root / "project" / "Snakefile").write_text("rule all:\n")
    return package


def recorded(inputs: Inputs, server: dict[str, Any]) -> dict[str, Any]:
    """Return what a run with this evidence records of it."""
    assert inputs.store is not None
    assert inputs.model is not None
    command = [f"{PLACE}/bin/vllm", "serve", f"{PLACE}/model", "--dtype=bfloat16"]
    return {
        "pins": {"model": inputs.model.manifest_digest, "dataset": inputs.store.dataset_digest},
        "requests": inputs.store.settings.model_dump(),
        "envelope": [inputs.store.prefix, inputs.store.suffix],
        "server": server | {"command": command, "kind": "vLLM", "reported_arguments": {"dtype": "bfloat16"}},
    }


def build(root: Path, inputs: Inputs, round_: Round = CLOSED, **settings: Any) -> Path:
    """Assemble the tree of `write_judged`, and return its folder."""
    description = root / "system.yaml"
    fields = {name: field.example for name, field in required_fields().items()}
    description.write_text(
        json.dumps({name: value for name, value in fields.items() if name not in ("division", "submitter")})
    )
    assemble(
        results=root / "results",
        destination=root / "tree",
        originals=root / "originals",
        round_=round_,
        settings=SubmissionSettings.parse(
            {"submitter": "Me", "system": "box", "measurements": STATED}
            | {"system_description": str(description)}
            | settings,
            "settings",
        ),
        source=root / "project",
        inputs=inputs,
    )
    return root / "tree"
