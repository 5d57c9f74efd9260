"""Measure how fast the request store is built and how fast the reference loads its samples, interleaved.

    python bench/store.py [--samples 6000] [--rounds 3]

The reference decodes, re-encodes and formats every sample again at the start of every run, on one core; the
store is built once, on all cores, and written to disk. Both start from the same Parquet file with images of
about 84 KB.
"""

import argparse
import base64
import io
import json
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageFilter

from weighbridge.benchmarks.registry import load_benchmark
from weighbridge.config.request_settings import RequestSettings
from weighbridge.requests.store import build_store

HERE = Path(__file__).parent
PROMPT = {"system": "words " * 300, "user": "@TITLE@ @DESC@ @CATS@"}
SIDE = 800  # pixels; with the blur below, a JPEG of about 84 KB


def picture(number: int) -> bytes:
    """Return an image that is as hard to encode as a photograph."""
    noise = Image.effect_noise((SIDE, SIDE), 90 + number % 7).filter(ImageFilter.GaussianBlur(1.3))
    buffer = io.BytesIO()
    Image.merge("RGB", (noise, noise.rotate(90), noise.rotate(180))).save(buffer, format="JPEG", quality=80)
    return buffer.getvalue()


def make_dataset(folder: Path, samples: int) -> None:
    """Write one split with this number of rows; they share a few images."""
    pictures = [picture(number) for number in range(20)]
    print(f"pictures of {statistics.mean(map(len, pictures)) / 1e3:.0f} KB", file=sys.stderr)
    table = pa.table(
        {
            "product_title": [f"product {number}" for number in range(samples)],
            "product_description": ["words " * 200] * samples,
            "product_image": [{"bytes": pictures[n % 20], "path": None} for n in range(samples)],
            "potential_product_categories": [["A > B", "C > D"]] * samples,
        }
    )
    folder.mkdir(parents=True)
    pq.write_table(table, folder / "train-00000-of-00001.parquet", row_group_size=100)


def load_as_the_reference(folder: Path, prompt: Path) -> int:
    """Load all samples as message objects one after another; return their number."""
    import datasets  # not at the top: the store's encoding processes import this file again

    datasets.disable_progress_bars()
    task = load_benchmark("qwen3-vl-235b-a22b").task(prompt)
    rows = datasets.load_dataset("parquet", data_files=str(folder / "*.parquet"), split="train")
    rows = rows.cast_column("product_image", datasets.Image())
    loaded = []
    for row in rows:
        buffer = io.BytesIO()
        image = row["product_image"]
        image.save(buffer, format=image.format)
        content = base64.b64encode(buffer.getvalue()).decode("utf-8")
        loaded.append(task.messages(row, f"data:image/{image.format};base64,{content}"))
    return len(loaded)


def main() -> None:
    """Measure both, and print samples/s."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--samples", type=int, default=6000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rates: dict[str, list[float]] = {"reference's loading": [], "building the store": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["HF_DATASETS_CACHE"] = str(folder / "cache")
        prompt = folder / "prompt.json"
        prompt.write_text(json.dumps(PROMPT))
        make_dataset(folder / "dataset" / "data", options.samples)

        def ours() -> None:
            build_store(
                dataset=folder / "dataset",
                splits=("train",),
                prompt=prompt,
                benchmark="qwen3-vl-235b-a22b",
                model_name="m",
                settings=RequestSettings(),
                expected_samples=options.samples,
                out=folder / "store",
                processes=os.cpu_count() or 1,
            )

        ways = {
            "reference's loading": lambda: load_as_the_reference(folder / "dataset" / "data", prompt),
            "building the store": ours,
        }
        ways["reference's loading"]()  # once before: it converts the Parquet to Arrow in its cache
        for turn in range(options.rounds):
            names = list(ways)
            random.Random(turn).shuffle(names)
            for way in names:
                started = time.perf_counter()
                ways[way]()
                rates[way].append(options.samples / (time.perf_counter() - started))
    print("| | samples/s: median (smallest-largest) |\n| --- | --- |")
    for way, found in rates.items():
        print(f"| {way} | {statistics.median(found):.0f} ({min(found):.0f}-{max(found):.0f}) |")
    ratio = statistics.median(rates["building the store"]) / statistics.median(rates["reference's loading"])
    print(f"\nBuilding the store is {ratio:.2f} times as fast, on {os.cpu_count()} cores.")
    figures = {"samples": options.samples, "samples_per_s": rates, "ratio": ratio}
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "store.json").write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
