"""How a sample becomes a row: the columns that the client reads."""

import base64
import io
import json
from typing import Any, ClassVar

from inference_endpoint.dataset_manager.dataset import Dataset


def _process_sample_to_row(sample: dict[str, Any]) -> dict[str, str]:
    picture, buffer = sample["product_image"], io.BytesIO()
    kind = picture.format or "JPEG"
    picture.save(buffer, format=kind)
    return {
        "product_title": sample["product_title"],
        "product_description": sample["product_description"],
        "product_image_base64": base64.b64encode(buffer.getvalue()).decode(),
        "product_image_format": kind,
        "potential_product_categories": json.dumps(sample["potential_product_categories"]),
        "ground_truth_category": sample["ground_truth_category"],
        "ground_truth_brand": sample["ground_truth_brand"],
        "ground_truth_is_secondhand": json.dumps(sample["ground_truth_is_secondhand"]),
    }


class Catalogue(Dataset, dataset_id="shopify_product_catalogue"):
    """The whole catalogue."""

    DEFAULT_SPLITS: ClassVar[list[str]] = ["train", "test"]


class SmallCatalogue(Dataset, dataset_id="shopify_product_catalogue_8k"):
    """The smaller one, which has one split."""

    DEFAULT_SPLITS: ClassVar[list[str]] = ["train"]
