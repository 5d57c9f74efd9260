"""The fixed texts of a request, and the proof that they are the round's."""

import hashlib

from pydantic import Field

from weighbridge.core.errors import InputError
from weighbridge.core.models import Model


class PromptPins(Model):
    """The exact texts of a request, by hash."""

    system_sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Of the system message, UTF-8.")
    user_sha256: str = Field(
        pattern=r"^[0-9a-f]{64}$", description="Of the user text with its placeholders, UTF-8."
    )


class Prompt(Model):
    """System message, and user text with placeholders for what a sample brings."""

    system: str
    user: str

    def require(self, pins: PromptPins, origin: object) -> None:
        """Compare both texts with the round's hashes.

        Raises:
            InputError: naming the text that differs; `origin` says where it came from.
        """
        for name, text, pin in (
            ("system message", self.system, pins.system_sha256),
            ("user text", self.user, pins.user_sha256),
        ):
            found = hashlib.sha256(text.encode()).hexdigest()
            if found != pin:
                raise InputError(
                    f"{origin}: the {name} has sha256 {found}, the round pins {pin}; use its prompt."
                )
