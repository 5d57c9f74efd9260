"""What a benchmark without a prompt file inherits: it refuses one, in one sentence."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from weighbridge.core.errors import InputError

if TYPE_CHECKING:
    from weighbridge.artifacts.proof import Proof


class NoPrompt:
    """Base of a benchmark whose requests hold no fixed text that a file could give."""

    name: str

    def check_prompt(self, prompt: Path, pins: Mapping[str, str]) -> NoReturn:  # noqa: ARG002 - the protocol's
        """Refuse a prompt file.

        Raises:
            InputError: always.
        """
        raise InputError(f"{prompt}: {self.name} has no use for a prompt file; remove artifacts.prompt.")

    def extract_prompt(
        self,
        reference: "Proof",  # noqa: ARG002
        pins: Mapping[str, str],  # noqa: ARG002
        out: Path,  # noqa: ARG002
    ) -> NoReturn:
        """Refuse to take a prompt from a reference.

        Raises:
            InputError: always.
        """
        raise InputError(f"{self.name} takes no prompt from a reference; remove it from the round.")
