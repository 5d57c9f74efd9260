"""Write what a run records of its requests and answers, and a small dataset that scores them, for tests."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.artifacts.proof import Proof
from weighbridge.artifacts.verify import describe
from weighbridge.client.frames import FinishReason
from weighbridge.client.request_log import RECORD_TYPE, write_parquet
from weighbridge.config.scenario_rules import Mode
from weighbridge.gates import Inputs

# What a submission tree carries of each scenario's runs.
RECORDED = (
    *(f"{name}.json" for name in ("performance", "accuracy", "verdict", "score")),
    *(f"{mode}/{name}" for mode in Mode for name in ("requests.parquet", "errors.jsonl")),
    "performance/sampled_answers.jsonl",
)
PROMPT = Path(__file__).parents[2] / "demo" / "prompt.json"
_RIGHT_SHARE = 0.79  # of the answers
_UNREADABLE = ("x", "", "{")
_CATEGORIES = ("Shoes > Boots", "Shoes > Sandals", "Kitchen > Pots", "Kitchen > Plates")
_STEP_NS = 100_000
# As `loadgen_files` logs them: shares of the requests, and the latency up to which each reaches.
_LATENCIES_NS = ((0.505, 3_000_000_000), (0.905, 5_000_000_000), (1.0, 8_000_000_000))
_LONGEST_NS = 50_000_000_000
_STRIDE = 7919  # a prime
_SAMPLED = 300


def product(sample: int) -> dict[str, Any]:
    """Return the ground truth of a sample."""
    category = _CATEGORIES[sample % len(_CATEGORIES)]
    return {"category": category, "brand": f"Brand {sample % 20}", "is_secondhand": sample % 3 == 0}


def f1_of(samples: int) -> float:
    """Return the category F1 of `answers_of`: every category has two levels, and all or none are right."""
    return round(_RIGHT_SHARE * samples) / samples


def answers_of(samples: int) -> list[str]:
    """Return an answer to each sample: most are right, some wrong, and the last three cannot be read."""
    right = round(_RIGHT_SHARE * samples)
    answers = [json.dumps(product(sample)) for sample in range(right)]
    answers += [
        json.dumps(product(sample) | {"category": "Other > Things"}) for sample in range(right, samples)
    ]
    return [*answers[:-3], *_UNREADABLE]


def tokens_of(sample: int) -> int:
    """Return the tokens of the answer to a sample."""
    return 20 + sample % 7


def request_log(samples: int, mode: Mode) -> Any:
    """Return the records of a good run, which a test may change: each sample once, or in two passes."""
    asked = np.tile(np.arange(samples), 2 if mode is Mode.PERFORMANCE else 1)
    log = np.zeros(len(asked), dtype=RECORD_TYPE)
    sizes = np.array([len(answer.encode()) for answer in answers_of(samples)])
    log["id"], log["sample"], log["payload_bytes"] = np.arange(len(asked)), asked, sizes[asked]
    log["tokens"], log["prompt_tokens"] = tokens_of(asked), 200 + asked % 50
    log["finish"], log["id_echoed"], log["status"] = FinishReason.STOP, 1, 200
    log["planned_ns"] = 10**9 + _STEP_NS * np.arange(len(asked))
    log["end_ns"] = log["planned_ns"] + _latencies_ns(len(asked))
    log["sent_ns"] = log["first_ns"] = log["planned_ns"] + 1
    log["last_ns"] = log["end_ns"]
    return log


def _latencies_ns(requests: int) -> Any:
    ranks = _STRIDE * np.arange(requests) % requests / requests  # spread over the run
    latencies = np.select([ranks < share for share, _ in _LATENCIES_NS], [ns for _, ns in _LATENCIES_NS])
    latencies[requests // 24] = _LONGEST_NS
    return latencies


def write_requests(folder: Path, samples: int, mode: Mode) -> None:
    """Write requests.parquet, errors.jsonl and, of a performance run, sampled_answers.jsonl."""
    write_parquet(request_log(samples, mode), folder / "requests.parquet")
    (folder / "errors.jsonl").write_text("")
    if mode is Mode.PERFORMANCE:
        write_sampled(folder, answers_of(samples)[:_SAMPLED])


def write_sampled(folder: Path, texts: list[str]) -> None:
    """Write sampled_answers.jsonl with the answers to the first samples."""
    lines = (json.dumps({"sample": sample, "text": text}) for sample, text in enumerate(texts))
    (folder / "sampled_answers.jsonl").write_text("".join(f"{line}\n" for line in lines))


def answers_log(samples: int) -> str:
    """Return the text of LoadGen's log of the answers to all samples."""
    lines = (
        f'{{ "seq_id" : {sample}, "qsl_idx" : {sample}, "data" : "{answer.encode().hex().upper()}", '
        '"token_count" : 9 }'
        for sample, answer in enumerate(answers_of(samples))
    )
    return "[\n" + ",\n".join(lines) + "\n]\n"


def write_products(folder: Path, samples: int) -> None:
    """Write the columns of the ground truth as the round's two splits."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "ground_truth_category": truth["category"],
            "ground_truth_brand": truth["brand"],
            "ground_truth_is_secondhand": truth["is_secondhand"],
            "potential_product_categories": [truth["category"], "Other > Things"],
        }
        for truth in map(product, range(samples))
    ]
    for split, part in (("train", rows[: samples // 2]), ("test", rows[samples // 2 :])):
        pq.write_table(pa.Table.from_pylist(part), folder / f"{split}.parquet")


def with_products(inputs: Inputs, folder: Path, samples: int) -> Inputs:
    """Return inputs whose answers can be scored, with a dataset in `folder` unless they have one."""
    if inputs.dataset is None:
        if not folder.is_dir():
            write_products(folder, samples)
        manifest = describe(folder)
        proof = Proof(
            kind=ArtifactKind.DATASET,
            folder=folder,
            repo=None,
            revision=None,
            manifest_digest=manifest.digest,
            files=manifest.files,
        )
        inputs = replace(inputs, dataset=proof)
    return replace(inputs, prompt=PROMPT)
