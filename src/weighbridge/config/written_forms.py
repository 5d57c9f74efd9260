"""Short forms in which a command line states distributions, loads, objectives and systems."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from weighbridge.config.distributions import Distribution
from weighbridge.config.load_level import Levels
from weighbridge.config.workload import SharedPrefix, Slo
from weighbridge.core.errors import InputError

_SYSTEM = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)=(?=https?://)")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class WrittenSystem(NamedTuple):
    """A system as the command line names it.

    Attributes:
        name: Its name; a letter where none was given.
        endpoints: Base URLs of its servers.
        model: Name of the model; None: what the endpoint serves.
    """

    name: str
    endpoints: tuple[str, ...]
    model: str | None


def parse_distribution(text: str, origin: str) -> Distribution:
    """Return a distribution from its short form.

    Args:
        text: A number, `2..4` (uniform, bounds included), or a form with its parameters: `normal:60,20`,
            `lognormal:MEDIAN,SIGMA`, `exponential:MEAN`, `choice:1,2,4`, `file:PATH`.
        origin: The option, named in errors.

    Raises:
        InputError: it has another form.
    """
    form, _, rest = text.strip().rpartition(":") if not text.startswith("file:") else text.partition(":")
    try:
        return Distribution.parse(_distribution(form, rest.strip()), origin)
    except (KeyError, ValueError):
        raise InputError(
            f"{origin}: '{text}' is no distribution; give a number, a range such as 2..4, or normal:MEAN,SD, "
            "lognormal:MEDIAN,SIGMA, exponential:MEAN, choice:VALUE,VALUE or file:PATH."
        ) from None


def _distribution(form: str, rest: str) -> dict[str, Any]:
    if form == "file":
        return {"empirical": Path(rest).absolute()}
    if not form and ".." in rest:
        low, high = rest.split("..")
        return {"uniform": (float(low), float(high))}
    values = [float(value) for value in rest.split(",")]
    if form == "choice":
        return {"choice": values}
    names = {"": (), "normal": ("mean", "sd"), "lognormal": ("median", "sigma"), "exponential": ("mean",)}[
        form
    ]
    if not names:
        [value] = values
        return {"const": value}
    return {form: dict(zip(names, values, strict=True))}


def parse_levels(text: str, origin: str) -> Levels:
    """Return the loads from their short form.

    Args:
        text: `auto`, or a list such as `1,32,poisson:4`. A bare number is a closed loop of so many
            conversations at once; `poisson:RATE`, `constant:RATE`, `gamma:RATE/BURSTINESS` are arrivals.
        origin: The option, named in errors.

    Raises:
        InputError: it has another form, or names a load twice.
    """
    if text.strip() == "auto":
        return Levels(auto=True)
    found: dict[str, list[Any]] = {}
    for part in text.split(","):
        kind, _, value = part.strip().rpartition(":")
        try:
            found.setdefault(kind or "closed", []).append(_load(kind, value))
        except (KeyError, ValueError):
            raise InputError(
                f"{origin}: '{part.strip()}' is no load; give numbers of conversations at once, such as "
                "1,32, or poisson:RATE, constant:RATE, gamma:RATE/BURSTINESS, or auto alone."
            ) from None
    return Levels.parse(found, origin)


def _load(kind: str, value: str) -> Any:
    if kind == "gamma":
        rate, burstiness = value.split("/")
        return {"rate": float(rate), "burstiness": float(burstiness)}
    return {"": int, "closed": int, "poisson": float, "constant": float}[kind](value)


def parse_objectives(text: str, origin: str) -> Slo:
    """Return the objectives from a short form such as `ttft:500,tpot:50,e2e:4000`, in ms.

    Raises:
        InputError: it has another form, or limits a time twice.
    """
    found: dict[str, float] = {}
    for part in text.split(","):
        name, _, value = part.partition(":")
        if f"{name.strip()}_ms" in found:
            raise InputError(f"{origin}: '{name.strip()}' is given twice; give it once.")
        try:
            found[f"{name.strip()}_ms"] = float(value.strip().removesuffix("ms"))
        except ValueError:
            found = {"": 0.0}
        if not found.keys() <= Slo.model_fields.keys():
            raise InputError(
                f"{origin}: '{part}' is no objective; give limits in ms, such as ttft:500,tpot:50,e2e:4000."
            )
    return Slo.parse(found, origin)


def parse_shared_prefix(text: str, origin: str) -> SharedPrefix:
    """Return the shared prefix from `TOKENS[:SHARE[:GROUPS]]`, such as 512:0.5:8.

    Raises:
        InputError: it has another form.
    """
    parts = text.split(":")
    try:
        tokens, share, groups = int(parts[0]), 1.0, 1
        if len(parts) > 1:
            share = float(parts[1])
        if len(parts) > 2:
            groups = int(parts[2])
    except ValueError:
        parts = []
    if not 1 <= len(parts) <= 3:
        raise InputError(f"{origin}: '{text}' is no TOKENS:SHARE:GROUPS, such as 512, 512:0.5 or 512:0.5:8.")
    return SharedPrefix.parse({"tokens": tokens, "share": share, "groups": groups}, origin)


def parse_share(text: str, origin: str) -> float:
    """Return a share from `5%` or 0.05.

    Raises:
        InputError: it is neither, or not between 0 and 1.
    """
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise InputError(f"{origin}: '{text}' is no share between 0 and 1; give it as 5% or 0.05.")
    return value


def parse_systems(texts: Sequence[str]) -> tuple[WrittenSystem, ...]:
    """Return the systems from `URL`, `NAME=URL`, `NAME=URL#MODEL`; several URLs with commas.

    Raises:
        InputError: there is none, one has another form, or a name is given twice.
    """
    if not texts:
        raise InputError("name an endpoint, such as http://host:8000, or several as A=URL B=URL.")
    found = []
    for number, text in enumerate(texts):
        named = _SYSTEM.match(text)
        place, _, model = text[named.end() if named else 0 :].partition("#")
        if not place.startswith(("http://", "https://")):
            raise InputError(
                f"'{text}' is no endpoint; give URL, NAME=URL or NAME=URL#MODEL, with http(s)://."
            )
        if named is None and number >= len(_LETTERS):
            raise InputError("give the endpoints names, as NAME=URL.")
        name = named[1] if named else _LETTERS[number]
        urls = tuple(url.strip().rstrip("/") for url in place.split(","))
        found.append(WrittenSystem(name, urls, model or None))
    names = [system.name for system in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{', '.join(twice)} names two endpoints; give each a name of its own, as NAME=URL.")
    return tuple(found)


def per_system(texts: Sequence[str], names: Sequence[str], origin: str) -> dict[str, str]:
    """Return the value of an option for each system: `VALUE` says it of all, `NAME=VALUE` of one.

    Raises:
        InputError: a system is given two values.
    """
    found: dict[str, str] = {}
    for_all = None
    for text in texts:
        name, separator, value = text.partition("=")
        if separator and name in names:
            given = found.setdefault(name, value)
        else:
            value = text
            given = for_all = text if for_all is None else for_all
        if given != value:
            raise InputError(f"{origin}: '{value}' and '{given}' contradict each other; give one of them.")
    rest = {} if for_all is None else dict.fromkeys(names, for_all)
    return rest | found
