"""Find and read rounds, and compare them with the hashes that this release pins."""

import json
import sys
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from weighbridge.benchmarks.registry import benchmarks
from weighbridge.config.derived_round import RoundChanges
from weighbridge.config.loadgen_rules import LoadGenRules
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import LatencyMetric, LoadGenScenario, ScenarioRules
from weighbridge.core.errors import InputError
from weighbridge.core.models import read_data
from weighbridge.core.plain_data import merged
from weighbridge.records.earlier_releases import ONLY_BENCHMARK

_SHOWN = 80  # characters of a name that is none
_LONGEST_CHAIN = 16  # rounds that extend each other
_RELEASED_FILE = Path(__file__).parent / "released_rounds.json"
# What LoadGen publishes of each scenario. Source: results.cc of LoadGen in mlcommons/inference.
_MEASURED = {
    LoadGenScenario.OFFLINE: ("samples/s", "tokens/s"),
    LoadGenScenario.SERVER: ("queries/s", "samples/s", "tokens/s", "latency"),
    LoadGenScenario.SINGLE_STREAM: ("latency",),
}


def load_round(reference: str, category: str | None = None) -> Round:
    """Read a round.

    A file with `extends: NAME` contains only the differences from that round. It may have `categories`, each
    with the differences of that category.

    Args:
        reference: NAME, BENCHMARK/NAME, or the path of a YAML file; each may end in @CATEGORY, and have
            +limit=N or +accuracy=strict.
        category: Such as datacenter or edge; required if the round has categories.

    Raises:
        InputError: the round does not exist (the message lists all), or its file has a wrong value.
    """
    try:
        plain, changes = RoundChanges.split(reference)
        named = _without_category(plain)
        chosen = plain[len(named) + 1 :] or None
        return changes.of(_as_released(_read_round(round_file(named), category or chosen)))
    except (OSError, ValueError) as error:  # a name that no file can have
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"round {reference[:_SHOWN]!r}: no file can have this name ({reason}).") from None


def round_of_samples(reference: str, samples: int) -> Round:
    """Read a round; of one with categories, of which none is chosen, that with so many samples.

    Raises:
        InputError: as `load_round`; or not exactly one of the categories has so many samples.
    """
    if _without_category(reference) != reference:
        return load_round(reference)
    rounds = [load_round(reference, category) for category in _categories(round_file(reference))]
    fitting = [round_ for round_ in rounds if round_.samples == samples]
    if len(rounds) == 1 or len(fitting) == 1:
        return (fitting or rounds)[0]
    raise InputError(
        f"round {reference}: {len(fitting)} of its categories have {samples} samples; "
        f"write {reference}@CATEGORY."
    )


def _without_category(reference: str) -> str:
    """Return NAME, BENCHMARK/NAME or a path without the @CATEGORY that it may end in."""
    named, separator, category = reference.rpartition("@")
    # A file's path may contain the character, but no category contains a slash.
    return named if separator and "/" not in category and not Path(reference).is_file() else reference


def _read_round(path: Path, category: str | None) -> Round:
    data = _of_category(_read_extended(path, ()), category, path)
    round_ = Round.parse(data, str(path))
    if round_.loadgen is not None:
        for name, rules in round_.scenarios.items():
            _check_measured(rules, round_.loadgen, f"{path}: scenarios.{name}")
    return round_


def _check_measured(rules: ScenarioRules, loadgen: LoadGenRules, place: str) -> None:
    """Refuse a metric or limit that LoadGen's logs would not contain, before anything is measured."""
    limits, metric, issued = rules.limits, rules.metric, rules.loadgen_scenario
    if issued is None:
        return
    kind = "latency" if isinstance(metric, LatencyMetric) else metric
    if kind not in _MEASURED[issued]:
        known = ", ".join(_MEASURED[issued])
        raise InputError(f"{place}.metric: LoadGen does not measure {kind} in {issued}, only: {known}.")
    if limits.by_name and issued is not LoadGenScenario.SERVER:
        raise InputError(f"{place}.limits: LoadGen checks no limits in {issued}; remove them.")
    if (limits.ttft or limits.tpot or metric == "tokens/s") and not loadgen.token_latencies:
        raise InputError(
            f"{place}: has a token rate or limit, which needs loadgen.token_latencies: true; add it."
        )


def round_file(reference: str) -> Path:
    """Return the path of a round's file; a reference may have changes, and end in @CATEGORY.

    Raises:
        InputError: the round does not exist (the message lists all), or several benchmarks have it.
    """
    reference = _without_category(RoundChanges.split(reference)[0])
    if reference.endswith((".yaml", ".yml")):
        return Path(reference)
    rounds = dict(_known_rounds())
    if reference in rounds:
        return rounds[reference]
    if (of_earlier := f"{ONLY_BENCHMARK}/{reference}") in rounds:
        return rounds[of_earlier]
    found = {path for known, path in rounds.items() if known.partition("/")[2] == reference}
    if len(found) == 1:
        return found.pop()
    if found:
        choices = sorted(known for known, path in rounds.items() if path in found)
        raise InputError(
            f"several benchmarks have a round '{reference}'; choose one of {', '.join(choices)}."
        )
    raise InputError(
        f"round {reference[:_SHOWN]!r} does not exist; the rounds are: {', '.join(sorted(rounds))}."
    )


def round_of_official_client(round_: Round) -> Round | None:
    """Return the benchmark's round of the same official checker that the endpoints client measures.

    None: there is none that is held to rules.
    """
    for known, path in _known_rounds():
        if known.startswith(f"{round_.benchmark}/"):
            data = _read_extended(path, ())
            if isinstance(data, dict) and data.get("evidence") == "endpoints":
                found = load_round(known, round_.category)
                if found.checker_version == round_.checker_version and found.held_to_rules:
                    return found
    return None


def _known_rounds() -> Iterator[tuple[str, Path]]:
    for benchmark in benchmarks().values():
        for path in sorted((benchmark.folder / "rounds").glob("*.yaml")):
            yield f"{benchmark.name}/{path.stem}", path


def _read_extended(path: Path, extending: tuple[Path, ...]) -> Any:
    if path in extending or len(extending) > _LONGEST_CHAIN:
        raise InputError(f"{path}: extends itself, or too many others; name another round.")
    data = read_data(path)
    if not isinstance(data, dict) or "extends" not in data:
        return data
    name = data["extends"]
    if not isinstance(name, str) or ".." in Path(name).parts:
        raise InputError(
            f"{path}: 'extends' is {str(name)[:_SHOWN]!r}; write NAME, BENCHMARK/NAME or a file."
        )
    beside = path.parent / f"{name}.yaml"
    base = beside if beside.is_file() else round_file(name)
    changes = {key: value for key, value in data.items() if key != "extends"}
    return merged(_read_extended(base, (*extending, path)), changes)


def _of_category(data: Any, category: str | None, path: Path) -> Any:
    """Return the round's data with the chosen category merged into it.

    A category has only the scenarios that it lists; each contains its differences from the round's scenario.
    """
    if not isinstance(data, dict):
        return data
    known = data.get("categories") or {}
    common = {key: value for key, value in data.items() if key != "categories"}
    if not known and category is None:
        return common
    if not isinstance(known, dict) or category not in known:
        names = ", ".join(map(str, known)) or "none"
        problem = "no category is chosen" if category is None else f"there is no category '{category}'"
        raise InputError(f"{path}: {problem}; its categories are: {names}.")
    chosen = known[category] if isinstance(known[category], dict) else {}
    whole = merged(common, chosen) | {"category": category}
    if isinstance(chosen.get("scenarios"), dict):
        whole["scenarios"] = {name: whole["scenarios"][name] for name in chosen["scenarios"]}
    return whole


def round_digest(round_: Round) -> str:
    """Return the sha256 of a round's values; keys at their default do not count."""
    values = round_.model_dump(mode="json", exclude_defaults=True)
    return sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def released_text() -> str:
    """Return the content of released_rounds.json: the hash of each real round of this package."""
    here = Path(__file__).parent
    digests = {}
    for known, path in _known_rounds():
        if not path.is_relative_to(here):
            continue  # of an installed package, which no release of ours pins
        for category in _categories(path):
            round_ = _read_round(path, category)
            if round_.held_to_rules:
                digests[known if category is None else f"{known}@{category}"] = round_digest(round_)
    return json.dumps(digests, indent=2) + "\n"


def _categories(path: Path) -> tuple[str | None, ...]:
    data = _read_extended(path, ())
    return tuple(data.get("categories") or ()) or (None,)


@cache
def _released() -> dict[str, str]:
    content: dict[str, str] = json.loads(_RELEASED_FILE.read_text(encoding="utf-8"))
    return content


def _as_released(round_: Round) -> Round:
    """Return the round, marked as not submittable unless this release pins its hash.

    A round made from one that was withdrawn is a round like any other that is not pinned: what held for its
    runs before still holds. It gives both reasons.
    """
    if not round_.held_to_rules or round_digest(round_) in _released().values():
        return round_
    reason = (
        f"round {round_.name} of {round_.benchmark} is not pinned by this release of Weighbridge: it was "
        "edited, or comes from elsewhere"
    )
    if round_.withdrawn is not None:
        reason = f"{reason}; and {round_.withdrawn}"
    return round_.model_copy(
        update={"submittable": False, "withdrawn": None, "not_submittable_because": reason}
    )


if __name__ == "__main__":
    sys.stdout.write(released_text())
