"""Write the evidence of single requests into a finished run's folder, as a run leaves it, for tests."""

import json
from pathlib import Path

import numpy as np

from weighbridge.client.frames import FinishReason, RequestOutcome
from weighbridge.client.request_log import RECORD_TYPE, write_parquet
from weighbridge.core.files import sha256_of
from weighbridge.submission.evidence import EVIDENCE

ANSWER = "answer"


def write_evidence(folder: Path, samples: int) -> None:
    """Add the three files, and their hashes to run.json, which says how many requests were issued."""
    record = json.loads((folder / "run.json").read_text())
    issued = record["load"]["issued"]
    requests = np.zeros(issued, dtype=RECORD_TYPE)
    requests["id"] = np.arange(issued)
    requests["sample"] = requests["id"] % samples
    requests["tokens"], requests["prompt_tokens"], requests["status"] = 9, 40, 200
    requests["outcome"], requests["finish"] = RequestOutcome.OK, FinishReason.STOP
    requests["id_echoed"] = 1
    requests["planned_ns"] = 1_000_000 * requests["id"].astype(np.int64)
    for after, name in enumerate(("sent_ns", "first_ns", "last_ns", "end_ns"), start=1):
        requests[name] = requests["planned_ns"] + after
    write_parquet(requests, folder / "requests.parquet")
    (folder / "errors.jsonl").write_text("")
    lines = [json.dumps({"sample": sample, "text": ANSWER}) for sample in range(8)]
    (folder / "sampled_answers.jsonl").write_text("".join(f"{line}\n" for line in lines))
    record["logs"] |= {name: sha256_of(folder / name) for name in EVIDENCE}
    (folder / "run.json").write_text(json.dumps(record))
