"""What of a server's arguments and environment changes the benchmark's task, where the rules fix it."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from weighbridge.config.closed_rules import TaskPart
from weighbridge.config.server_settings import ServerSettings
from weighbridge.core.errors import InputError, SetupError
from weighbridge.serving.adapter import ServerAdapter, TaskOptions
from weighbridge.serving.installed_adapters import adapter_of
from weighbridge.serving.server_environment import CODE_LOADING, CODE_OF_SHELLS, inherited_by_server
from weighbridge.serving.spelling import option_set_by, variable_in_server


@dataclass(frozen=True)
class TaskChange:
    """An argument or environment variable that changes a fixed part of the task.

    Attributes:
        place: Where it stands, such as `server.args: '--chat-template=x.jinja' sets --chat-template`.
        part: What it changes; None: it loads code into the server, which can change every part.
        remedy: What removes it.
    """

    place: str
    part: TaskPart | None
    remedy: str

    @property
    def what(self) -> str:
        """Return what it changes, for a sentence."""
        return "any part of the task" if self.part is None else f"the {self.part} of the task"


def task_changes(
    settings: ServerSettings, parts: Collection[TaskPart], environ: Mapping[str, str]
) -> tuple[TaskChange, ...]:
    """Return what changes a part of the task that the rules fix.

    Args:
        settings: The server's settings.
        parts: Parts that nothing may change.
        environ: The environment that a started server inherits; servers that the user runs inherit nothing.

    Raises:
        InputError: there is no adapter of the settings' name.
        SetupError: the adapter does not know what changes a part, so that nothing could be refused.
    """
    adapter = adapter_of(settings)
    inherited = {} if settings.endpoints else inherited_by_server(environ)
    loaded = _named(settings, (*CODE_LOADING, *CODE_OF_SHELLS), None, inherited) if parts else ()
    return (
        *loaded,
        *(
            change
            for part in TaskPart
            if part in parts
            for change in _changes(settings, part, _options(adapter, part), inherited)
        ),
    )


def check_task(settings: ServerSettings, parts: Collection[TaskPart], environ: Mapping[str, str]) -> None:
    """Check that nothing changes a part of the task that the rules fix, before a server is started.

    Raises:
        InputError: an argument or variable changes one; the message names it and the remedy.
        SetupError: as `task_changes`.
    """
    for change in task_changes(settings, parts, environ):
        raise InputError(
            f"{change.place}, which changes {change.what}, and the closed division forbids that; "
            f"{change.remedy}, or choose the open division, where it is reported."
        )


def quantising_argument(settings: ServerSettings) -> str | None:
    """Return the argument that quantises the weights while they are loaded; None without one.

    Raises:
        InputError, SetupError: there is no adapter of the settings' name, or it cannot be loaded.
    """
    options = adapter_of(settings).quantising_options
    return next((argument for argument in settings.args if option_set_by(argument, options)), None)


def _options(adapter: ServerAdapter, part: TaskPart) -> TaskOptions:
    if part not in adapter.task_options:
        raise SetupError(
            f"the round fixes the {part} of the task, and the adapter for {adapter.title} does not know what "
            "changes it; choose another server.adapter."
        )
    return adapter.task_options[part]


def _changes(
    settings: ServerSettings, part: TaskPart, known: TaskOptions, inherited: Mapping[str, str]
) -> Iterator[TaskChange]:
    for argument in settings.args:
        if option := option_set_by(argument, known.options):
            place = f"server.args: '{argument}' sets {option.partition('=')[0]}"
            yield TaskChange(place, part, "remove the argument")
    yield from _named(settings, known.variables, part, inherited)


def _named(
    settings: ServerSettings, variables: Iterable[str], part: TaskPart | None, inherited: Mapping[str, str]
) -> Iterator[TaskChange]:
    known = frozenset(variables)
    for name, value in settings.env.items():
        if variable_in_server(name) in known:
            yield TaskChange(f"server.env: {name} is '{value}'", part, "remove the variable")
    for name, value in inherited.items():
        if variable_in_server(name) in known and name not in settings.env:
            yield TaskChange(f"the environment: {name} is '{value}'", part, f"unset {name}")
