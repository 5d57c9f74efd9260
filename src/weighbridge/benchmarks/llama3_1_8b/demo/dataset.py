"""Write the demo's dataset: articles of held-out words, in the form of the official files.

Run as `.venv-server/bin/python src/weighbridge/benchmarks/llama3_1_8b/demo/dataset.py`, once the model's
folder has its tokenizer. Each file is a list of objects with the article, its prompt as token ids, and its
highlights.
"""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

from gazette import write_articles
from prompts import prompt_ids
from transformers import AutoTokenizer

DEMO = Path(__file__).parent
SEED = 20_261
# The files of both categories, with their numbers of samples.
FILES = {"cnn_eval": 336, "sample_cnn_eval_5000": 200}


def main() -> None:
    """Write one file for each category; the smaller one has the first articles of the larger one."""
    tokenizer = AutoTokenizer.from_pretrained(DEMO / "model")
    (DEMO / "dataset").mkdir(exist_ok=True)
    for name, count in FILES.items():
        samples = [
            {
                "input": article.text,
                "tok_input": prompt_ids(article, tokenizer),
                "output": article.highlights,
            }
            for article in islice(write_articles(SEED, held_out=True), count)
        ]
        path = DEMO / "dataset" / f"{name}.json"
        path.write_text(json.dumps(samples, indent=4, ensure_ascii=False), encoding="utf-8")
        longest = max(len(sample["tok_input"]) for sample in samples)
        print(f"{path.name}: {count} articles, {path.stat().st_size / 1e6:.1f} MB, at most {longest} tokens")


if __name__ == "__main__":
    main()
