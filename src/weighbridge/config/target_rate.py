"""Forms of a scenario's target rate: a number, 'auto' for a search, or a share of the Offline run's."""

import math
import re

AUTO = "auto"
_LARGEST_SHARE = 2.0
_SHARE = re.compile(r"offline\s*\*\s*(\S+)")
_FORMS = "a rate is a number greater than 0, 'auto', or a share of the Offline run's such as 'offline*0.8'"


def checked_rate(value: object) -> float | str | None:
    """Return a rate, 'auto', a share such as 'offline*0.8', or None, each in its one spelling.

    Raises:
        ValueError: it is none of these; one error, and not one for each form.
    """
    if value is None or value == AUTO:
        return None if value is None else AUTO
    if isinstance(value, str) and value.strip().startswith("offline"):
        return share_of_offline(_share_in(value.strip()))
    rate = _number(value)  # snakemake --config passes text
    if not 0 < rate < math.inf:
        raise ValueError(_FORMS)
    return rate


def share_of_offline(share: float) -> str:
    """Return the rate that is a share of the Offline run's, as settings state it."""
    return f"offline*{share:g}"


def offline_share(rate: float | str | None) -> float | None:
    """Return the share of the Offline run's rate that a checked rate names; None: it is another form."""
    return _share_in(rate) if isinstance(rate, str) and rate != AUTO else None


def _share_in(text: str) -> float:
    found = _SHARE.fullmatch(text)
    share = _number(found[1]) if found else math.nan
    if not 0 < share <= _LARGEST_SHARE:
        raise ValueError(
            f"{_FORMS}; a share is greater than 0 and at most {_LARGEST_SHARE:g}, and stands after 'offline*'"
        )
    return share


def _number(value: object) -> float:
    try:
        return math.nan if isinstance(value, bool) else float(str(value))
    except ValueError:
        return math.nan
