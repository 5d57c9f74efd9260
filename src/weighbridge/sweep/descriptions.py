"""What was compared, in words: systems, workloads, and the phases of the runs."""

import json
from collections.abc import Iterator, Sequence
from hashlib import sha256

from weighbridge.config.distributions import Distribution
from weighbridge.config.fingerprint import OPERATIONAL
from weighbridge.config.sweep_settings import ComparedSystem, SweepSettings
from weighbridge.config.workload import ForceLength, Workload
from weighbridge.records.comparison import ComparedDescription, WorkloadDescription
from weighbridge.records.run_record import ServerRecord
from weighbridge.records.sweep_plan import SweepPlan
from weighbridge.records.sweep_run import CellRecord

# What does not change what a server does. `keep_s` is in the identities of finished sweeps.
_NOT_IDENTITY = {*OPERATIONAL["server"]} - {"gpus", "keep_s"}


def describe_systems(
    settings: SweepSettings, plan: SweepPlan, cells: Sequence[CellRecord]
) -> dict[str, ComparedDescription]:
    """Return what each system of the settings is, by its latest run; systems without one are left out."""
    last = {cell.system: cell for cell in sorted(cells, key=lambda cell: (cell.wave, cell.block))}
    return {
        name: _description(system, last[name], plan.probed.get(name, "not asked"))
        for name, system in settings.systems.items()
        if name in last
    }


def _description(system: ComparedSystem, cell: CellRecord, forced_lengths: str) -> ComparedDescription:
    server = cell.server
    return ComparedDescription(
        kind=server.kind,
        version=server.version,
        model_name=server.model_name,
        options=system.options or " ".join(system.server.args) or _command(system),
        devices=system.server.gpus if system.devices is None else system.devices,
        dtype=_dtype(system, server),
        price_per_hour=system.price_per_hour,
        attached=system.attached,
        forced_lengths=forced_lengths,
        identity=_identity(system, cell),
    )


def _command(system: ComparedSystem) -> str:
    return " ".join(system.command) or (" ".join(system.server.endpoints) if system.attached else "")


def _dtype(system: ComparedSystem, server: ServerRecord) -> str | None:
    """Return the data type that the settings, or the server's own report, name; None: it is not known."""
    if system.server.dtype is not None:
        return system.server.dtype
    reported = (server.reported_arguments or {}).get("dtype")
    given = [word.partition("=")[2] for word in system.server.args if word.startswith("--dtype=")]
    return reported or (given[0] if given else None)


def _identity(system: ComparedSystem, cell: CellRecord) -> str:
    """Return a digest that is equal for the same arguments, version, model and host."""
    settings = system.server.model_dump(mode="json", exclude=_NOT_IDENTITY)
    return _digest(
        [
            settings,
            system.command,
            cell.server.kind,
            cell.server.version,
            cell.server.model_name,
            cell.host.name,
        ]
    )


def describe_workloads(
    settings: SweepSettings, cells: Sequence[CellRecord]
) -> dict[str, WorkloadDescription]:
    """Return what each workload is; those without a run are left out."""
    stores = {
        workload.name: list(
            dict.fromkeys(
                cell.store_sha256
                for cell in sorted(cells, key=lambda cell: cell.wave)
                if cell.workload == workload.name
            )
        )
        for workload in settings.workloads
    }
    return {
        workload.name: WorkloadDescription(
            digest=stores[workload.name][0]
            if len(stores[workload.name]) == 1
            else _digest(stores[workload.name]),
            summary=workload_sentence(workload),
        )
        for workload in settings.workloads
        if stores[workload.name]
    }


def phase_plan(plan: SweepPlan) -> str:
    """Return a digest of what is measured and how much of it, whatever the systems and their number."""
    cells = {
        (cell.workload, cell.level.name, *cell.counts.model_dump().values())
        for wave in plan.waves
        for cell in wave.cells
    }
    return _digest(sorted(cells))


def _digest(value: object) -> str:
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def workload_sentence(workload: Workload) -> str:
    """Return what a workload is made of, as one sentence."""
    text = ", ".join(_parts(workload))
    return f"{text[0].upper()}{text[1:]}."


def _parts(workload: Workload) -> Iterator[str]:
    text = workload.source.text
    if text.kind == "synthetic":
        yield f"synthetic questions of {spread(text.tokens)} tokens"
    else:
        yield f"questions of {text.path.name if text.path else text.kind}"
    if workload.source.images is not None:
        kind = "synthetic images" if workload.source.images.kind == "synthetic" else "images"
        later = workload.images_per_turn.later
        yield f"{spread(workload.images_per_turn.first)} {kind}" + (
            "" if later.fixed == 0 else f" and {spread(later)} in later turns"
        )
    if workload.shared_prefix is not None:
        prefix = workload.shared_prefix
        which = "a common prefix" if prefix.groups == 1 else f"one of {prefix.groups} prefixes"
        yield f"{100 * prefix.share:g} % begin with {which} of {prefix.tokens} tokens"
    if workload.turns.fixed != 1:
        yield f"{spread(workload.turns)} turns with {workload.history} answers as history"
    forced = "forced" if workload.force_length is not ForceLength.NONE else "at most"
    yield f"{spread(workload.output_tokens)} output tokens ({forced})"
    if workload.think_time_s.fixed != 0:
        yield f"{spread(workload.think_time_s)} s between turns"
    yield "streamed" if workload.stream else "not streamed"


def spread(distribution: Distribution) -> str:
    """Return a distribution in few words: 120, 88 to 152, or normal, mean 60, sd 20."""
    match distribution.form:
        case "const":
            return f"{distribution.fixed:g}"
        case "uniform":
            assert distribution.uniform is not None
            low, high = distribution.uniform
            return f"{low:g} to {high:g}"
        case "normal":
            assert distribution.normal is not None
            return f"{distribution.normal.mean:g} ± {distribution.normal.sd:g}"
        case "lognormal":
            assert distribution.lognormal is not None
            return f"about {distribution.lognormal.median:g} (log-normal)"
        case "exponential":
            assert distribution.exponential is not None
            return f"on average {distribution.exponential.mean:g} (exponential)"
        case "choice":
            assert distribution.choice is not None
            return " or ".join(f"{value:g}" for value in distribution.choice)
        case _:
            return f"values of {distribution.empirical.name if distribution.empirical else 'a file'} for"
