"""Rounds derived from another: only its first samples, for a try in minutes, or stricter floors.

A derived round is a round like any other: rules and gates need to know nothing of where it comes from.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, Self, TypeVar

from pydantic import Field

from weighbridge.config.dataset_rules import DatasetRules
from weighbridge.config.metric_rules import MetricRules
from weighbridge.config.round import Round
from weighbridge.config.round_of_scenario import round_of_scenario
from weighbridge.config.scenario_rules import LoadGenScenario, ScenarioRules
from weighbridge.core.errors import InputError
from weighbridge.core.models import Model

T = TypeVar("T")

# Short enough that LoadGen issues the samples once, at whatever rate.
_SHORTEST_S = 0.001
_MLPERF_SHARE, _STRICT_SHARE = 0.99, 0.999
_ROUNDING = 0.0005  # floors are published with few digits
_CHANGE = re.compile(r"\+([a-z]+)=([^+@/]*)")


class RoundChanges(Model):
    """What a reference such as v6.0+limit=20 changes of its round."""

    limit: int | None = Field(default=None, gt=0, lt=2**32)
    accuracy: Literal["strict"] | None = None

    @classmethod
    def split(cls, reference: str) -> tuple[str, Self]:
        """Return a reference to a round without its changes, and the changes.

        Args:
            reference: NAME, BENCHMARK/NAME, NAME@CATEGORY or the path of a file, with +limit=N or
                +accuracy=strict after the name or at the end.

        Raises:
            InputError: a change is none of these, or is made twice.
        """
        if Path(reference).is_file():
            return reference, cls()
        folder, separator, last = reference.rpartition("/")
        found = _CHANGE.findall(last)
        names = [name for name, _ in found]
        if len(set(names)) < len(names):
            raise InputError(f"round {reference!r}: changes '{names[-1]}' twice; remove one.")
        values = {name: int(text) if text.isdecimal() else text for name, text in found}
        plain = f"{folder}{separator}{_CHANGE.sub('', last)}"
        return plain, cls.parse(values, f"round {reference!r}")

    @property
    def suffix(self) -> str:
        """The changes as they stand at the end of a reference."""
        return "".join(f"+{name}={value}" for name, value in self.model_dump(exclude_none=True).items())

    def of(self, round_: Round) -> Round:
        """Return the round with the changes.

        Raises:
            InputError: the round has no such samples or floors.
        """
        changed = round_ if self.accuracy is None else strict(round_)
        return changed if self.limit is None else limited(changed, self.limit)


def limited(round_: Round, samples: int) -> Round:
    """Return the round with its first samples only: no floors, no early stopping, never submittable.

    Raises:
        InputError: the round has no more samples than these, or its client reads whole datasets.
    """
    if round_.evidence == "endpoints":
        raise InputError(
            f"limit is {samples}, but round {round_.name} is measured by the official endpoints client, "
            "which reads the whole dataset; remove it, and try the round interactive-demo first."
        )
    if samples >= round_.samples:
        raise InputError(
            f"limit is {samples}, but round {round_.name} has {round_.samples} samples in all; lower it, or "
            "remove it."
        )
    reason = f"only the first {samples} of {round_.samples:,} samples were measured (limit)"
    if not round_.submittable:
        other = round_.not_submittable_because or f"round {round_.name} is a demonstration"
        reason = f"{reason}; and {other}"
    return round_.model_copy(
        update={
            "name": f"{round_.name}+limit={samples}",
            "submittable": False,
            "withdrawn": None,
            "not_submittable_because": reason,
            "checker_version": None,
            "samples": samples,
            "dataset_samples": round_.samples,
            "loadgen": round_.loadgen and round_.loadgen.model_copy(update={"early_stopping": False}),
            "metrics": _without_bounds(round_.metrics, samples, round_.samples),
            "further_datasets": _each(round_.further_datasets, lambda rules: _first(rules, samples)),
            "scenarios": _each(round_.scenarios, lambda rules: _short(rules, samples, round_)),
        }
    )


def strict(round_: Round) -> Round:
    """Return the round with floors of 99.9 % of the reference's mean where the rules demand 99 %.

    Raises:
        InputError: no metric of the round has such a floor.
    """
    metrics = _each(round_.metrics, _stricter)
    scenarios = _each(
        round_.scenarios,
        lambda rules: rules.model_copy(update={"metrics": _each(rules.metrics, _stricter)}),
    )
    if (metrics, scenarios) == (round_.metrics, round_.scenarios):
        raise InputError(
            f"accuracy is strict, but no metric of round {round_.name} has a floor of 99 % of the "
            "reference's mean; remove the setting."
        )
    return round_.model_copy(update={"metrics": metrics, "scenarios": scenarios, "accuracy": "strict"})


def _each(rules: Mapping[str, T], change: Callable[[T], T]) -> dict[str, T]:
    return {name: change(each) for name, each in rules.items()}


def _first(dataset: DatasetRules, samples: int) -> DatasetRules:
    """Return a further dataset with its first samples only; one that has no more stays whole."""
    if samples >= dataset.samples:
        return dataset
    return dataset.model_copy(update={"samples": samples, "dataset_samples": dataset.samples})


def _short(rules: ScenarioRules, samples: int, round_: Round) -> ScenarioRules:
    of = round_of_scenario(round_, rules.name).samples
    samples = min(samples, of)
    # SingleStream goes on to the end of the pass, and adds one where the count ends a pass already.
    one_by_one = rules.loadgen_scenario is LoadGenScenario.SINGLE_STREAM
    return rules.model_copy(
        update={
            "min_duration_s": _SHORTEST_S,
            "min_query_count": 1 if one_by_one else samples,
            "metrics": _without_bounds(rules.metrics, samples, of),
        }
    )


def _without_bounds(metrics: Mapping[str, MetricRules], samples: int, of: int) -> dict[str, MetricRules]:
    return _each(metrics, lambda rules: _unbounded(rules, samples, of))


def _unbounded(rules: MetricRules, samples: int, of: int) -> MetricRules:
    stated = rules.bounds
    note = f"none with {samples} of {of:,} samples" + (f" ({stated} holds for all)" if stated else "")
    return rules.model_copy(
        update={"floor": None, "ceiling": None, "readings": {}, "asked": False, "note": note}
    )


def _stricter(rules: MetricRules) -> MetricRules:
    floor, mean = rules.floor, rules.reference_mean
    if floor is None or mean is None or abs(floor / mean - _MLPERF_SHARE) > _ROUNDING:
        return rules
    return rules.model_copy(
        update={
            "floor": _STRICT_SHARE * mean,
            "readings": {**rules.readings, "MLPerf": floor},
            "note": f"accuracy: strict, not MLPerf's floor of {floor:g}",
        }
    )
