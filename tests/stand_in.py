"""The stand-in for the official endpoints client: a proven checkout, its rows, and a round that pins it."""

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from git_repository import git

SOURCE = Path(__file__).parent / "stand_in_client"
PRESET = "shopify_product_catalogue_8k::q3vl"
ROWS = "shopify_product_catalogue_8k/train/shopify_product_catalogue_8k_train.parquet"
"""The rows' file, below the client's dataset_cache."""


def make_client(folder: Path, **faults: Any) -> str:
    """Make the stand-in a git repository of its own, with the faults that its main.py lists.

    Returns:
        The commit.
    """
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    if faults:
        (folder / "faults.json").write_text(json.dumps(faults))
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "The stand-in")
    return git(folder, "rev-parse", "HEAD")


def product(number: int) -> dict[str, str]:
    """Return a row of the client's dataset, whose request says 'sample N'."""
    return {
        "product_title": f"sample {number}",
        "product_description": "a thing",
        "product_image_base64": base64.b64encode(b"picture %d" % number).decode(),
        "product_image_format": "PNG",
        "potential_product_categories": json.dumps(["Toys > Large", "Toys > Small"]),
        "ground_truth_category": "Toys > Small",
        "ground_truth_brand": "Nobody",
        "ground_truth_is_secondhand": "false",
    }


def write_rows(cache: Path, samples: int) -> Path:
    """Write rows of so many products below a folder dataset_cache; return their file."""
    path = cache / ROWS
    path.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist([product(number) for number in range(samples)]), path)
    return path


def write_round(path: Path, commit: str, *, samples: int, duration_s: float = 1.0) -> Path:
    """Write a demonstration of v6.1 with a few samples in each scenario, made by a client's commit."""
    few = {"min_duration_s": duration_s, "min_query_count": 1}
    path.write_text(
        yaml.safe_dump(
            {
                "extends": "v6.1-endpoints",
                "name": "stand-in",
                "submittable": False,
                "checker_version": None,
                "samples": samples,
                "closed": {"model": None, "dataset": None},
                "client": "v6.0",  # its packages are those of the workflow
                "endpoints": {"commits": [commit], "warmup_requests": 2, "stated_duration_s": 600},
                "further_datasets": {"8k": {"samples": samples, "closed": None}},
                "scenarios": {
                    "offline": few | {"endpoints": {"dataset": PRESET}},
                    "server": few | {"endpoints": {"dataset": PRESET}},
                    "interactive": few | {"limits": {"latency": {"limit_s": 1.5}}},
                },
            },
            sort_keys=False,
        )
    )
    return path
