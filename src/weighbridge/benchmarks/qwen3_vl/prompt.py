"""The fixed texts of a request, and the proof that they are the round's."""

import hashlib
from collections.abc import Mapping

from weighbridge.core.errors import InputError
from weighbridge.core.models import Model


class Prompt(Model):
    """System message, and user text with placeholders for what a sample brings."""

    system: str
    user: str

    def require(self, pins: Mapping[str, str], origin: object) -> None:
        """Compare both texts with the round's hashes, `system` and `user`.

        Raises:
            InputError: naming the text that differs, or that the round does not pin; `origin` names the
                place where the texts came from.
        """
        for name, text, pin in (
            ("system message", self.system, pins.get("system")),
            ("user text", self.user, pins.get("user")),
        ):
            found = hashlib.sha256(text.encode()).hexdigest()
            if found != pin:
                raise InputError(
                    f"{origin}: the {name} has sha256 {found}, the round pins {pin}; use its prompt."
                )
