"""The prompt file: the fixed texts, and the check of their hashes.

This project contains the prompts' hashes but not their texts. There are two prompts, that of the reference
and that of the official endpoints client; the placeholder of the candidate categories tells which it is.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from weighbridge.benchmarks.prompt_texts import require_texts
from weighbridge.core.errors import InputError
from weighbridge.core.files import write_atomic
from weighbridge.core.models import Model

TITLE, DESCRIPTION, CANDIDATES = "product_title", "product_description", "potential_product_categories"
PLACEHOLDERS = {TITLE: "@TITLE@", DESCRIPTION: "@DESC@", CANDIDATES: "@CATS@"}
"""Column of a sample -> placeholder in the user text of the reference's prompt."""
CLIENT_PLACEHOLDERS = PLACEHOLDERS | {CANDIDATES: "@CATS_JSON@"}
"""The same of the official client's prompt, which has the candidates as JSON and not as Python's repr."""


class Prompt(Model):
    """System message, and user text with placeholders for a sample's values."""

    system: str
    user: str

    @property
    def of_client(self) -> bool:
        """Whether it is the official client's prompt, around which other fields are sent, too."""
        return CLIENT_PLACEHOLDERS[CANDIDATES] in self.user

    @property
    def placeholders(self) -> Mapping[str, str]:
        """Column of a sample -> placeholder that the user text must have."""
        return CLIENT_PLACEHOLDERS if self.of_client else PLACEHOLDERS

    def write_official(self, path: Path, pins: Mapping[str, str], origin: object) -> None:
        """Write the prompt file, if the texts have the round's hashes.

        Raises:
            InputError: as `require`.
            OSError: it cannot be written.
        """
        self.require(pins, origin)
        write_atomic(path, json.dumps(self.model_dump(), ensure_ascii=False, indent=1) + "\n")

    def answer_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of answers that the system message states, with its keys in their order.

        Raises:
            InputError: the system message has no schema of an object, or several.
        """
        found = [value for value in _json_objects(self.system) if "properties" in value]
        if len(found) != 1:
            raise InputError(
                f"the prompt's system message has {len(found) or 'no'} JSON schema{'s' if found else ''} of "
                "answers, but guided decoding needs one; set requests.guided_decoding to false, or use "
                "another prompt."
            )
        return found[0]

    def require(self, pins: Mapping[str, str], origin: object) -> None:
        """Check that both texts have the round's hashes; `origin` names their source in errors.

        Raises:
            InputError: a text differs or the round does not pin it; the message names the text.
        """
        texts = {"system": ("system message", self.system), "user": ("user text", self.user)}
        require_texts(texts, pins, origin)


def _json_objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield the outermost JSON objects within a text."""
    decoder, start = json.JSONDecoder(), text.find("{")
    while start >= 0:
        try:
            value, end = decoder.raw_decode(text, start)
        except json.JSONDecodeError:
            end = start + 1
        else:
            yield value
        start = text.find("{", end)
