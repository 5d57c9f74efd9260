"""Examine what this machine can do: programs, packages, GPUs, LoadGen, the hub, and the machine itself."""

import ctypes
import shutil
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from weighbridge.artifacts.hub_token import token_variable
from weighbridge.benchmarks.machine_needs import MachineNeeds, needs_of
from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.round import Round
from weighbridge.config.settings import Settings, portable_settings
from weighbridge.core.errors import WeighbridgeError
from weighbridge.core.formatting import disk_size
from weighbridge.core.models import read_data
from weighbridge.core.plain_data import merged
from weighbridge.run.client_examination import examine_client
from weighbridge.system.gpus import visible_accelerators
from weighbridge.system.host_checks import host_checks
from weighbridge.system.machine_check import MEASURING, WORKFLOW, Diagnosis, MachineCheck, MachineUse

_PYTHONS = ((3, 11), (3, 14))
_HUB_TIMEOUT_S = 3.0
_BASE = "config.yaml"
_SERVER_PROGRAM, _SERVER_ENVIRONMENT = "vllm", Path(".venv-server")
_QUALITY_ENVIRONMENT = Path(".venv-quality")
# What a stage imports, and who needs the stage; the remedy is the same for all.
_PACKAGES = {
    "packages of the load client": (("httptools", "msgspec", "psutil", "pyarrow", "uvloop"), MEASURING),
    "packages of fetching": (("huggingface_hub", "httpx2"), WORKFLOW),
    "packages of scores and reports": (
        ("jinja2", "matplotlib", "nltk", "pandas", "rapidfuzz", "rocrate", "scipy", "tokenizers"),
        MEASURING,
    ),
    "Snakemake": (("snakemake",), WORKFLOW),
    "Snakemake's Slurm executor": (("snakemake_executor_plugin_slurm",), (MachineUse.SLURM,)),
}
_SLURM = ("sbatch", "srun", "squeue", "sinfo")
_BENCHMARK = (MachineUse.BENCHMARK, MachineUse.MMLU)


def examine(overlays: Sequence[Path], folder: Path) -> Diagnosis:
    """Return what this machine can do, and what is missing.

    Args:
        overlays: Files that are laid over the project's config.yaml.
        folder: The project, where config.yaml, environments and results lie.
    """
    return Diagnosis.of(tuple(_checks(overlays, folder)))


def _checks(overlays: Sequence[Path], folder: Path) -> Iterator[MachineCheck]:
    yield _python()
    for name, (modules, uses) in _PACKAGES.items():
        lacking = [module for module in modules if find_spec(module) is None]
        yield MachineCheck.of(
            name,
            f"without {', '.join(lacking)}" if lacking else "installed",
            uses,
            missing="run `make setup`, and call its .venv/bin/weighbridge" if lacking else None,
        )
    settings, round_, check = _configured(overlays, folder)
    yield check
    yield _loadgen(round_)
    if round_ is not None and round_.evidence == "endpoints":
        yield examine_client(round_, folder)
    yield _demo_server(folder)
    attached = settings is not None and bool(settings.server.endpoints)
    needs = needs_of(round_.benchmark) if round_ is not None and round_.submittable else None
    yield _server(settings, round_)
    yield _gpus(settings, None if attached else needs)
    yield _quality(folder)
    yield _hub()
    yield _token()
    yield _slurm()
    yield _wrappers(settings)
    has_copy = settings is not None and settings.artifacts.model.path is not None
    client = ClientSettings() if settings is None else settings.client
    yield from host_checks(
        folder,
        client,
        None if needs is None or attached or has_copy else needs.disk_bytes,
        None if needs is None or attached else needs.memory_bytes,
    )


def _python() -> MachineCheck:
    found = ".".join(map(str, sys.version_info[:3]))
    known = _PYTHONS[0] <= sys.version_info < _PYTHONS[1]
    remedy = "install Python 3.11, 3.12 or 3.13; the locks are made for these"
    return MachineCheck.of("Python", found, missing=None if known else remedy)


def _configured(overlays: Sequence[Path], folder: Path) -> tuple[Settings | None, Round | None, MachineCheck]:
    """Return the settings and the round of a configuration, None where it cannot be used, and its check."""
    uses = (*_BENCHMARK, MachineUse.SLURM)
    files = (folder / _BASE, *overlays)
    if not files[0].is_file():
        remedy = "call this in a checkout, where `weighbridge init` writes what is laid over it"
        return None, None, MachineCheck.of("configuration", f"no {_BASE}", uses, missing=remedy)
    try:
        data: Any = {}
        for file in files:
            data = merged(data, read_data(file))
        settings = portable_settings(data, folder.resolve())
        round_ = load_round(settings.round_reference, settings.category)
    except WeighbridgeError as error:
        remedy = str(error).rstrip(".")
        return None, None, MachineCheck.of("configuration", "cannot be used", uses, missing=remedy)
    found = f"{', '.join(map(str, files))}, round {round_.name}"
    return settings, round_, MachineCheck.of("configuration", found, uses)


def _loadgen(round_: Round | None) -> MachineCheck:
    uses = (MachineUse.DEMO, MachineUse.BENCHMARK)
    if find_spec("mlperf_loadgen") is None:
        return MachineCheck.of("LoadGen", "not installed", uses, missing="run `make setup`")
    from importlib.metadata import version

    from weighbridge.loadgen.loadgen_settings import check_loadgen

    found = version("mlcommons-loadgen")
    if round_ is None or round_.loadgen is None:
        return MachineCheck.of("LoadGen", f"{found}; no round to compare its seeds with", uses)
    try:
        check_loadgen(round_)
    except WeighbridgeError as error:
        remedy = str(error).rstrip(".")
        return MachineCheck.of("LoadGen", found, (MachineUse.BENCHMARK,), missing=remedy)
    return MachineCheck.of("LoadGen", f"{found}, with the seeds of round {round_.name}", uses)


def _demo_server(folder: Path) -> MachineCheck:
    name, uses = "vLLM of the demo", (MachineUse.DEMO,)
    program = folder / _SERVER_ENVIRONMENT / "bin" / _SERVER_PROGRAM
    if not program.is_file():
        return MachineCheck.of(
            name, f"no {_SERVER_ENVIRONMENT}", uses, missing="run `make setup` in a checkout: 8 GB, minutes"
        )
    try:
        ctypes.CDLL("libnuma.so.1")
    except OSError:
        return MachineCheck.of(name, "without libnuma.so.1", uses, missing="run `make system`")
    return MachineCheck.of(name, _with_version(program), uses)


def _server(settings: Settings | None, round_: Round | None) -> MachineCheck:
    """Return whether the server of the configuration, or a vLLM on PATH, is here."""
    from weighbridge.serving.program import find_executable

    name = "model server"
    if settings is not None and round_ is not None and settings.server.endpoints:
        return _endpoints(name, settings, round_)
    if settings is None:
        found = shutil.which(_SERVER_PROGRAM)
        remedy = "install vLLM, or name your servers by server.endpoints"
        return MachineCheck.of(
            name, _with_version(Path(found)) if found else "no vllm on PATH", _BENCHMARK,
            missing=None if found else remedy,
        )  # fmt: skip
    try:
        return MachineCheck.of(name, _with_version(find_executable(settings.server)), _BENCHMARK)
    except WeighbridgeError as error:
        return MachineCheck.of(name, "not found", _BENCHMARK, missing=str(error).rstrip("."))


def _endpoints(name: str, settings: Settings, round_: Round) -> MachineCheck:
    """Return whether the user's servers answer, and can be measured."""
    yours = f"yours: {', '.join(settings.server.endpoints)}"
    if find_spec("openai") is None:
        unable = "run `make setup`: without its package openai they cannot be asked"
        return MachineCheck.of(name, f"{yours}; not asked", _BENCHMARK, warning=unable)
    from weighbridge.run.preflight import check_endpoints

    try:
        answers = check_endpoints(settings.server, settings.client, round_)
    except WeighbridgeError as error:
        return MachineCheck.of(name, yours, _BENCHMARK, missing=str(error).rstrip("."))
    if answers is None:
        later = "start it before the runs, which wait for it (server.endpoints_timeout_s)"
        return MachineCheck.of(name, f"{yours}; no answer yet", _BENCHMARK, warning=later)
    return MachineCheck.of(name, f"yours: {answers}", _BENCHMARK)


def _with_version(program: Path) -> str:
    """Return a program of a Python environment with its version, which asking it would take a minute for."""
    libraries = program.resolve().parent.parent.glob(f"lib/python*/site-packages/{program.name}-*.dist-info")
    versions = [each.name.removesuffix(".dist-info").partition("-")[2] for each in libraries]
    return f"{' '.join((program.name, *versions[:1]))} at {program}"


def _gpus(settings: Settings | None, needs: MachineNeeds | None) -> MachineCheck:
    devices = visible_accelerators()
    total = sum(device.memory_bytes for device in devices)
    found = f"{len(devices)} x {devices[0].name}, {disk_size(total)} in all" if devices else "none visible"
    wanted = 0 if settings is None or settings.server.endpoints else settings.server.gpus
    if len(devices) < wanted:
        remedy = f"use a machine with {wanted} GPUs (server.gpus), or servers of yours (server.endpoints)"
        return MachineCheck.of("GPUs", found, _BENCHMARK, missing=remedy)
    if needs is not None and total < needs.gpu_memory_bytes:
        remedy = f"use more GPUs: the model and its cache want {disk_size(needs.gpu_memory_bytes)}"
        return MachineCheck.of("GPUs", found, _BENCHMARK, warning=remedy)
    return MachineCheck.of("GPUs", found, _BENCHMARK)


def _quality(folder: Path) -> MachineCheck:
    here = find_spec("lm_eval") is not None
    program = folder / _QUALITY_ENVIRONMENT / "bin" / "weighbridge"
    beside = program.is_file()
    found = "installed" if here else f"in {_QUALITY_ENVIRONMENT}" if beside else "not installed"
    remedy = None if here or beside else "run `make setup-quality`: 0.8 GB"
    return MachineCheck.of("lm-evaluation-harness", found, (MachineUse.MMLU,), missing=remedy)


def _hub() -> MachineCheck:
    if find_spec("huggingface_hub") is None:
        return MachineCheck.of("hub", "not asked", _BENCHMARK)
    from weighbridge.artifacts.hub import hub_address, unreachable_because

    reason = unreachable_because(_HUB_TIMEOUT_S)
    remedy = "fetch elsewhere and name the copies by artifacts.*.path, or set HTTPS_PROXY or HF_ENDPOINT"
    return MachineCheck.of("hub", reason or f"{hub_address()} answers", _BENCHMARK, warning=reason and remedy)


def _token() -> MachineCheck:
    # The value is nobody's to see.
    name = token_variable()
    found = f"{name} is set" if name else "not set; only repositories with conditions need one"
    return MachineCheck.of("HF_TOKEN", found, _BENCHMARK)


def _slurm() -> MachineCheck:
    lacking = [program for program in _SLURM if shutil.which(program) is None]
    found = "all commands" if not lacking else f"no {', '.join(lacking)} on PATH"
    remedy = "use a login node of a cluster; nothing else needs Slurm" if lacking else None
    return MachineCheck.of("Slurm", found, (MachineUse.SLURM,), missing=remedy)


def _wrappers(settings: Settings | None) -> MachineCheck:
    found = [name for name in ("apptainer", "conda") if shutil.which(name)]
    wanted = settings is not None and settings.server.container is not None and "apptainer" not in found
    return MachineCheck.of(
        "apptainer, conda",
        ", ".join(found) or "neither is on PATH; only server.container and Snakemake's conda need them",
        _BENCHMARK,
        missing="server.container needs apptainer: install it" if wanted else None,
    )
