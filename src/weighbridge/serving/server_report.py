"""What servers report of themselves in their logs."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from weighbridge.config.server_settings import ServerSettings
from weighbridge.core.errors import InputError
from weighbridge.core.secrets import mask
from weighbridge.serving.adapter import ServerAdapter
from weighbridge.serving.installed_adapters import all_adapters
from weighbridge.serving.launch import Launch
from weighbridge.serving.printed_arguments import union


def adapter_titled(title: str | None) -> ServerAdapter | None:
    """Return the adapter of a kind of server by its title, as run.json records it; None: there is none.

    Raises:
        SetupError: an installed adapter cannot be loaded.
    """
    return next((adapter for adapter in all_adapters() if adapter.title == title), None)


def unknown_options(adapter: ServerAdapter, reported: Iterable[str]) -> tuple[str, ...]:
    """Return the reported options of which the adapter does not know what they change, as in a later release.

    None where the adapter does not claim to know all.
    """
    neutral = adapter.neutral_options()
    if not neutral:
        return ()
    known = {*neutral, *listed_options(adapter)}
    return tuple(name for name in reported if name not in known)


def listed_options(adapter: ServerAdapter) -> frozenset[str]:
    """Return every option of which the adapter says what it changes."""
    options = (
        *adapter.owned_options,
        *adapter.quantising_options,
        *(option for switch in adapter.switches.values() for option in switch.options),
        *(option for known in adapter.task_options.values() for option in known.options),
    )
    return frozenset(option.partition("=")[0] for option in options)


def check_logs(settings: ServerSettings) -> None:
    """Check that the logs that the user names of his servers can be read, before anything is measured.

    Raises:
        InputError: one cannot.
    """
    for log in settings.logs:
        try:
            log.open("rb").close()
        except OSError as error:
            raise _unreadable(log, error) from None


def reported_by(
    kind: str | None, launches: Iterable[Launch], logs: Sequence[Path], api_key: str | None
) -> dict[str, str] | None:
    """Return the arguments that running servers report in their logs, the union over all of them.

    Args:
        kind: Title of the servers' adapter; None: not known.
        launches: How they were started; none of servers that the user runs.
        logs: The logs that the user names of his servers.
        api_key: The clients' key, which is masked wherever it occurs.

    Returns:
        As `reported_in`; None too where the servers' kind is not known.

    Raises:
        InputError: a log cannot be read.
    """
    adapter = adapter_titled(kind)
    if adapter is None:
        return None
    started: list[Path] = []
    helpers: list[Path] = []
    for launch in launches:
        (helpers if launch.endpoint is None else started).append(launch.log)
    found = reported_in(adapter, started or logs, helpers)
    return None if found is None else {name: mask(value, [api_key]) for name, value in found.items()}


def reported_in(
    adapter: ServerAdapter, logs: Sequence[Path], helpers: Sequence[Path] = ()
) -> dict[str, str] | None:
    """Return the arguments that servers report in their logs, the union over all of them.

    Args:
        adapter: The servers' kind.
        logs: Logs of servers that answer.
        helpers: Logs of processes on other nodes, which may report nothing.

    Returns:
        Options and their values as text; None where there is no log, or one of `logs` has no report.

    Raises:
        InputError: a log cannot be read.
    """
    reports = [adapter.reported_arguments(_text(log)) for log in logs]
    known = [report for report in reports if report is not None]
    if not reports or len(known) < len(reports):
        return None
    known += [report for log in helpers if (report := adapter.reported_arguments(_text(log))) is not None]
    return union(known)


def _text(log: Path) -> str:
    try:
        return log.read_text(errors="replace")
    except OSError as error:
        raise _unreadable(log, error) from None


def _unreadable(log: Path, error: OSError) -> InputError:
    return InputError(
        f"{log}: a server's log cannot be read ({error.strerror}); correct server.logs, or remove it."
    )
