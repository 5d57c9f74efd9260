"""Systems to compare, open for the duration of a with block: started by us or by a command, or the user's."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.server_settings import ServerSettings
from weighbridge.config.sweep_settings import ComparedSystem
from weighbridge.core.errors import InputError, SetupError
from weighbridge.records.run_record import SERVER_LOG, ServerRecord
from weighbridge.run.recorded_server import api_key_of, server_record
from weighbridge.serving.arguments import spelled_out
from weighbridge.serving.command_server import command_server
from weighbridge.serving.installed_adapters import adapter_of
from weighbridge.serving.probing import inspect_server, recognise
from weighbridge.serving.running_server import RunningServer, running_server
from weighbridge.serving.served_models import served_models
from weighbridge.serving.server_report import adapter_titled
from weighbridge.serving.spelling import option_set_by
from weighbridge.system.gpus import check_accelerators

# With these vLLM empties its caches when asked, and reports how much of a prompt came from them.
_RESETTABLE = ("VLLM_SERVER_DEV_MODE", "1")
_REPORTING = ("--enable-prompt-tokens-details", "--no-enable-prompt-tokens-details")


@dataclass(frozen=True)
class OpenSystem:
    """A system that answers.

    Attributes:
        name: Its name in the sweep.
        system: As the sweep describes it.
        server: Its server's settings, as it was started.
        running: Its servers.
        client: The client's settings, with the variable of this system's key.
    """

    name: str
    system: ComparedSystem
    server: ServerSettings
    running: RunningServer
    client: ClientSettings

    @property
    def api_key(self) -> str | None:
        """Key to send, if any."""
        return api_key_of(self.client)

    @property
    def model_name(self) -> str:
        """Name to ask for."""
        return self.server.model_name

    def record(self, warmup_requests: int = 0, warmup_s: float = 0.0) -> ServerRecord:
        """Return what is recorded of it, with how long it was warmed up since it started."""
        return server_record(self.running, self.server, self.api_key, warmup_requests, warmup_s)

    def version(self) -> str | None:
        """Return the version that its first server reports now; None: it reports none."""
        endpoint, known = self.running.endpoints[0], adapter_titled(self.running.kind)
        facts = (
            inspect_server(known, endpoint, self.api_key) if known else recognise(endpoint, self.api_key)[1]
        )
        return facts.version

    def lost(self) -> str | None:
        """Return why it cannot be measured any more; None: it answers."""
        if (ended := self.running.trouble()) is not None:
            return ended
        try:
            silent = [url for url in self.running.endpoints if served_models(url, self.api_key) is None]
        except SetupError as error:
            return str(error).rstrip(".")
        return f"{silent[0]} does not answer" if silent else None


def client_of(system: ComparedSystem, client: ClientSettings) -> ClientSettings:
    """Return the client's settings with the variable of a system's own key, where it has one."""
    return client.model_copy(update={"api_key_env": system.api_key_env or client.api_key_env})


@contextmanager
def opened(
    name: str,
    system: ComparedSystem,
    client: ClientSettings,
    model: Path | None,
    folder: Path,
    starting: Callable[[str], None],
) -> Iterator[OpenSystem]:
    """Provide a system that answers, for the duration of a with block; what is started is stopped after it.

    Args:
        name: Its name in the sweep.
        system: How it is started or reached.
        client: The client's settings of the sweep.
        model: Folder of the model, for servers that are started.
        folder: For what a started server prints; it is made.
        starting: Called with the stage of a server that is not ready yet.

    Raises:
        InputError: the settings cannot be used, a key is not set, or a server shall be started without a
            model.
        SetupError: a server does not start, or does not answer as the model that is asked for.
    """
    client = client_of(system, client)
    with ExitStack() as held:
        try:
            server = system.server if system.attached or system.command else _measurable(system.server)
            running = held.enter_context(_serving(system, server, client, model, folder, starting))
        except (InputError, SetupError) as error:
            raise type(error)(f"system {name}: {error}") from None
        yield OpenSystem(name, system, server, running, client)


def _serving(
    system: ComparedSystem,
    server: ServerSettings,
    client: ClientSettings,
    model: Path | None,
    folder: Path,
    starting: Callable[[str], None],
) -> AbstractContextManager[RunningServer]:
    key = api_key_of(client)
    if system.attached:
        return running_server(server, Path(), folder, key, starting, forbidden=())
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / SERVER_LOG
    if system.command:
        return command_server(server, system.command, model, log, key, starting)
    if model is None:
        raise InputError("it is to be started, and no model is given; name its folder.")
    check_accelerators(server.gpus)
    return running_server(server, model, log, key, starting, forbidden=())


def _measurable(server: ServerSettings) -> ServerSettings:
    """Return settings with which a vLLM can be reset and reports reuse, unless they say otherwise."""
    server = spelled_out(server)
    if adapter_of(server).title != "vLLM":
        return server
    variable, value = _RESETTABLE
    said = any(option_set_by(argument, _REPORTING) for argument in server.args)
    return server.model_copy(
        update={
            "env": {variable: value, **server.env},
            "args": server.args if said else (*server.args, _REPORTING[0]),
        }
    )
