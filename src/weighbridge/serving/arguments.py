"""Check and read a server's arguments, with the knowledge of its adapter and the demands of the round."""

import re
from collections.abc import Collection, Iterable, Mapping

from weighbridge.config.closed_rules import ServerFeature
from weighbridge.config.server_settings import NAMED_OPTIONS, ServerSettings
from weighbridge.core.errors import InputError, SetupError
from weighbridge.serving.adapter import FeatureSwitch, ServerAdapter, setting_options
from weighbridge.serving.installed_adapters import adapter_of
from weighbridge.serving.spelling import option_set_by, variable_in_server

_MULTIPLES = {"": 1, "k": 10**3, "K": 2**10, "m": 10**6, "M": 2**20}


def spelled_out(settings: ServerSettings) -> ServerSettings:
    """Return the settings with the arguments that their keys stand for: dtype, max_model_len and others.

    Both spellings are the same server, and so the same fingerprint.

    Raises:
        InputError: an argument sets the same option, or the adapter knows no such option.
        SetupError: the adapter cannot be loaded.
    """
    given = {key: value for key in NAMED_OPTIONS if (value := getattr(settings, key)) is not None}
    if not given:
        return settings
    adapter = adapter_of(settings)
    options, added = setting_options(adapter), []
    for key, value in given.items():
        if key not in options:
            raise InputError(
                f"server.{key} is {value}, but the adapter for {adapter.title} has no option for it; write "
                "the server's own option into server.args."
            )
        for argument in settings.args:
            if option_set_by(argument, [options[key]]):
                raise InputError(
                    f"server.{key} is {value}, but server.args has '{argument}', which is the same option; "
                    "remove one of the two."
                )
        added.append(f"{options[key]}={value}")
    return settings.model_copy(update={**dict.fromkeys(given), "args": (*added, *settings.args)})


def check_arguments(
    settings: ServerSettings, forbidden: Iterable[ServerFeature], environ: Mapping[str, str] | None = None
) -> None:
    """Check that the server's arguments leave alone what Weighbridge sets and what the round forbids.

    Args:
        settings: The server's settings.
        forbidden: Features that the round forbids; a sweep may compare others on and off.
        environ: The environment that a started server inherits; None: not known yet.

    Raises:
        InputError: an argument or environment variable is not the user's to set, with the remedy.
        SetupError: the server cannot be started without a forbidden feature.
    """
    adapter = adapter_of(settings)
    owned = dict(adapter.owned_options)
    for feature in forbidden:
        if settings.endpoints and feature not in adapter.switches:
            continue  # nothing is started; what the server reports is checked when it answers
        switch = switch_of(adapter, feature)
        owned |= dict.fromkeys(switch.options, f"the round demands {feature} off")
        for variable in settings.env:
            if variable_in_server(variable) in switch.environment or switch.changed_in([variable]):
                raise InputError(
                    f"server.env sets {variable}, and the round demands {feature} off; remove it."
                )
        # In a container, one that is meant for it wins over the plain one, which a start sets.
        winning = [
            name
            for name in environ or ()
            if name != variable_in_server(name) and variable_in_server(name) in switch.environment
        ]
        for variable in (*switch.changed_in(environ or ()), *winning):
            if not settings.endpoints:
                raise InputError(
                    f"the environment has {variable}, which a server would inherit, and the round demands "
                    f"{feature} off; unset {variable}."
                )
    for argument in settings.args:
        if option := option_set_by(argument, owned):
            given = argument.partition("=")[0]  # not the value, which may be a key
            raise InputError(
                f"server.args: '{given}' sets {option}, which is the tool's: {owned[option]}; "
                "remove the argument."
            )


def switch_of(adapter: ServerAdapter, feature: ServerFeature) -> FeatureSwitch:
    """Return how a server is started without a feature.

    Raises:
        SetupError: the adapter cannot switch it off.
    """
    if feature not in adapter.switches:
        raise SetupError(
            f"the round forbids {feature}, which the adapter for {adapter.title} cannot switch off; "
            "choose another server.adapter."
        )
    return adapter.switches[feature]


def switched_off(adapter: ServerAdapter, forbidden: Collection[ServerFeature]) -> tuple[str, ...]:
    """Return the arguments that start a server without the forbidden features.

    Their order is that of `ServerFeature`, so that a command line does not depend on how a round lists them.

    Raises:
        SetupError: the adapter cannot switch one off.
    """
    return tuple(
        argument
        for feature in ServerFeature
        if feature in forbidden
        for argument in switch_of(adapter, feature).arguments
    )


def context_length(settings: ServerSettings) -> int | None:
    """Return the limit that the arguments set on a request's tokens, prompt and answer together.

    A suffix k or m stands for thousands or millions, K or M for the powers of two, as vLLM reads it.

    Returns:
        None where no argument sets it.

    Raises:
        InputError, SetupError: there is no adapter of the settings' name, or it cannot be loaded.
    """
    option = adapter_of(settings).context_option
    for argument in settings.args:
        name, _, value = argument.partition("=")
        number = re.fullmatch(r"(\d+(?:\.\d+)?)([kKmM]?)", value)
        if name.replace("_", "-") == option and number:
            return int(float(number[1]) * _MULTIPLES[number[2]])
    return None
