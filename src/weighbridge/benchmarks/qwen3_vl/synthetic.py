"""Generate synthetic artifacts for a rehearsal: a product catalogue of any size, and an empty model."""

import io
import json
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.core.errors import InputError

_SEED = 20260401
_ROWS_PER_GROUP = 1024
_SPLITS, _FIRST_SHARE = ("train", "test"), 0.8  # as in the real catalogue
# Small: a rehearsal tests counts, durations and files at full scale, not bandwidth, and 48,289 images of the
# real size would take 6 GB.
_IMAGE_PIXELS = 32
_DEPARTMENTS = ("Garden", "Kitchen", "Music", "Office", "Outdoors", "Toys", "Travel", "Workshop")
_KINDS = ("Baskets", "Boxes", "Cases", "Covers", "Hooks", "Lamps", "Stands", "Tools")
_SIZES = ("Compact", "Large", "Medium", "Miniature")
_BRANDS = ("Alina", "Borox", "Cenum", "Dorwyn", "Elox", "Farum", "Gelwyn", "Hanox")
_CANDIDATES = 5
_SCHEMA = pa.schema(
    [
        ("product_title", pa.string()),
        ("product_description", pa.string()),
        ("product_image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("potential_product_categories", pa.list_(pa.string())),
        ("ground_truth_category", pa.string()),
        ("ground_truth_brand", pa.string()),
        ("ground_truth_is_secondhand", pa.bool_()),
    ]
)


def synthesise(kind: ArtifactKind, samples: int, folder: Path, splits: Sequence[str] = ()) -> None:
    """Write a synthetic dataset with the product catalogue's columns, or a model folder without weights.

    The same number of samples gives the same rows.

    Raises:
        InputError: this kind of artifact cannot be generated.
    """
    if kind is ArtifactKind.DATASET:
        _write_catalogue(samples, splits or _SPLITS, folder / "data")
    elif kind is ArtifactKind.MODEL:
        _write_empty_model(folder)
    else:
        raise InputError(f"artifacts.{kind}: cannot be synthetic; set repo and revision, or null.")


def _write_catalogue(samples: int, splits: Sequence[str], folder: Path) -> None:
    """Write the products: the most to the first split, the others in equal shares to the rest."""
    folder.mkdir(parents=True)
    rows = _products(samples)
    first, rest = splits[0], splits[1:]
    most = round(samples * _FIRST_SHARE) if rest else samples
    others = [(split, len(range(number, samples - most, len(rest)))) for number, split in enumerate(rest)]
    for split, count in ((first, most), *others):
        with pq.ParquetWriter(folder / f"{split}-00000-of-00001.parquet", _SCHEMA) as writer:
            for start in range(0, count, _ROWS_PER_GROUP):
                group = [next(rows) for _ in range(min(_ROWS_PER_GROUP, count - start))]
                writer.write_table(pa.Table.from_pylist(group, schema=_SCHEMA))


def _products(samples: int) -> Iterator[dict[str, object]]:
    """Yield products; the number in each title makes it unique."""
    paths = [" > ".join(path) for path in _paths()]
    random = np.random.default_rng(_SEED)
    for number in range(samples):
        candidates = [paths[index] for index in random.choice(len(paths), _CANDIDATES, replace=False)]
        brand = _BRANDS[random.integers(len(_BRANDS))]
        yield {
            "product_title": f"{brand} article {number}",
            "product_description": f"Article {number} of a catalogue that was made up for a rehearsal.",
            "product_image": {"bytes": _image(random), "path": None},
            "potential_product_categories": candidates,
            "ground_truth_category": candidates[random.integers(_CANDIDATES)],
            "ground_truth_brand": brand,
            "ground_truth_is_secondhand": bool(random.random() < 0.2),
        }


def _paths() -> Iterator[tuple[str, str, str]]:
    return ((first, second, third) for first in _DEPARTMENTS for second in _KINDS for third in _SIZES)


def _image(random: np.random.Generator) -> bytes:
    """Return a JPEG of 16 coloured squares."""
    squares = random.integers(256, size=(4, 4, 3), dtype=np.uint8)
    pixels = np.kron(squares, np.ones((_IMAGE_PIXELS // 4, _IMAGE_PIXELS // 4, 1), dtype=np.uint8))
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG")
    return buffer.getvalue()


def _write_empty_model(folder: Path) -> None:
    """Write the files that make a model folder for the workflow; a simulated server does not read them."""
    folder.mkdir(parents=True)
    note = {"note": "No model: made up for a rehearsal on a simulated server."}
    (folder / "config.json").write_text(json.dumps(note) + "\n")
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", 2) + b"{}")
