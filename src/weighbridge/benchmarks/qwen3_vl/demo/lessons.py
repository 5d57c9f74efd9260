"""Write the training data of the demo's model: products of other seeds, in the messages of the client.

Run as `.venv/bin/python demo/lessons.py FOLDER`; a program of its own, because the messages come from the
workflow's environment and torch lives in the server's. FOLDER receives
  lessons.jsonl  system and user text, answer and category of each lesson
  pictures.npy   uint8, lessons x 128 x 128 x 3
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from products import Product, invent_products

from weighbridge.benchmarks.registry import load_benchmark

PROMPT = Path(__file__).parent / "prompt.json"
SEEDS = range(1, 41)  # the catalogue's seed is far from them
LESSONS_A_SEED = 300
# Twice the catalogue's share: reading pictures is the slowest thing to learn.
SHARE_TOLD_BY_PICTURE = 0.6


def to_lesson(product: Product) -> dict[str, str]:
    """Return the texts of the very messages that the client would send, and the answer it should get."""
    task = load_benchmark("qwen3-vl-235b-a22b").task(PROMPT)
    system, user = task.messages(product.row, picture_url=None)
    answer = {
        "category": product.category,
        "brand": product.brand,
        "is_secondhand": product.is_secondhand,
    }
    return {
        "system": system["content"],
        "user": user["content"][0]["text"],
        "answer": json.dumps(answer),
        "category": product.category,
    }


def lessons_of(seed: int) -> list[tuple[dict[str, str], np.ndarray]]:
    """Return one seed's lessons, each with its picture."""
    products = islice(invent_products(seed, SHARE_TOLD_BY_PICTURE), LESSONS_A_SEED)
    return [(to_lesson(product), np.asarray(product.picture)) for product in products]


def all_lessons() -> Iterator[tuple[dict[str, str], np.ndarray]]:
    """Yield the lessons of all seeds in order, drawn by all cores."""
    with multiprocessing.Pool() as pool:
        for lessons in pool.imap(lessons_of, SEEDS):
            yield from lessons


def main(folder: Path) -> None:
    """Write the two files."""
    folder.mkdir(parents=True, exist_ok=True)
    texts, pictures = zip(*all_lessons(), strict=True)
    lines = "".join(json.dumps(text) + "\n" for text in texts)
    (folder / "lessons.jsonl").write_text(lines, encoding="utf-8")
    np.save(folder / "pictures.npy", np.stack(pictures))
    print(f"{len(texts)} lessons from the seeds {SEEDS.start} to {SEEDS.stop - 1}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
