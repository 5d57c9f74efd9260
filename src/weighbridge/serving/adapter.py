"""What a kind of model server must provide to be started, probed and watched, and how one is found by name.

Nothing outside an adapter knows a server's arguments, metrics or log. vLLM and SGLang are built in; further
adapters come from other packages, by the entry point group `weighbridge.servers`.
"""

import importlib
import importlib.metadata
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from weighbridge.config.round import ServerFeature
from weighbridge.config.settings import ServerSettings
from weighbridge.core.errors import InputError, SetupError
from weighbridge.records.telemetry_record import Metric

ENTRY_POINTS = "weighbridge.servers"
DEFAULT_ADAPTER = "vllm"
_BUILT_IN = {"vllm": "weighbridge.serving.vllm", "sglang": "weighbridge.serving.sglang"}

Get = Callable[[str], str | None]
"""Returns the text that a running server answers to GET on a path; None where it answers no 200."""


@dataclass(frozen=True)
class FeatureSwitch:
    """How a server is started without a feature. All empty: this server does not have the feature.

    Attributes:
        arguments: Arguments that switch it off.
        environment: Environment variables that switch it off.
        options: Names of all options that change the feature, in any direction.
    """

    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()

    @property
    def remedy(self) -> str:
        """Return what a person who starts the server must write."""
        return " ".join((*(f"{name}={value}" for name, value in self.environment.items()), *self.arguments))


@dataclass(frozen=True)
class LogStages:
    """How the log of a starting server is read.

    Attributes:
        prefix: Matches what stands before each message: level, time, worker.
        stages: Beginning of a message, and a template (as of `re.Match.expand`) for the stage it announces.
    """

    prefix: re.Pattern[str]
    stages: tuple[tuple[re.Pattern[str], str], ...]

    def message(self, line: str) -> str:
        """Return a line of the log without its prefix."""
        return self.prefix.sub("", line).strip()

    def stage(self, message: str) -> str | None:
        """Return the stage that a message announces; None for any other message."""
        for beginning, template in self.stages:
            if found := beginning.match(message):
                return found.expand(template)
        return None


@dataclass(frozen=True)
class NodePlace:
    """The place of one process among those of a server that spans several nodes; process 0 answers."""

    rank: int
    nodes: int
    head: str
    """Address of the node of process 0."""


@dataclass(frozen=True)
class ServerStart:
    """Everything that one server's command line depends on.

    Attributes:
        settings: The server's settings.
        executable: The program, by its path or its name in a container.
        model: Folder of the model.
        host: Address to listen on.
        port: Port to listen on.
        switched_off: Arguments that switch off what the round forbids.
        node: Place of the process, where the server spans several nodes.
    """

    settings: ServerSettings
    executable: str
    model: Path
    host: str
    port: int
    switched_off: tuple[str, ...] = ()
    node: NodePlace | None = None


@dataclass(frozen=True)
class ServerFacts:
    """What a running server reports about itself.

    Attributes:
        version: Its version; None where it reports none.
        features: Whether a feature is on; one that it does not report is missing.
    """

    version: str | None = None
    features: Mapping[ServerFeature, bool] = field(default_factory=dict)


@runtime_checkable
class ServerAdapter(Protocol):
    """A kind of model server. An adapter is an object, or a module, with these attributes."""

    title: str
    """The server's name in messages."""
    executable: str
    """Its program, looked up on PATH where the settings name none."""
    api_key_variable: str | None
    """Environment variable by which a started server gets its key; None: only by a command line."""
    owned_options: Mapping[str, str]
    """Options that Weighbridge sets itself, each with what the user does instead."""
    switches: Mapping[ServerFeature, FeatureSwitch]
    """How features are switched off. A round that forbids a missing one cannot use this server."""
    metric_names: Mapping[str, Metric]
    """Names on its /metrics page."""
    log_stages: LogStages
    """The stages of a start, read from its log."""
    system_packages: Mapping[str, str]
    """Debian package of system libraries that it loads and that machines often lack."""
    version_arguments: tuple[str, ...]
    """Arguments with which the program prints its version."""

    def version_of(self, output: str) -> str | None:
        """Return the version in what the program printed; None where there is none."""

    def command(self, start: ServerStart) -> tuple[str, ...]:
        """Return the command line of one server process.

        Raises:
            SetupError: this server cannot be started that way.
        """

    def inspect(self, get: Get) -> ServerFacts | None:
        """Return what a running server reports; None where it is not this kind of server."""


def find_adapter(name: str) -> ServerAdapter:
    """Return an adapter, built in or installed by another package.

    Raises:
        InputError: there is none of that name.
        SetupError: its package cannot be loaded, or does not hold an adapter.
    """
    if name in _BUILT_IN:
        return _checked(name, importlib.import_module(_BUILT_IN[name]))
    installed = {entry.name: entry for entry in importlib.metadata.entry_points(group=ENTRY_POINTS)}
    if name not in installed:
        known = ", ".join([*_BUILT_IN, *sorted(installed)])
        raise InputError(
            f"server.adapter is '{name}', and no such adapter is installed; the adapters here are: {known}."
        )
    try:
        found = installed[name].load()
    except Exception as error:  # whatever another package raises when it is imported
        raise SetupError(
            f"the server adapter '{name}' ({installed[name].value}) cannot be loaded ({error}); "
            "reinstall its package, or remove server.adapter."
        ) from error
    return _checked(name, found)


def _checked(name: str, found: object) -> ServerAdapter:
    if not isinstance(found, ServerAdapter):
        lacking = [part for part in _parts() if not hasattr(found, part)]
        raise SetupError(
            f"the server adapter '{name}' lacks {', '.join(lacking)}; install a release of its package that "
            "fits this release of Weighbridge."
        )
    return found


def _parts() -> list[str]:
    return sorted({*ServerAdapter.__annotations__, "version_of", "command", "inspect"})


def adapter_of(settings: ServerSettings) -> ServerAdapter:
    """Return the adapter with which the settings' servers are started.

    Raises:
        InputError, SetupError: as `find_adapter`.
    """
    return find_adapter(settings.adapter or DEFAULT_ADAPTER)


def all_adapters() -> tuple[ServerAdapter, ...]:
    """Return every adapter: the built-in ones, then the installed ones by name.

    Raises:
        SetupError: as `find_adapter`.
    """
    installed = sorted(entry.name for entry in importlib.metadata.entry_points(group=ENTRY_POINTS))
    return tuple(find_adapter(name) for name in dict.fromkeys((*_BUILT_IN, *installed)))


def check_arguments(settings: ServerSettings, forbidden: Iterable[ServerFeature]) -> None:
    """Check that the server's arguments leave alone what Weighbridge sets and what the round forbids.

    Args:
        settings: The server's settings.
        forbidden: Features that the round forbids; a sweep may compare others on and off.

    Raises:
        InputError: an argument or environment variable is not the user's to set, with the remedy.
        SetupError: the server cannot be started without a forbidden feature.
    """
    adapter = adapter_of(settings)
    owned = dict(adapter.owned_options)
    for feature in forbidden:
        switch = switch_of(adapter, feature)
        owned |= dict.fromkeys(switch.options, f"the round demands {feature} off")
        for variable in switch.environment:
            if variable in settings.env:
                raise InputError(
                    f"server.env sets {variable}, and the round demands {feature} off; remove it."
                )
    for argument in settings.args:
        name = argument.partition("=")[0].replace("_", "-")
        for option, instead in owned.items():
            # argparse takes any unambiguous beginning of an option for the option itself.
            if option.startswith(name):
                raise InputError(
                    f"server.args: '{argument}' sets {option}, which is the tool's: {instead}; "
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


def switched_off(adapter: ServerAdapter, forbidden: Sequence[ServerFeature]) -> tuple[str, ...]:
    """Return the arguments that start a server without the forbidden features, in their start.

    Raises:
        SetupError: the adapter cannot switch one off.
    """
    return tuple(argument for feature in forbidden for argument in switch_of(adapter, feature).arguments)
