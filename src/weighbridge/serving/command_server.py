"""A server of any kind that a command of the user's starts, watched and stopped as the others are."""

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from weighbridge.config.server_settings import ServerSettings
from weighbridge.core.errors import InputError
from weighbridge.serving.endpoint_inspection import Inspector
from weighbridge.serving.held_servers import guarded
from weighbridge.serving.launch import Launch, check_fixed_port
from weighbridge.serving.log_parts import LogPart
from weighbridge.serving.ports import free_ports
from weighbridge.serving.readiness import await_answers
from weighbridge.serving.running_server import RunningServer, described, prove
from weighbridge.serving.server_environment import inherited_by_server

log = logging.getLogger(__name__)


@contextlib.contextmanager
def command_server(
    settings: ServerSettings,
    command: Sequence[str],
    model: Path | None,
    log_path: Path,
    api_key: str | None = None,
    starting: Callable[[str], None] | None = None,
) -> Iterator[RunningServer]:
    """Provide the server that a command starts, for the duration of a with block.

    It is ready when it answers /v1/models at 127.0.0.1 and the port. It inherits the environment, with the
    key in the variable that it is read from.

    Args:
        settings: Environment, port, name of the model, time-outs.
        command: Words in which {port} and {model} are filled in.
        model: Folder of the model; None: there is none.
        log_path: Receives what it prints.
        api_key: Key that clients will send.
        starting: Called with the stage of a server that is not ready yet.

    Raises:
        InputError: there is no model to fill in.
        SetupError: it cannot be started, ends, is not ready in time, or serves another model.
    """
    began = time.monotonic()
    check_fixed_port(settings)
    port = settings.port or free_ports(1)[0]
    launch = Launch(
        launcher=(),
        command=filled_in(command, port, model),
        environment={**inherited_by_server(os.environ), **settings.env},
        log=log_path,
        endpoint=f"http://127.0.0.1:{port}",
    )
    log.info("starting the server: %s", " ".join(launch.command))
    with guarded([launch], settings.stop_timeout_s) as servers:
        endpoints = (f"http://127.0.0.1:{port}",)
        stages = await_answers(endpoints, settings, api_key, servers, starting)
        part = LogPart(log_path, size := log_path.stat().st_size, size)
        servers[0].group.tell_ready(stages, [part.start_bytes])
        running = described(endpoints, Inspector(None, api_key, (), started=True), servers)
        yield replace(running, ready_s=time.monotonic() - began, proven=prove(servers), log_parts=(part,))


def filled_in(command: Sequence[str], port: int, model: Path | None) -> tuple[str, ...]:
    """Return the words of a command with the port and the model's folder.

    Raises:
        InputError: the model is asked for, and there is none.
    """
    if model is None and any("{model}" in word for word in command):
        raise InputError(
            f"the command '{command[0]}' asks for {{model}}, and no model is given; name one, or write "
            "its path."
        )
    return tuple(word.replace("{port}", str(port)).replace("{model}", str(model)) for word in command)
