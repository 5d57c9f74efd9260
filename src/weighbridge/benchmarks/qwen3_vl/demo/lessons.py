"""Write the training data of the demo's model: products of other seeds, as the client's messages.

Run as `.venv/bin/python demo/lessons.py FOLDER`. This is a separate program because the messages need the
workflow's environment and training needs the server's. It writes to FOLDER:
  lessons.jsonl  system and user text, answer and category of each lesson
  pictures.npy   images, uint8, shape (lessons, 128, 128, 3)
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from catalogue import to_row
from products import Product, invent_products

from weighbridge.benchmarks.registry import load_benchmark
from weighbridge.config.request_settings import RequestSettings

PROMPT = Path(__file__).parent / "prompt.json"
SEEDS = range(1, 41)  # none of them is the catalogue's seed
LESSONS_A_SEED = 300
# Twice the catalogue's share: reading images takes the longest to learn.
SHARE_TOLD_BY_PICTURE = 0.6


def to_lesson(product: Product) -> dict[str, str]:
    """Return the texts of the messages that the client would send, and the right answer."""
    task = load_benchmark("qwen3-vl-235b-a22b").task(PROMPT)
    system, user = task.prompt_of(to_row(product, "lesson.png"), RequestSettings(picture="original"))
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
    """Return the lessons of one seed, each with its image, uint8, shape (128, 128, 3)."""
    products = islice(invent_products(seed, SHARE_TOLD_BY_PICTURE), LESSONS_A_SEED)
    return [(to_lesson(product), np.asarray(product.picture)) for product in products]


def all_lessons() -> Iterator[tuple[dict[str, str], np.ndarray]]:
    """Yield the lessons of all seeds in order, generated on all cores."""
    with multiprocessing.Pool() as pool:
        for lessons in pool.imap(lessons_of, SEEDS):
            yield from lessons


def main(folder: Path) -> None:
    """Write lessons.jsonl and pictures.npy."""
    folder.mkdir(parents=True, exist_ok=True)
    texts, pictures = zip(*all_lessons(), strict=True)
    lines = "".join(json.dumps(text) + "\n" for text in texts)
    (folder / "lessons.jsonl").write_text(lines, encoding="utf-8")
    np.save(folder / "pictures.npy", np.stack(pictures))
    print(f"{len(texts)} lessons from the seeds {SEEDS.start} to {SEEDS.stop - 1}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
