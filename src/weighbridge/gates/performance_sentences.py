"""A scenario's result as text, and what its several performance runs show."""

from weighbridge.core.formatting import fixed, measured, measured_decimals
from weighbridge.records.verdict import ScenarioFigures


def result_text(figures: ScenarioFigures) -> str:
    """Return the result with its unit, in the digits that its error supports: 14.4 samples/s."""
    return f"{measured(figures.rate, figures.rate_error, '-')} {figures.rate_unit}"


def runs_sentences(figures: ScenarioFigures) -> list[str]:
    """Return the range of several performance runs, which one is the result, and which do not count."""
    runs = figures.performance_runs
    if runs is None:
        return []
    made, valid = len(runs.runs), len(runs.runs) - len(runs.not_valid)
    place = "the median run" if made % 2 else f"the slower of the {'two' if made == 2 else 'middle two'}"
    return [
        f"{made} performance runs{_range_of(figures)}, {valid} of them VALID; "
        f"the result is {runs.chosen}, {place}.",
        *(f"{run.run} is {run.outcome}: {', '.join(run.not_passed)}." for run in runs.not_valid),
    ]


def _range_of(figures: ScenarioFigures) -> str:
    """Return the lowest and the highest result, in the digits of the result: ' of 13.9 to 14.6 samples/s'."""
    spread = None if figures.performance_runs is None else figures.performance_runs.spread.get("rate")
    if spread is None or figures.rate is None:
        return ""
    decimals = measured_decimals(figures.rate, figures.rate_error)
    return f" of {fixed(spread.low, decimals)} to {fixed(spread.high, decimals)} {figures.rate_unit}"
