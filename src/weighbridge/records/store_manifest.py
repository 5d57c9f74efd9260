"""manifest.json of a request store: what the bodies were built from, their size and their hash."""

import hashlib
import json
from typing import Any, Literal

from pydantic import Field, model_validator

from weighbridge.config.request_settings import RequestSettings
from weighbridge.core.models import Model
from weighbridge.core.openai_api import AnswerKind, Api
from weighbridge.records.earlier_releases import ONLY_BENCHMARK

MANIFEST_FILE = "manifest.json"
_LATER = ("answers", "streamed")
_LATER_SAMPLING = ("min_tokens", "top_k", "seed")


class StoreOrigin(Model):
    """What a store's bodies were built from."""

    dataset: dict[str, str] = Field(default={}, description="sha256 of each of the dataset's files.")
    prompt_sha256: str = Field(default="", description="sha256 of the prompt file; empty: no prompt file.")
    benchmark: str
    api: Api = Api.CHAT
    answers: AnswerKind = AnswerKind.TEXT
    model_name: str
    settings: RequestSettings = RequestSettings()
    pillow: str = Field(
        default="", description="Pillow release; other releases may encode images differently."
    )
    prefix: str = Field(description="Text of every body before its prompt.")
    suffix: str = Field(description="Text of every body after its prompt.")
    streamed: tuple[str, str] | None = Field(
        default=None,
        description="Texts that streamed runs send before and after the stored prompt in place of prefix and "
        "suffix; null: every run sends the bodies as stored.",
    )


class StoreManifest(StoreOrigin):
    """Contents of manifest.json: a store's origin, size and hash."""

    format: Literal[1, 2] = 2
    count: int = Field(description="Number of bodies.")
    bodies_bytes: int = Field(description="Size of bodies.bin.")
    bodies_sha256: str = Field(description="sha256 of bodies.bin.")

    @model_validator(mode="before")
    @classmethod
    def _convert_format_1(cls, data: Any) -> Any:
        """Add the benchmark's name to a manifest of format 1, which had a task's name instead."""
        if isinstance(data, dict) and data.get("format") == 1 and "task" in data:
            rest = {key: value for key, value in data.items() if key != "task"}
            return rest | {"benchmark": ONLY_BENCHMARK}
        return data

    def text(self) -> str:
        """Return the file's text.

        Without fields of later releases at their defaults: a store that is built anew keeps its bytes, which
        runs are compared with.
        """
        sampling = self.settings.sampling
        unset = {name for name in _LATER_SAMPLING if getattr(sampling, name) is None}
        later = {
            name
            for name, field in StoreOrigin.model_fields.items()
            if name in _LATER and getattr(self, name) == field.default
        }
        return self.model_dump_json(
            indent=2, exclude={"settings": {"sampling": unset}, **dict.fromkeys(later, True)}
        )

    @property
    def dataset_digest(self) -> str:
        """sha256 over the hashes of the dataset's files."""
        return hashlib.sha256(json.dumps(self.dataset, sort_keys=True).encode()).hexdigest()
