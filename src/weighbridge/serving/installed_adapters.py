"""Find server adapters by name: vLLM's and SGLang's are built in, others come from installed packages.

Such a package declares an entry point of the group `weighbridge.servers` that loads to an adapter.
"""

import importlib
import importlib.metadata
from collections.abc import Iterator

from weighbridge.config.server_settings import ServerSettings
from weighbridge.core.errors import InputError, SetupError
from weighbridge.serving.adapter import ServerAdapter

ENTRY_POINTS = "weighbridge.servers"
DEFAULT_ADAPTER = "vllm"
_BUILT_IN = {"vllm": "weighbridge.serving.vllm", "sglang": "weighbridge.serving.sglang"}


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
    methods = ("version_of", "command", "neutral_options", "reported_arguments", "inspect")
    return sorted({*ServerAdapter.__annotations__, *methods})


def adapter_of(settings: ServerSettings) -> ServerAdapter:
    """Return the adapter with which the settings' servers are started.

    Raises:
        InputError, SetupError: as `find_adapter`.
    """
    return find_adapter(settings.adapter or DEFAULT_ADAPTER)


def all_adapters() -> Iterator[ServerAdapter]:
    """Yield every adapter: the built-in ones, then the installed ones by name.

    The installed ones are looked for when the built-in ones did not do: that reads the metadata of all
    packages.

    Raises:
        SetupError: as `find_adapter`.
    """
    yield from map(find_adapter, _BUILT_IN)
    installed = {entry.name for entry in importlib.metadata.entry_points(group=ENTRY_POINTS)}
    yield from map(find_adapter, sorted(installed - _BUILT_IN.keys()))
