"""What a history's page says in words: the headline, what to know before its figures, and definitions."""

from collections.abc import Sequence

from weighbridge.core.formatting import number
from weighbridge.history.read_history import RecordedEntry
from weighbridge.history.series import INVALID
from weighbridge.records.history_entry import HistoryEntry
from weighbridge.report.history_rows import result_title
from weighbridge.report.history_steps import HistoryStep

NOTHING = (
    "No result is recorded here yet. Verdicts, comparisons and quality results are recorded when they are "
    "finished; make one, such as `snakemake verdicts`, and then this page again."
)
DEFINITIONS = {
    "result": "A finished verdict, comparison or measurement of quality, as it was when it was recorded. An "
    "entry never changes; the same result is recorded once.",
    "regressed, improved": "The figure is worse or better than that of the result before it, by more than "
    "their noise.",
    "noise": "What the figure differs by where nothing changed: its intervals, or else how much earlier "
    "results of the same system and settings differ from one another. docs/history.md says how it is "
    "computed.",
    "not known": "There is neither, so a difference cannot be told from noise. Measure again with nothing "
    "changed.",
    "another system": "Model, server, its version, its arguments or the hardware differ. Then a difference "
    "is no regression of the same thing, but of what you measure.",
    "digits": "A figure with an interval is rounded to two digits of it, one without to three digits: more "
    "would be noise.",
    "report": "The link leads to the report of the result. It is missing where a later result has taken its "
    "place; the figures here are still those that were measured.",
}


def headline(entries: Sequence[RecordedEntry], steps: Sequence[HistoryStep]) -> str:
    """Return the sentence that says most: what fails or is worse now, or that nothing is."""
    if not entries:
        return "No result is recorded yet."
    failed = failures(entries)
    if failed:
        return failed[0] if len(failed) == 1 else f"{len(failed)} newest verdicts are INVALID."
    newest = [step for step in steps if step.newest]
    worse = [(step, line) for step in newest for line in step.regressed]
    if worse:
        step, line = worse[0]
        more = f", and so did {_counted(len(worse) - 1, 'more figure')}" if len(worse) > 1 else ""
        return f"{step.title}: {line.measure} changed by {line.change}, for the worse{more}."
    if not steps:
        return f"{_counted(len(entries), 'result')}, and none of a kind that was recorded before."
    doubtful = sum(len(step.doubtful) for step in newest)
    if doubtful:
        verb = "is" if doubtful == 1 else "are"
        return f"{_counted(doubtful, 'figure')} {verb} worse, and no noise is known to judge that by."
    return "Nothing is worse than its noise in the newest results."


def failures(entries: Sequence[RecordedEntry]) -> list[str]:
    """Return a sentence for each kind of result whose newest verdict is INVALID."""
    groups: dict[tuple[str, ...], list[HistoryEntry]] = {}
    for each in entries:
        groups.setdefault(each.group, []).append(each.entry)
    return [
        f"{result_title(of[-1])}: the newest verdict is INVALID{_before(of)}."
        for of in groups.values()
        if of[-1].outcome == INVALID
    ]


def _before(of: Sequence[HistoryEntry]) -> str:
    return f", the one before was {of[-2].outcome}" if len(of) > 1 else ""


def lead(entries: Sequence[RecordedEntry]) -> str:
    """Return how many results there are, of how many run directories, and since when."""
    if not entries:
        return NOTHING
    directories = len({each.run_directory for each in entries})
    first, last = (each.entry.time.strftime("%Y-%m-%d") for each in (entries[0], entries[-1]))
    when = first if first == last else f"{first} to {last}"
    where = _counted(directories, "run directory", "run directories")
    return f"{_counted(len(entries), 'result')} of {where}, {when}."


def notes(entries: Sequence[RecordedEntry]) -> list[str]:
    """Return what a reader must know before the figures: which of them mean little, and why."""
    counts: dict[str, int] = {}
    for each in entries:
        if each.entry.note:
            counts[each.entry.note] = counts.get(each.entry.note, 0) + 1
    return [f"{_share(count, len(entries))}: {note.rstrip('.')}." for note, count in counts.items()]


def _share(count: int, of: int) -> str:
    return "All results" if count == of else f"{number(count)} of {number(of)} results"


def _counted(count: int, one: str, several: str | None = None) -> str:
    return f"{number(count)} {one if count == 1 else several or one + 's'}"
