"""Base class of benchmarks without a prompt file."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from weighbridge.core.errors import InputError

if TYPE_CHECKING:
    from weighbridge.artifacts.proof import Proof


class NoPrompt:
    """Base class of a benchmark whose requests contain no text from a prompt file."""

    name: str
    has_answer_schema = False

    def check_prompt(self, prompt: Path, pins: Mapping[str, str]) -> NoReturn:  # noqa: ARG002 - the protocol's
        """Refuse a prompt file.

        Raises:
            InputError: always.
        """
        raise InputError(f"{prompt}: {self.name} uses no prompt file; remove artifacts.prompt.")

    def extract_prompt(
        self,
        reference: "Proof",  # noqa: ARG002
        pins: Mapping[str, str],  # noqa: ARG002
        out: Path,  # noqa: ARG002
    ) -> NoReturn:
        """Refuse to extract a prompt from a reference.

        Raises:
            InputError: always.
        """
        raise InputError(f"{self.name} has no prompt to extract; remove 'prompt' from the round.")
