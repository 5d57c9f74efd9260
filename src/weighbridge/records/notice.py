"""The notice that marks everything made from a run that is not submittable, and the search for it."""

import re
from collections.abc import Iterable
from typing import Protocol

from weighbridge.config.round import Round

DEMONSTRATION_FILE = "DEMONSTRATION.md"
DEMONSTRATION = "DEMONSTRATION, NOT SUBMITTABLE"
_NOT_SUBMITTABLE = "NOT SUBMITTABLE"
_MARK = f"{DEMONSTRATION}: these numbers show that the workflow works."
_SIMULATED_MARK = "SIMULATED, NOT SUBMITTABLE: no model answered; rates and answers were chosen beforehand."
# The simulated server in place of a model server's name and version.
SIMULATED_BY = "simulated by Weighbridge"
# A value that a demonstration does not need.
PLACEHOLDER = "not stated (demonstration)"
_SIGNS = re.compile(
    rf"not (?:a )?submittable|{SIMULATED_BY}|{re.escape(PLACEHOLDER)}|weighbridge simulate", re.IGNORECASE
)


class Standing(Protocol):
    """A round or a record with its submission status."""

    @property
    def submittable(self) -> bool:
        """Whether results may be submitted."""
        ...

    @property
    def not_submittable_because(self) -> str | None:
        """Reason why not, if it is another than being a demonstration; otherwise None."""
        ...


def mark_of(round_: Round) -> str:
    """Return the notice for the numbers of a round that is not submittable."""
    if round_.simulated:
        return _SIMULATED_MARK
    if round_.not_submittable_because:
        return f"{_NOT_SUBMITTABLE}: {round_.not_submittable_because}."
    return _MARK


def heading_of(of: Standing) -> str:
    """Return the heading of results that are not submittable; empty if they are."""
    if of.submittable:
        return ""
    return _NOT_SUBMITTABLE if of.not_submittable_because else DEMONSTRATION


def subject_of(of: Standing, benchmark: str, models: Iterable[str]) -> str:
    """Return the title of results: the benchmark, or the model where they are no results of it."""
    if of.submittable:
        return benchmark
    named = " and ".join(dict.fromkeys(models))
    if of.not_submittable_because:
        return f"{benchmark} with {named}, not submittable" if named else f"{benchmark}, not submittable"
    return f"Demonstration with {named}" if named else "Demonstration"


def reason_of(of: Standing) -> str:
    """Return the reason why results are not submittable, as a sentence; empty if they are."""
    if of.submittable:
        return ""
    if of.not_submittable_because:
        return f"Not submittable: {of.not_submittable_because}."
    return "These numbers show that the workflow works; do not cite them."


def mark_in(text: str) -> str | None:
    """Return the first words of a text that mark it as not submittable; None: it has no such mark.

    All notices of this file are found, in any spelling of capitals, and so are those of templates.
    """
    found = _SIGNS.search(text)
    return found[0] if found else None
