"""The benchmark field's own words, as types."""

from enum import StrEnum


class Scenario(StrEnum):
    """How LoadGen issues work; the lower-case form names targets and folders of a run directory."""

    OFFLINE = "offline"
    SERVER = "server"

    @property
    def loadgen_name(self) -> str:
        """The name in LoadGen's settings and logs, and of the directory in a submission tree."""
        return self.value.capitalize()


class Mode(StrEnum):
    """What one run is for: its speed, or its answers."""

    PERFORMANCE = "performance"
    ACCURACY = "accuracy"
