"""A user's own user.conf: what of it is laid over ours, and what is refused before anything starts.

Source: FromConfig in test_settings_internal.cc of LoadGen in mlcommons/inference, which reads the file. It
ignores keys that it does not know, and reads 6e5 as 6 where it wants a whole number, so that a slip would
measure something else; here both are refused.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from weighbridge.config.conf_overlay import ConfOverlay
from weighbridge.config.round import Round
from weighbridge.config.round_of_scenario import round_of_scenario
from weighbridge.config.scenario_rules import LatencyMetric, LoadGenScenario, ScenarioRules
from weighbridge.config.settings import ScenarioSettings
from weighbridge.core.errors import InputError
from weighbridge.core.models import read_text
from weighbridge.loadgen.loadgen_settings import names_of

_OFFLINE, _SERVER, _SINGLE = LoadGenScenario.OFFLINE, LoadGenScenario.SERVER, LoadGenScenario.SINGLE_STREAM
_ANY = "*"
_LONGEST_LINE = 500

# Keys that rounds leave free, and the scenarios in which LoadGen reads them.
_FREE: dict[str, tuple[LoadGenScenario, ...]] = {
    "target_qps": (_OFFLINE, _SERVER),
    "target_latency": (_SINGLE,),  # expected, not a limit: SingleStream's kind of target rate
    "min_duration": (_OFFLINE, _SERVER, _SINGLE),
    "min_query_count": (_OFFLINE, _SERVER, _SINGLE),
    "coalesce_queries": (_SERVER,),
    "print_timestamps": (_OFFLINE, _SERVER, _SINGLE),
}
_RATE_KEYS = ("target_qps", "target_latency")
_SWITCHES = ("coalesce_queries", "print_timestamps")

# Keys that a round fixes, with its value in the form of user.conf; None: the round has none in this scenario.
_FIXED: dict[str, Callable[[Round, ScenarioRules], object]] = {
    "mode": lambda _round, _scenario: "that of the run",
    "qsl_rng_seed": lambda round_, _: round_.loadgen_rules.seeds.qsl,
    "sample_index_rng_seed": lambda round_, _: round_.loadgen_rules.seeds.sample_index,
    "schedule_rng_seed": lambda round_, _: round_.loadgen_rules.seeds.schedule,
    "performance_sample_count_override": lambda round_, _: round_.samples,
    "accuracy_sample_count_override": lambda round_, _: round_.samples,
    "sample_concatenate_permutation": lambda round_, _: int(round_.loadgen_rules.whole_passes),
    "use_token_latencies": lambda round_, _: int(round_.loadgen_rules.token_latencies),
    "target_latency": lambda _, scenario: _limit_ms(scenario, "latency"),
    "ttft_latency": lambda _, scenario: _limit_ms(scenario, "ttft"),
    "tpot_latency": lambda _, scenario: _limit_ms(scenario, "tpot"),
    "target_latency_percentile": lambda _, scenario: _percentile(scenario),
    # What would end a run before it has issued what the round requires.
    **dict.fromkeys(("max_duration", "max_query_count", "max_async_queries"), lambda *_: "0 (none)"),
    # What only compliance tests and other kinds of runs use.
    **dict.fromkeys(
        (
            "performance_issue_unique",
            "performance_issue_same",
            "performance_issue_same_index",
            "accuracy_log_probability",
            "accuracy_log_rng_seed",
            "accuracy_log_sampling_target",
            "infer_token_latencies",
            "test05",
        ),
        lambda *_: 0,
    ),
    **dict.fromkeys(
        (
            "token_latency_scaling_factor",
            "test05_qsl_rng_seed",
            "test05_sample_index_rng_seed",
            "test05_schedule_rng_seed",
            "samples_per_query",
        ),
        lambda *_: None,
    ),
}


@dataclass(frozen=True)
class _Line:
    """A line of the file: its place for errors, and its key with model and scenario, each perhaps '*'."""

    place: str
    model: str
    scenario: str
    key: str
    value: str


@dataclass(frozen=True)
class AskedScenario:
    """What the user asks for in one scenario.

    Attributes:
        target_qps: The target rate; 'auto': search for the highest one; 'offline*SHARE': that share of the
            Offline run's.
        overlay: The other values of user.conf; those that equal the round's are left out.
    """

    target_qps: float | str
    overlay: ConfOverlay


def asked_scenario(settings: ScenarioSettings, round_: Round, scenario: str, root: Path) -> AskedScenario:
    """Return the target rate and the overlay of a scenario, from its settings and the user's own user.conf.

    Args:
        settings: Settings of the scenario; a relative path starts at `root`.
        round_: The rules.
        scenario: Name of the scenario in the round.
        root: The project's root.

    Raises:
        InputError: the file cannot be read, has a line that the round does not leave free, or sets another
            target rate than the settings; or neither sets one.
    """
    place = f"scenarios.{scenario}"
    if settings.user_conf is None:
        rate, overlay = None, ConfOverlay()
    else:
        own, rules = round_of_scenario(round_, scenario), round_.scenario(scenario)
        rate, overlay = read_own_user_conf(root / settings.user_conf, own, rules)
    stated = settings.target_qps
    if rate is not None and stated not in (None, rate):
        raise InputError(
            f"{place}: target_qps is {stated}, but {settings.user_conf} sets it to {rate:g}; remove one of "
            "the two."
        )
    chosen = stated if rate is None else rate
    if chosen is None:
        raise InputError(f"{place}: {settings.user_conf} sets no target rate; add target_qps to {place}.")
    return AskedScenario(chosen, overlay)


def read_own_user_conf(
    path: Path, round_: Round, scenario: ScenarioRules
) -> tuple[float | None, ConfOverlay]:
    """Read what a user's own user.conf sets in a scenario: the target rate, if any, and the other values.

    Lines of the round's other scenarios are checked as well, and not used.

    Raises:
        InputError: the file cannot be read, or a line is none of user.conf, names another model, a scenario
            that the round does not have, a key that the round fixes or LoadGen does not know, or a value that
            the round does not allow; the message has the line's number and the round's value.
    """
    found: dict[str, float] = {}
    seen: dict[str, str] = {}
    for line in _lines(path):
        name = f"{line.model}.{line.scenario}.{line.key}"
        if name in seen:
            raise InputError(f"{line.place}: {line.key} is set in {seen[name]} already; remove one of them.")
        seen[name] = line.place.rpartition(", ")[2]
        for each in _scenarios_of(line, round_, scenario):
            value = _checked(line, round_, each)
            if each is scenario and value is not None:
                found[name] = value
    values = {
        key: found[counting[0]]
        for key in _FREE
        if (counting := [name for name in names_of(scenario, key) if name in found])
    }
    rate = values.get("target_qps")
    if "target_latency" in values:
        rate = 1000 / values["target_latency"]
    least = {
        "min_duration": round(scenario.min_duration_s * 1000),
        "min_query_count": scenario.min_query_count,
    }
    raised = {
        key: bool(value) if key in _SWITCHES else int(value)
        for key, value in values.items()
        if key not in _RATE_KEYS and value != least.get(key, 0)
    }
    return rate, ConfOverlay.parse(raised, str(path))


def _lines(path: Path) -> list[_Line]:
    lines = []
    for number, content in enumerate(read_text(path).split("\n"), start=1):
        if len(content) > _LONGEST_LINE:
            raise InputError(f"{path}, line {number}: is longer than {_LONGEST_LINE} characters; shorten it.")
        words = content.split()
        place = f"{path}, line {number}"
        words = words[: next((at for at, word in enumerate(words) if word.startswith("#")), len(words))]
        if not words:
            continue
        name, *rest = words
        parts = name.rpartition(".")[0].rpartition(".")
        if len(rest) != 2 or rest[0] != "=" or not all(parts) or not "".join(words).isprintable():
            raise InputError(
                f"{place}: {content.strip()!r} is no line of user.conf; write MODEL.SCENARIO.KEY = VALUE, "
                "with blanks around the sign."
            )
        lines.append(_Line(place, parts[0], parts[2], name.rpartition(".")[2], rest[1]))
    return lines


def _scenarios_of(line: _Line, round_: Round, scenario: ScenarioRules) -> list[ScenarioRules]:
    """Return the scenario itself if a line is for it, else the round's other scenarios that it is for.

    Raises:
        InputError: it is for none.
    """
    rules = [scenario, *(each for each in round_.scenarios.values() if each is not scenario)]
    models = dict.fromkeys(each.loadgen_model for each in rules)
    if line.model != _ANY and line.model not in models:
        raise InputError(
            f"{line.place}: is of the model {line.model}, but round {round_.name} has "
            f"{', '.join(map(str, models))}; remove the line."
        )
    names = dict.fromkeys(str(each.loadgen_scenario) for each in rules)
    if line.scenario != _ANY and line.scenario not in names:
        raise InputError(
            f"{line.place}: is of the scenario {line.scenario}, but round {round_.name} has "
            f"{', '.join(names)}; remove the line."
        )
    found = [
        each
        for each in rules
        if line.model in (_ANY, each.loadgen_model) and line.scenario in (_ANY, str(each.loadgen_scenario))
    ]
    if not found:
        raise InputError(
            f"{line.place}: round {round_.name} has no scenario {line.scenario} of the model {line.model}; "
            "remove the line."
        )
    return [scenario] if scenario in found else found


def _checked(line: _Line, round_: Round, scenario: ScenarioRules) -> float | None:
    """Return the value of a line in a scenario; None if LoadGen does not read its key there.

    Raises:
        InputError: the round does not leave the key free, or does not allow the value.
    """
    key = line.key
    if scenario.loadgen_scenario in _FREE.get(key, ()):
        return _free_value(line, round_, scenario)
    if key in _FIXED:
        value = _FIXED[key](round_, scenario)
        at = "leaves unset" if value is None else f"fixes at {value}"
        raise InputError(
            f"{line.place}: sets {key} to {line.value}, which round {round_.name} {at} in "
            f"{scenario.loadgen_scenario}; remove the line."
        )
    if key in _FREE and line.scenario == _ANY:
        return None
    where = f" in {scenario.loadgen_scenario}" if key in _FREE else ""
    raise InputError(
        f"{line.place}: LoadGen reads no key '{key}'{where}; the keys that round {round_.name} leaves free "
        f"are {', '.join(name for name, read in _FREE.items() if scenario.loadgen_scenario in read)}."
    )


def _free_value(line: _Line, round_: Round, scenario: ScenarioRules) -> float:
    key, text = line.key, line.value
    if key in _RATE_KEYS:
        # LoadGen would read inf, nan and hexadecimal numbers too.
        value = float(text) if re.fullmatch(r"\d+\.?\d*(e[+-]?\d+)?|\.\d+", text, re.IGNORECASE) else 0.0
        if not 0 < value < float("inf"):
            raise InputError(f"{line.place}: {key} is {text}, which is no number greater than 0; correct it.")
        return value
    # LoadGen reads a leading zero as octal, and stops at a point or an exponent.
    if not re.fullmatch(r"0|[1-9]\d{0,17}", text):
        raise InputError(
            f"{line.place}: {key} is {text}, which is no whole number; write it in digits alone."
        )
    if key in _SWITCHES:
        if text not in ("0", "1"):
            raise InputError(f"{line.place}: {key} is {text}; write 0 or 1.")
    elif int(text) > 0:
        try:
            ConfOverlay.parse({key: int(text)}, line.place).over(round_, scenario.name)
        except InputError as error:
            raise InputError(f"{line.place}: {str(error).removeprefix('user_conf: ')}") from None
    else:
        raise InputError(f"{line.place}: {key} is {text}; write a number greater than 0.")
    return int(text)


def _limit_ms(scenario: ScenarioRules, name: str) -> int | None:
    limit = scenario.limits.by_name.get(name)
    return None if limit is None else round(limit.limit_s * 1000)


def _percentile(scenario: ScenarioRules) -> float | None:
    """Return LoadGen's percentile of a scenario in percent: that of its limits, or of its result."""
    if isinstance(scenario.metric, LatencyMetric):
        return round(scenario.metric.latency_percentile * 100, 6)
    limits = [limit.percentile for limit in scenario.limits.by_name.values()]
    return round(limits[0] * 100, 6) if limits else None
