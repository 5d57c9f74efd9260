"""Answer the demo's prompts greedily with transformers, to cross-check what the server answers.

Run as `.venv-server/bin/python src/weighbridge/benchmarks/llama3_1_8b/demo/greedy.py OUT`: OUT receives, for
each file of the dataset, the token ids of all answers, as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, LlamaForCausalLM

DEMO = Path(__file__).parent
LONGEST_ANSWER = 128


@torch.no_grad()
def answer_to(model: LlamaForCausalLM, prompt: list[int]) -> list[int]:
    """Return the ids of the most likely answer, with the token that ends it."""
    ids = torch.tensor([prompt])
    made = model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), pad_token_id=0,
        max_new_tokens=LONGEST_ANSWER, min_new_tokens=1, do_sample=False, temperature=None, top_p=None,
    )  # fmt: skip
    answer: list[int] = made[0, len(prompt) :].tolist()
    return answer


def main(out: Path) -> None:
    """Write the answers to every sample of every file, one prompt at a time: no padding, no batch."""
    model = AutoModelForCausalLM.from_pretrained(DEMO / "model").eval()
    torch.set_num_threads(1)
    answers = {}
    for path in sorted((DEMO / "dataset").glob("*.json")):
        samples = json.loads(path.read_text(encoding="utf-8"))
        answers[path.stem] = [answer_to(model, sample["tok_input"]) for sample in samples]
        print(f"{path.stem}: {len(samples)} answers")
    out.write_text(json.dumps(answers), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
