"""The key that servers take, and what is recorded of them, for whatever measures on them."""

import os

from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.server_settings import ServerSettings
from weighbridge.core.errors import InputError
from weighbridge.core.secrets import MaskingFormatter
from weighbridge.records.run_record import ServerRecord
from weighbridge.serving.installed_adapters import adapter_of
from weighbridge.serving.running_server import RunningServer
from weighbridge.serving.server_environment import inherited_variables, without_secrets
from weighbridge.serving.server_report import reported_by


def api_key_of(client: ClientSettings) -> str | None:
    """Return the key that clients send, and mask it in all messages; None: the settings name none.

    Raises:
        InputError: the variable that the settings name is not set.
    """
    if client.api_key_env is None:
        return None
    key = os.environ.get(client.api_key_env)
    if not key:
        raise InputError(
            f"client.api_key_env names {client.api_key_env}, which is not set in the environment; "
            f"export {client.api_key_env}, or remove the setting for a server without a key."
        )
    MaskingFormatter.hide(key)
    return key


def server_record(
    running: RunningServer,
    settings: ServerSettings,
    api_key: str | None,
    warmup_requests: int = 0,
    warmup_s: float = 0.0,
) -> ServerRecord:
    """Return what is recorded of servers that answer.

    Args:
        running: The servers.
        settings: Their settings.
        api_key: The clients' key, which is masked.
        warmup_requests: How many requests warmed them.
        warmup_s: How long that took, in s.

    Raises:
        InputError: a log that the settings name cannot be read.
    """
    reported = reported_by(
        running.kind, (server.launch for server in running.processes), settings.logs, api_key
    )
    return ServerRecord(
        kind=running.kind,
        command=running.command,
        launcher=running.launcher,
        devices=running.devices,
        environment=without_secrets(settings.env),
        # Servers that the user runs have an environment that cannot be seen from here.
        inherited={}
        if settings.endpoints
        else inherited_variables(adapter_of(settings), os.environ, settings.env),
        proven=running.proven,
        reported_arguments=reported,
        endpoints=running.endpoints,
        model_name=settings.model_name,
        version=running.version,
        ready_s=running.ready_s,
        golden="as recorded" if settings.golden else "not recorded for this model",
        prefix_caching=running.prefix_caching,
        warmup_requests=warmup_requests,
        warmup_s=warmup_s,
        life=running.life,
    )
