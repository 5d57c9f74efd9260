"""Run llama3.1-8b's demo with one mistake at a time to a verdict, and print what became of each.

Run as `make llama-demo-faults` (minutes). The exit code is 1 if a mistake passed the gates.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from demo_run import BIN, ROOT
from tokenizers import Tokenizer

DEMO = ROOT / "src" / "weighbridge" / "benchmarks" / "llama3_1_8b" / "demo"
# Standard deviation of what is added to a tensor, as a share of its own. The lower one changes two answers of
# three, in their verbs alone, which no score can tell; the higher one loses facts.
LITTLE_NOISE, NOISE = 0.1, 0.4
SPLIT = "cnn_eval.json"
# What may end a run before anything is measured: a prompt without its first token, another answer than known.
REFUSALS = ("does not begin with the model's", "answers the known request wrongly")

Sample = dict[str, Any]


def slightly_perturbed_weights(work: Path) -> dict[str, Any]:
    """Return settings that use a model whose weights have little noise, and its known answer."""
    return with_noise(work, LITTLE_NOISE)


def perturbed_weights(work: Path) -> dict[str, Any]:
    """Return settings that use a model whose weights have noise, without the known answer."""
    return with_noise(work, NOISE) | {"server": {"golden": None}}


def with_noise(work: Path, share: float) -> dict[str, Any]:
    """Write a copy of the model with noise in its weights; return the settings that use it."""
    shutil.copytree(DEMO / "model", work / "model")
    path = work / "model" / "model.safetensors"
    content = bytearray(path.read_bytes())
    header_bytes = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + header_bytes])
    draw = np.random.default_rng(1)
    for name, tensor in header.items():
        if name == "__metadata__":
            continue
        start, stop = (8 + header_bytes + offset for offset in tensor["data_offsets"])
        values = np.frombuffer(content[start:stop], np.float32)
        noise = draw.normal(0, share * float(values.std()), values.shape)
        content[start:stop] = (values + noise).astype(np.float32).tobytes()
    path.write_bytes(content)
    return {"artifacts": {"model": locked(work / "model")}}


def forgotten_first_token(work: Path) -> dict[str, Any]:
    """Return settings that use prompts without the token that begins a text."""
    return changed_prompts(work, lambda sample: sample["tok_input"][1:])


def chat_template(work: Path) -> dict[str, Any]:
    """Return settings that use prompts in the form of a chat."""
    tokenizer = Tokenizer.from_file(str(DEMO / "model" / "tokenizer.json"))
    instruction = json.loads((DEMO / "prompt.json").read_text())["instruction"]

    def as_chat(sample: Sample) -> list[int]:
        message = instruction.format(input=sample["input"])
        text = (
            f"<|start_header_id|>user<|end_header_id|>\n\n{message}<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n"
        )
        ids: list[int] = tokenizer.encode(text).ids
        return ids

    return changed_prompts(work, as_chat)


def truncated_answers(_work: Path) -> dict[str, Any]:
    """Return settings that end each answer after 16 tokens, as only the open division may."""
    short = {"requests": {"sampling": {"max_tokens": 16}}, "submission": {"division": "open"}}
    return short | {"server": {"golden": None}}


def changed_prompts(work: Path, prompt_of: Callable[[Sample], list[int]]) -> dict[str, Any]:
    """Return settings that use a dataset with other token ids."""
    samples = json.loads((DEMO / "dataset" / SPLIT).read_text())
    (work / "dataset").mkdir()
    changed = [sample | {"tok_input": prompt_of(sample)} for sample in samples]
    (work / "dataset" / SPLIT).write_text(json.dumps(changed))
    return {"artifacts": {"dataset": locked(work / "dataset")}, "server": {"golden": None}}


def locked(folder: Path) -> dict[str, str]:
    """Write a folder's lock beside it; return the settings of the artifact."""
    lock = folder.with_suffix(".lock.json")
    subprocess.run([BIN / "weighbridge", "lock", folder, "--out", lock], check=True, capture_output=True)
    return {"path": str(folder), "manifest": str(lock)}


def became_of(fault: Callable[[Path], dict[str, Any]], work: Path) -> tuple[bool, str]:
    """Run the demo with a mistake; return whether it was noticed, and what was said."""
    overlay = work / "fault.yaml"
    overlay.write_text(yaml.safe_dump(fault(work)))
    command = [BIN / "snakemake", "--profile", "profiles/llama-demo", "--directory", work / "run"]
    command += ["--configfile", DEMO / "config.yaml", overlay, "--", "results/offline/verdict.json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    path = work / "run" / "results" / "offline" / "verdict.json"
    if path.exists():
        verdict = json.loads(path.read_text())
        failed = {check["name"]: check["value"] for check in verdict["checks"] if check["passed"] is False}
        return "rouge1" in failed, f"{verdict['outcome']}: {failed}"
    said = [line for line in (done.stdout + done.stderr).splitlines() if " ERROR " in line]
    refused = said[-1] if said else done.stderr[-300:]
    # Any other reason, such as a server that does not start, is no sign that the mistake was noticed.
    return any(reason in refused for reason in REFUSALS), f"no verdict: {refused}"


FAULTS = (
    slightly_perturbed_weights,
    perturbed_weights,
    forgotten_first_token,
    chat_template,
    truncated_answers,
)


def main() -> int:
    """Try all mistakes; return 1 if one passed."""
    missed = 0
    for fault in FAULTS:
        with tempfile.TemporaryDirectory(prefix=f"{fault.__name__}-") as work:
            noticed, said = became_of(fault, Path(work))
        missed += not noticed
        print(f"{fault.__name__:26} {'noticed' if noticed else 'PASSED'}: {said}", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
