"""The prompt's fixed texts, and the check of their hashes."""

import hashlib
from collections.abc import Mapping

from weighbridge.core.errors import InputError
from weighbridge.core.models import Model


class Prompt(Model):
    """System message, and user text with placeholders for a sample's values."""

    system: str
    user: str

    def require(self, pins: Mapping[str, str], origin: object) -> None:
        """Check that both texts have the round's hashes; `origin` names their source in errors.

        Raises:
            InputError: a text differs or the round does not pin it; the message names the text.
        """
        for name, text, pin in (
            ("system message", self.system, pins.get("system")),
            ("user text", self.user, pins.get("user")),
        ):
            found = hashlib.sha256(text.encode()).hexdigest()
            if found != pin:
                raise InputError(
                    f"{origin}: the {name} has sha256 {found}, but the round pins {pin}; use its prompt."
                )
