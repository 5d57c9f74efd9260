"""What a kind of model server must provide to be started, probed and watched.

Nothing outside an adapter knows a server's arguments, metrics or log.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from weighbridge.config.closed_rules import ServerFeature, TaskPart
from weighbridge.config.server_settings import ServerSettings
from weighbridge.records.telemetry_record import Metric
from weighbridge.serving.spelling import variable_in_server

Get = Callable[[str], str | None]
"""Returns the text that a running server answers to GET on a path; None where it answers no 200."""


def json_answer(get: Get, path: str) -> dict[str, Any]:
    """Return the JSON object that a running server answers to GET on a path; empty where it answers none."""
    try:
        answer = json.loads(get(path) or "null")
    except json.JSONDecodeError:
        return {}
    return answer if isinstance(answer, dict) else {}


def setting_options(adapter: "ServerAdapter") -> Mapping[str, str]:
    """Return the option of each key of section 'server' that an adapter can translate, by key."""
    known: Mapping[str, str] = getattr(adapter, "setting_options", {"max_model_len": adapter.context_option})
    return known


def version_in(answer: Mapping[str, Any]) -> str | None:
    """Return the version in an answer, under the key that servers use; None where there is none."""
    version = answer.get("version")
    return version if isinstance(version, str) else None


@dataclass(frozen=True)
class FeatureSwitch:
    """How a server is started without a feature. All empty: this server does not have the feature.

    Attributes:
        arguments: Arguments that switch it off.
        environment: Environment variables that switch it off.
        options: Names of all options that change the feature, in any direction.
        variables: Further environment variables that change it; NAME* stands for all that begin with NAME.
    """

    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()

    def changed_in(self, environment: Iterable[str]) -> list[str]:
        """Return the names in an environment that are among `variables`."""
        return [
            name
            for name in environment
            if any(fnmatchcase(variable_in_server(name), each) for each in self.variables)
        ]

    @property
    def remedy(self) -> str:
        """Return what a person who starts the server must write."""
        return " ".join((*(f"{name}={value}" for name, value in self.environment.items()), *self.arguments))


@dataclass(frozen=True)
class TaskOptions:
    """What changes a part of the benchmark's task. Both empty: nothing of this server does.

    Attributes:
        options: Names of options; `NAME=VALUE` is an option of which only that value changes the part.
        variables: Names of environment variables.
    """

    options: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()


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
    """A kind of model server. An adapter is an object, or a module, with these attributes.

    It may also have `setting_options`, which maps dtype, max_model_len and gpu_memory_utilization of the
    settings to its options; without it, only max_model_len is known, as the `context_option`.
    """

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
    task_options: Mapping[TaskPart, TaskOptions]
    """What changes the task. A round that fixes a missing part cannot use this server."""
    quantising_options: tuple[str, ...]
    """Options that quantise the weights while they are loaded, which a submission declares."""
    variable_prefixes: tuple[str, ...]
    """How the names of its environment variables begin."""
    metric_names: Mapping[str, Metric]
    """Names on its /metrics page."""
    log_stages: LogStages
    """The stages of a start, read from its log."""
    context_option: str
    """Option that limits a request's tokens, prompt and answer together."""
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

    def neutral_options(self) -> Collection[str]:
        """Return the options that change nothing of the task: with those above, all that are known.

        Empty: not all are known, so that none can be told to be unknown.
        """

    def reported_arguments(self, log_text: str) -> dict[str, str] | None:
        """Return the arguments that a server's log reports as not at their defaults.

        Args:
            log_text: What one server, or several, printed.

        Returns:
            Options as written on a command line, such as --max-model-len, and their values as text, without
            secrets. None where the log has no such report, or one that is cut off.
        """

    def inspect(self, get: Get) -> ServerFacts | None:
        """Return what a running server reports; None where it is not this kind of server."""
