"""Model servers for the duration of one run: started together, watched, and stopped without leftovers."""

import contextlib
import logging
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from weighbridge.config.closed_rules import ServerFeature, TaskPart
from weighbridge.config.server_settings import ServerSettings
from weighbridge.core.errors import SetupError
from weighbridge.records.run_record import SERVER_LOG
from weighbridge.records.server_life import LifeBrief
from weighbridge.records.telemetry_record import Metric
from weighbridge.serving.answering import how_proven, stranger_among
from weighbridge.serving.arguments import check_arguments
from weighbridge.serving.endpoint_inspection import Inspector
from weighbridge.serving.held_servers import guarded, until_release
from weighbridge.serving.installed_adapters import adapter_of, find_adapter
from weighbridge.serving.keeping import Keeping
from weighbridge.serving.kept_servers import Snakemake, take_kept
from weighbridge.serving.launch import Launch, check_fixed_port, numbered, plan, with_sharding
from weighbridge.serving.life_start import LifeStart, begin_life
from weighbridge.serving.log_parts import LogPart
from weighbridge.serving.readiness import await_answers
from weighbridge.serving.server_fingerprint import server_fingerprint
from weighbridge.serving.server_process import ServerProcess
from weighbridge.serving.server_report import check_logs
from weighbridge.serving.task_changes import check_task

log = logging.getLogger(__name__)

_TAKE_OVER_S = 30.0  # for a kept server to answer; it did already


@dataclass(frozen=True)
class RunningServer:
    """Endpoints that answer, and how they were started.

    Attributes:
        endpoints: Base URLs, one a replica.
        kind: Title of the first server's adapter, such as vLLM; None for an unknown server.
        command: Command line of the first server; empty when the user runs the servers.
        ready_s: Seconds from the start until all answered.
        launcher: What stands before the command: srun, a container.
        devices: CUDA_VISIBLE_DEVICES of each replica, where the GPUs were divided.
        prefix_caching: "off", "on", or "unknown" where a server does not report it.
        version: Version of the first server; None where it does not report one.
        metric_names: Names on the servers' /metrics pages.
        processes: The processes that were started.
        proven: How it is proven that those answer, and nobody else; None: it is not.
        life: The life of the servers, and what this use is in it; None where it is not recorded.
        log_parts: Of each process, what it printed for this use.
    """

    endpoints: tuple[str, ...]
    kind: str | None
    command: tuple[str, ...]
    ready_s: float = 0.0
    launcher: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    prefix_caching: str = "unknown"
    version: str | None = None
    metric_names: Mapping[str, Metric] = field(default_factory=dict)
    processes: tuple[ServerProcess, ...] = ()
    proven: str | None = None
    life: LifeBrief | None = None
    log_parts: tuple[LogPart, ...] = ()

    def trouble(self) -> str | None:
        """Return which server has ended, if any has; what is measured without it is another system."""
        for server in self.processes:
            if server.dead:
                return f"the server {server.how_it_ended()} during the run; its log is {server.launch.log}"
        return None

    def copy_logs(self, to: Path) -> None:
        """Write what the servers printed for this use, until now, to a file; of several servers, to one each.

        Raises:
            OSError: a file cannot be read or written.
        """
        for number, part in enumerate(self.log_parts):
            part.copy(numbered(to, number, len(self.log_parts)))

    def stranger(self) -> str | None:
        """Return who answers in place of the started servers, where it was proven before that nobody did.

        With SO_REUSEPORT, as vLLM listens, another process may join later.
        """
        if self.proven is None:
            return None
        try:
            return stranger_among(self.processes)
        except (LookupError, SetupError) as error:
            return f"it cannot be proven any more that the started servers answered ({error})"


@contextlib.contextmanager
def running_server(
    settings: ServerSettings,
    model: Path,
    place: Path | Keeping,
    api_key: str | None = None,
    starting: Callable[[str], None] | None = None,
    *,
    forbidden: Sequence[ServerFeature],
    must_not_change: Collection[TaskPart] = (),
) -> Iterator[RunningServer]:
    """Provide servers that answer, for the duration of a with block.

    Starts them under a guard, which stops them and all they started afterwards, whatever ends the block or
    this process; or attaches to `server.endpoints` and leaves those alone.

    Where a Snakemake above may want the same servers again, they are left to the guard after a block that
    ended without an error, and the next use takes them over, after they have proven to be the same.

    Args:
        settings: The server's settings.
        model: Folder of the model.
        place: File that receives what the server prints; several servers get one each. Or how this use is
            recorded: then the output goes to the folder of the servers' life.
        api_key: Key that clients will send; reaches the server by its environment.
        starting: Called with the stage of a server that is not ready yet.
        forbidden: Features that the round forbids the server.
        must_not_change: Parts of the task that no argument or variable may change.

    Raises:
        InputError: the arguments or the environment touch what Weighbridge sets or the round forbids, the
            adapter is unknown, or a log of the user's servers cannot be read.
        SetupError: a server does not start, dies while starting (with the end of its log), is not ready in
            time, serves another model, has a forbidden feature on, or shares its port with a stranger.
    """
    check_arguments(settings, forbidden, os.environ)
    check_task(settings, must_not_change, os.environ)
    check_logs(settings)
    started = time.monotonic()
    if settings.endpoints:
        running = attached(settings, api_key, forbidden, starting)
        yield replace(running, ready_s=time.monotonic() - started)
        return
    log_path = place if isinstance(place, Path) else place.lives / SERVER_LOG
    settings = with_sharding(settings)
    launches = plan(settings, model, log_path, forbidden, api_key)
    with ExitStack() as held:
        order = _Order(settings, api_key, tuple(forbidden), starting)
        if isinstance(place, Path):
            running = _start(held, order, launches, None)
        else:
            fingerprint = server_fingerprint(
                launches, settings, model, place.model_digest, forbidden, must_not_change
            )
            snakemake = Snakemake.above() if place.keep_s > 0 else None
            running = (
                _take_over(held, order, launches, place, snakemake, fingerprint) if snakemake else None
            ) or _start(held, order, *begin_life(place, launches, settings, snakemake, fingerprint))
        yield replace(running, ready_s=time.monotonic() - started)


def attached(
    settings: ServerSettings,
    api_key: str | None,
    forbidden: Sequence[ServerFeature],
    starting: Callable[[str], None] | None = None,
) -> RunningServer:
    """Return the servers at `server.endpoints`, once all of them answer as the model that is asked for.

    Raises:
        NoAnswerError: one does not answer in time, and nothing else is wrong.
        SetupError: one serves another model, refuses the key, is of another kind than `server.adapter`, or
            has a forbidden feature on, which `server.unproven` does not accept.
    """
    known = find_adapter(settings.adapter) if settings.adapter else None
    inspector = Inspector(known, api_key, forbidden, accept=settings.unproven == "measure")
    await_answers(settings.endpoints, settings, api_key, (), starting, inspector.faults)
    return described(settings.endpoints, inspector)


@dataclass(frozen=True)
class _Order:
    """What both a start and a takeover need."""

    settings: ServerSettings
    api_key: str | None
    forbidden: tuple[ServerFeature, ...]
    starting: Callable[[str], None] | None


def _start(
    held: ExitStack, order: _Order, launches: Sequence[Launch], life: LifeStart | None
) -> RunningServer:
    """Start servers until `held` is closed, and wait until they answer."""
    settings = order.settings
    check_fixed_port(settings)
    for launch in launches:
        log.info("starting the server: %s", " ".join((*launch.launcher, *launch.command)))
    began = time.monotonic()
    servers = held.enter_context(guarded(launches, settings.stop_timeout_s, life))
    endpoints = tuple(launch.endpoint for launch in launches if launch.endpoint)
    stages = await_answers(endpoints, settings, order.api_key, servers, order.starting)
    log.info("%s ready after %.1f s", _counted(len(endpoints)), time.monotonic() - began)
    parts = [LogPart(launch.log, size := launch.log.stat().st_size, size) for launch in launches]
    servers[0].group.tell_ready(stages, [part.start_bytes for part in parts])
    proven = prove(servers)
    running = described(endpoints, _inspector(order), servers)
    brief = LifeBrief(id=life.folder.name, number=1) if life else None
    return replace(running, proven=proven, life=brief, log_parts=tuple(parts))


def _take_over(
    held: ExitStack,
    order: _Order,
    launches: Sequence[Launch],
    keeping: Keeping,
    snakemake: Snakemake,
    fingerprint: str,
) -> RunningServer | None:
    """Hold kept servers until `held` is closed, once they have proven themselves; None: start others."""
    settings = order.settings
    kept = take_kept(snakemake, fingerprint, launches, keeping, settings.stop_timeout_s)
    if kept is None:
        return None
    try:
        with ExitStack() as until_proven:
            until_proven.enter_context(until_release(kept.group, settings.stop_timeout_s, keeping))
            servers = kept.group.servers
            endpoints = tuple(server.launch.endpoint for server in servers if server.launch.endpoint)
            soon = settings.model_copy(update={"startup_timeout_s": _TAKE_OVER_S})
            await_answers(endpoints, soon, order.api_key, servers, order.starting)
            proven = prove(servers)
            if proven is None:
                raise SetupError("it cannot be seen who answers in its place")
            running = described(endpoints, _inspector(order), servers)
            held.push(until_proven.pop_all())
    except SetupError as error:
        log.warning("the kept server is not used (%s); starting anew", str(error).rstrip("."))
        return None
    log.info("using the kept server of life %s, after %s", kept.life.id, ", ".join(kept.life.before))
    return replace(running, proven=proven, life=kept.life, log_parts=kept.log_parts)


def prove(servers: Sequence[ServerProcess]) -> str | None:
    """Return how it is proven that the started servers answer; None, with a warning: it cannot be seen."""
    try:
        found = stranger_among(servers)
    except LookupError as error:
        log.warning("it cannot be proven that the started server answers: %s", error)
        return None
    if found is not None:
        raise SetupError(f"{found}; stop that program, or remove server.port so that a free port is taken.")
    return how_proven(servers)


def _counted(servers: int) -> str:
    return "the server is" if servers == 1 else f"{servers} servers are"


def _inspector(order: _Order) -> Inspector:
    return Inspector(adapter_of(order.settings), order.api_key, order.forbidden, started=True)


def described(
    endpoints: tuple[str, ...], inspector: Inspector, servers: Sequence[ServerProcess] = ()
) -> RunningServer:
    """Inspect servers that answer, and describe them.

    Args:
        endpoints: Their base URLs.
        inspector: Refuses what the settings and the round do not accept.
        servers: The processes that were started for them.

    Raises:
        SetupError: a server has a forbidden feature on, or is known to be of another kind.
    """
    seen = inspector.inspect(endpoints)
    first = servers[0].launch if servers else None
    adapter, facts = seen.first
    return RunningServer(
        endpoints,
        kind=adapter.title if adapter else None,
        command=first.command if first else (),
        launcher=first.launcher if first else (),
        devices=tuple(",".join(server.launch.devices) for server in servers if server.launch.devices),
        prefix_caching=seen.prefix_caching,
        version=facts.version,
        metric_names=seen.metric_names,
        processes=tuple(servers),
    )
