"""The datasets that the client knows by name."""

from inference_endpoint.dataset_manager.dataset import Dataset
from inference_endpoint.dataset_manager.predefined import (
    shopify_product_catalogue as shopify_product_catalogue,
)

__all__ = ["Dataset"]
