"""Count the tokens of prompts that are token ids."""

from collections.abc import Sequence


class IdCounter:
    """Token counter of prompts that hold the tokens themselves."""

    def count(self, prompts: Sequence[list[int]]) -> list[int]:
        """Return the number of ids of each prompt."""
        return [len(ids) for ids in prompts]
