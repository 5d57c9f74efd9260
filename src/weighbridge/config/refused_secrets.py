"""Refuse settings that hold a secret: settings stand in command lines, run.json, logs and the submission."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from weighbridge.core.errors import InputError
from weighbridge.core.secrets import holds_secret, is_secret


def refuse_secrets(settings: Any, origin: str) -> None:
    """Check that plain settings hold nothing that looks like a secret.

    Variables and arguments of the server, or of a sweep's servers, are judged by their names too. The
    value is never repeated.

    Raises:
        InputError: one does.
    """
    for place, server in _servers(settings):
        _refuse_variables(f"{place}.env", server.get("env"), origin)
        _refuse_arguments(f"{place}.args", server.get("args"), origin)
    for place, words in _commands(settings):
        _refuse_arguments(place, words, origin)
    for place, text in _texts(settings, ""):
        if holds_secret(text):
            raise InputError(
                f"{origin}: '{place}' holds what looks like a secret, which command lines, run.json and logs "
                "would show; remove it, and give the name of an environment variable that has it where a "
                "setting asks for one (client.api_key_env)."
            )


def _servers(settings: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the servers that settings describe, each with its place."""
    if isinstance(settings, dict) and isinstance(settings.get("server"), dict):
        yield "server", settings["server"]
    for place, system in _systems(settings):
        if isinstance(system.get("server"), dict):
            yield f"{place}.server", system["server"]


def _commands(settings: Any) -> Iterator[tuple[str, object]]:
    """Yield the commands of a sweep's systems, each with its place."""
    for place, system in _systems(settings):
        for key in ("command", "reset_cmd"):
            yield f"{place}.{key}", system.get(key)


def _systems(settings: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    systems = settings.get("systems") if isinstance(settings, dict) else None
    for name, system in systems.items() if isinstance(systems, dict) else ():
        if isinstance(system, dict):
            yield f"systems.{name}", system


def _refuse_variables(place: str, variables: Any, origin: str) -> None:
    # As containers take them: refused later too, in a sentence that repeats them.
    if not isinstance(variables, dict):
        variables = dict(word.partition("=")[::2] for word in _words(variables))
    for name, value in variables.items():
        if is_secret(str(name), str(value)):
            raise InputError(
                f"{origin}: '{place}' sets {name} to what looks like a secret, which command lines, "
                f"run.json and logs would show; remove it and export {name} instead: a started server "
                "inherits it."
            )


def _refuse_arguments(place: str, arguments: Any, origin: str) -> None:
    # What is no list, or a value as a word of its own, is refused later, in a sentence that repeats it.
    for word, following in pairwise((*_words(arguments), "")):
        name, *values = re.split(r"[=\s]+", word, maxsplit=1)
        value = values[0] if values else "" if following.startswith("-") else following
        if is_secret(name, value):
            shown = name if not holds_secret(name) else "an argument"
            raise InputError(
                f"{origin}: '{place}': {shown} holds what looks like a secret, which everyone on the "
                "machine can read on a command line; remove it. The key that clients send is named by "
                "client.api_key_env, and a started server inherits what you export."
            )


def _words(value: object) -> list[str]:
    """Return the words of a list or of a text, and none of anything else."""
    if isinstance(value, str):
        return value.split()
    return [str(word) for word in value] if isinstance(value, list | tuple) else []


def _texts(value: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield place or "the whole", value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts(inner, f"{place}.{name}" if place else str(name))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner, place)
