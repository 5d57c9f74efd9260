"""Refuse, before anything starts, what a round's closed division forbids; in the open division, report it."""

import logging
from collections.abc import Collection, Iterator, Mapping

from weighbridge.artifacts.pinned_values import differing_values
from weighbridge.artifacts.proof import Proof
from weighbridge.config.closed_rules import TaskPart
from weighbridge.config.closed_settings import (
    Deviation,
    Division,
    request_deviations,
    settings_deviations,
    undeclared,
)
from weighbridge.config.request_settings import RequestSettings
from weighbridge.config.round import Round
from weighbridge.config.server_settings import ServerSettings
from weighbridge.config.settings import Settings
from weighbridge.core.errors import InputError
from weighbridge.serving.task_changes import quantising_argument, task_changes

_log = logging.getLogger(__name__)


def check_division(settings: Settings, round_: Round, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Check all settings against the division that they name.

    Args:
        settings: All settings.
        round_: The round.
        environ: The environment that a started server inherits.

    Returns:
        In the open division, one sentence for each deviation from the closed one.

    Raises:
        InputError: the division is closed, and a setting or variable deviates: the first, with the remedy.
        SetupError: the server's adapter does not know what changes the task.
    """
    found = [*settings_deviations(settings, round_), *server_deviations(settings.server, round_, environ)]
    argument = quantising_argument(settings.server)
    if round_.closed.model and argument and (missing := undeclared(settings.submission)):
        found.append(
            Deviation(
                f"server.args: '{argument}' quantises the weights while they are loaded",
                "that this is declared",
                round_.closed.sources.get("model", ""),
                f"declare {' and '.join(missing)}",
            )
        )
    return told(found, round_, settings.submission.division)


def server_deviations(
    server: ServerSettings, round_: Round, environ: Mapping[str, str]
) -> tuple[Deviation, ...]:
    """Return each argument and variable with which the server would do another task.

    Raises:
        InputError, SetupError: as `task_changes`.
    """
    source = round_.closed.sources.get("server_must_not_change", "")
    return tuple(
        Deviation(
            change.place,
            f"that nothing changes {change.what}",
            source,
            change.remedy,
        )
        for change in task_changes(server, round_.closed.server_must_not_change, environ)
    )


def input_deviations(model: Proof, requests: RequestSettings, round_: Round) -> tuple[Deviation, ...]:
    """Return what of a run's inputs deviates, as far as only the inputs themselves show it.

    The gate finds the same, but after the GPU hours: a folder whose configuration is another model's or was
    changed, and a request store that was built with other settings.

    Args:
        model: Proof of the model. Where its folder cannot be read from here, it is left to the gate.
        requests: The settings in the request store's manifest.
        round_: The round.
    """
    return (*_of_model_files(model, round_), *request_deviations(requests, round_))


def _of_model_files(model: Proof, round_: Round) -> Iterator[Deviation]:
    pin = round_.closed.model
    if pin is None:
        return
    try:
        differing = differing_values(model, pin)
    except InputError as error:
        _log.warning("the gate will have to read the model's folder: %s", error)
        return
    for text in differing:
        yield Deviation(
            f"the model's {text}",
            f"the configuration of {pin.repo}",
            round_.closed.sources.get("model", ""),
            "put that model's file into the folder, lock and verify it again",
        )


def unproven_servers(server: ServerSettings, round_: Round, division: Division) -> str | None:
    """Return what the verdicts on servers that the user runs will lack; None: nothing."""
    proven = not server.endpoints or server.logs
    if proven or not round_.submittable or not fixed_parts(round_, division):
        return None
    return (
        "server.endpoints: nothing shows the arguments of these servers, so the verdicts will be UNPROVEN; "
        "name the logs of their present start in server.logs, or keep the logs and add them later."
    )


def told(deviations: Collection[Deviation], round_: Round, division: Division) -> tuple[str, ...]:
    """Return the sentences of deviations in the open division.

    Raises:
        InputError: the division is closed and there is one: the first.
    """
    sentences = tuple(each.sentence(round_.name, division) for each in deviations)
    if sentences and division == "closed":
        raise InputError(sentences[0])
    return sentences


def fixed_parts(round_: Round, division: Division) -> tuple[TaskPart, ...]:
    """Return the parts of the task that a server must not change in a division."""
    return round_.closed.server_must_not_change if division == "closed" else ()
