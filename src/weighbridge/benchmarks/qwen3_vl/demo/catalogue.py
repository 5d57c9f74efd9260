"""Write the demo's dataset: a small product catalogue with the benchmark's columns and file layout.

Run as `.venv/bin/python demo/catalogue.py`.
"""

from __future__ import annotations

import io
from itertools import islice
from pathlib import Path

from datasets import Dataset, Features, Image, List, Value
from products import Product, invent_products

SEED = 20_251
SPLITS = {"train": 416, "test": 96}
FOLDER = Path(__file__).parent / "dataset" / "data"

FEATURES = Features(
    {
        "product_title": Value("string"),
        "product_description": Value("string"),
        "product_image": Image(),
        "potential_product_categories": List(Value("string")),
        "ground_truth_category": Value("string"),
        "ground_truth_brand": Value("string"),
        "ground_truth_is_secondhand": Value("bool"),
    }
)


def to_png(product: Product) -> bytes:
    """Return a product's image as PNG; lossless, so the client's re-encoding changes no pixel."""
    buffer = io.BytesIO()
    product.picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def to_row(product: Product, name: str) -> dict[str, object]:
    """Return a product as a row in the column order of FEATURES; `name` is the image's file name."""
    row = product.row | {"product_image": {"bytes": to_png(product), "path": name}}
    return {column: row[column] for column in FEATURES}


def main() -> None:
    """Write one Parquet file per split."""
    products = list(islice(invent_products(SEED), sum(SPLITS.values())))
    rows = [to_row(product, f"{number:04}.png") for number, product in enumerate(products)]
    FOLDER.mkdir(parents=True, exist_ok=True)
    start = 0
    for split, count in SPLITS.items():
        path = FOLDER / f"{split}-00000-of-00001.parquet"
        Dataset.from_list(rows[start : start + count], features=FEATURES).to_parquet(path)
        start += count
        print(f"{path.name}: {count} products, {path.stat().st_size / 1e6:.1f} MB")
    by_picture = sum(product.told_by_picture for product in products) / len(products)
    print(f"told by the picture alone: {by_picture:.0%}")


if __name__ == "__main__":
    main()
