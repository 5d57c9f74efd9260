"""Disturbances of runs in sentences: what was seen, and what could not be looked for."""

from collections.abc import Iterable, Sequence

from weighbridge.records.disturbance import KIND_NAMES, Disturbance, NotExamined

NO_WARNINGS = "No warnings."
_EARLIER = "disturbances (an earlier release judged it; `snakemake verdicts --forcerun gate` looks for them)"


def disturbance_lines(title: str, found: Iterable[Disturbance]) -> list[str]:
    """Return a line for each disturbance of a scenario."""
    return [f"{title}: {_place(each.run)}: {each.sentence}" for each in found]


def remedy_lines(found: Iterable[Disturbance]) -> list[str]:
    """Return what to do about disturbances of any scenarios, each remedy once."""
    kinds: dict[str, list[str]] = {}
    for each in found:
        kinds.setdefault(each.remedy, []).append(KIND_NAMES[each.kind])
    return [
        f"What to do about {', '.join(dict.fromkeys(names))}: {remedy}" for remedy, names in kinds.items()
    ]


def unexamined_line(title: str, missing: Sequence[NotExamined] | None) -> str | None:
    """Return a sentence on what could not be looked for in a scenario's runs; None: all was looked at.

    Args:
        title: The scenario's.
        missing: Of its verdict; None: an earlier release judged it.
    """
    if missing is None:
        return f"{title}: not looked for: {_EARLIER}."
    if not missing:
        return None
    kinds: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    runs: dict[tuple[str, str], list[str]] = {}
    for each in missing:
        runs.setdefault((KIND_NAMES[each.kind], each.reason), []).append(_place(each.run))
    for (kind, reason), places in runs.items():
        kinds.setdefault((reason, tuple(places)), []).append(kind)
    parts = [
        f"{', '.join(names)} ({', '.join(places)}: {reason})" for (reason, places), names in kinds.items()
    ]
    return f"{title}: not looked for: {'; '.join(parts)}."


def _place(run: str | None) -> str:
    return "all runs" if run is None else f"{run} run"
