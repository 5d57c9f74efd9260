"""From the options of `bench` to the settings of a sweep. Nothing here sends anything."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from weighbridge.config.fingerprint import canonical
from weighbridge.config.load_level import Levels
from weighbridge.config.sweep_settings import ComparedSystem, SweepSettings
from weighbridge.config.workload import Workload
from weighbridge.config.written_forms import (
    WrittenSystem,
    parse_distribution,
    parse_levels,
    parse_objectives,
    parse_share,
    parse_shared_prefix,
    per_system,
)
from weighbridge.core.errors import InputError

SWEEP_NAME = "bench"
DEFAULT_BLOCKS, DEFAULT_SECONDS, DEFAULT_SEED = 4, 15.0, 51_966
DEFAULT_OUTPUT, DEFAULT_PROMPT_TOKENS = "120", "200"
_ONE_LOAD, _TWO_LOADS = "8", "1,8"
_WARMUP_S = 3.0
_LONGEST_RUNS = 4  # times --seconds, where a slow system needs longer for the least number of requests
_LEAST_REQUESTS = 30  # fewer show no throughput, whatever they last


@dataclass(frozen=True)
class WorkloadOptions:
    """The options that describe a workload, as written; None: not given."""

    images: str | None = None
    image_pixels: str | None = None
    image_folder: Path | None = None
    output: str | None = None
    turns: str | None = None
    prompt_tokens: str | None = None
    think: str | None = None
    history: str | None = None
    shared_prefix: str | None = None
    dataset: Path | None = None
    tokenizer: Path | None = None
    api: str | None = None
    force_length: str | None = None
    seed: int | None = None
    stream: bool = True

    @property
    def given(self) -> tuple[str, ...]:
        """Names of the options that are given, but for the seed and --no-stream."""
        names = [name for name in self.__dataclass_fields__ if name not in ("seed", "stream")]
        return tuple(f"--{name.replace('_', '-')}" for name in names if getattr(self, name) is not None)


@dataclass(frozen=True)
class SystemOptions:
    """The options that describe the systems, as written: VALUE for all of them, or NAME=VALUE."""

    model: str | None = None
    api_key_env: Sequence[str] = ()
    reset_cmd: Sequence[str] = ()
    price: Sequence[str] = ()


@dataclass(frozen=True)
class SweepOptions:
    """The options that describe how it is measured and judged, as written."""

    blocks: int = DEFAULT_BLOCKS
    seconds: float = DEFAULT_SECONDS
    levels: str | None = None
    slo: str | None = None
    equivalence: str = "5%"
    aa: bool = False


def workload_of(options: WorkloadOptions, slo: str | None) -> Workload:
    """Return the workload that the options describe.

    Raises:
        InputError: an option has a wrong value, or two do not fit together.
    """
    _check_files(options)
    data: dict[str, Any] = {
        "name": options.dataset.stem if options.dataset else "synthetic",
        "seed": DEFAULT_SEED if options.seed is None else options.seed,
        "source": {"text": _text(options), "images": _images(options)},
        "output_tokens": parse_distribution(options.output or DEFAULT_OUTPUT, "--output"),
        "stream": options.stream,
    }
    for name in ("history", "api", "force_length"):
        if (value := getattr(options, name)) is not None:
            data[name] = value
    if data["source"]["images"]:
        data["images_per_turn"] = {"first": parse_distribution(options.images or "1", "--images")}
    if options.turns is not None:
        data["turns"] = parse_distribution(options.turns, "--turns")
    if options.think is not None:
        data["think_time_s"] = parse_distribution(options.think, "--think")
    if options.shared_prefix is not None:
        data["shared_prefix"] = parse_shared_prefix(options.shared_prefix, "--shared-prefix")
    if slo is not None:
        data["slo"] = parse_objectives(slo, "--slo")
    return Workload.parse(data, "the workload of these options")


def _check_files(options: WorkloadOptions) -> None:
    for name, path, kind in (
        ("--dataset", options.dataset, "file"),
        ("--image-folder", options.image_folder, "folder"),
        ("--tokenizer", options.tokenizer, "file or folder"),
    ):
        there = path is None or {"file": path.is_file(), "folder": path.is_dir()}.get(kind, path.exists())
        if not there:
            raise InputError(f"{name}: {path} is no {kind}; correct the path.")
    if options.dataset and (options.prompt_tokens or options.tokenizer):
        raise InputError("--dataset has its own texts; remove --prompt-tokens and --tokenizer.")
    if options.image_folder and options.image_pixels:
        raise InputError("--image-folder has its own images; remove --image-pixels.")


def _text(options: WorkloadOptions) -> dict[str, Any]:
    if options.dataset is not None:
        return {"kind": "internvl-jsonl", "path": options.dataset.absolute()}
    tokens = parse_distribution(options.prompt_tokens or DEFAULT_PROMPT_TOKENS, "--prompt-tokens")
    return {
        "kind": "synthetic",
        "tokens": tokens,
        "tokenizer": options.tokenizer and options.tokenizer.absolute(),
    }


def _images(options: WorkloadOptions) -> dict[str, Any] | None:
    if options.image_folder is not None:
        return {"kind": "folder", "path": options.image_folder.absolute()}
    if options.images is None:
        if options.image_pixels is not None:
            raise InputError("--image-pixels needs --images, such as --images 1.")
        return None
    source: dict[str, Any] = {"kind": "synthetic"}
    if options.image_pixels is not None:
        source["pixels"] = parse_distribution(options.image_pixels, "--image-pixels")
    return source


def systems_of(
    written: Sequence[WrittenSystem], options: SystemOptions, models: Mapping[str, str]
) -> dict[str, ComparedSystem]:
    """Return the systems that the options describe.

    Args:
        written: The systems as the command line names them.
        options: Their options.
        models: Names of the models, by system, of those that the command line leaves open.

    Raises:
        InputError: an option has a wrong value.
    """
    names = [system.name for system in written]
    keys = key_variables(written, options)
    resets = per_system(options.reset_cmd, names, "--reset-cmd")
    prices = per_system(options.price, names, "--price")
    return {
        system.name: ComparedSystem.parse(
            {
                "server": {
                    "endpoints": system.endpoints,
                    "model_name": system.model or options.model or models[system.name],
                },
                "api_key_env": keys.get(system.name),
                "reset_cmd": tuple(shlex.split(resets.get(system.name, ""))),
                "price_per_hour": _price(prices.get(system.name)),
            },
            f"system {system.name}",
        )
        for system in written
    }


def key_variables(written: Sequence[WrittenSystem], options: SystemOptions) -> dict[str, str]:
    """Return the name of the environment variable with each system's key, of those that have one."""
    return per_system(options.api_key_env, [system.name for system in written], "--api-key-env")


def _price(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        raise InputError(f"--price: '{text}' is no price per hour; give a number.") from None


def levels_of(text: str | None, systems: int) -> Levels:
    """Return the loads: those that are given, else one of 8 conversations, of one system also one of 1."""
    return parse_levels(text or (_TWO_LOADS if systems == 1 else _ONE_LOAD), "--levels")


def settings_of(
    systems: Mapping[str, ComparedSystem], workloads: Sequence[Workload], options: SweepOptions
) -> SweepSettings:
    """Return the settings of the sweep.

    Raises:
        InputError: an option has a wrong value, or two do not fit together.
    """
    data = {
        "name": SWEEP_NAME,
        "systems": dict(systems),
        "workloads": tuple(workloads),
        "levels": levels_of(options.levels, len(systems)),
        "blocks": options.blocks,
        "aa": options.aa,
        "equivalence": parse_share(options.equivalence, "--equivalence"),
        "duration_s": options.seconds,
        "max_duration_s": options.seconds * _LONGEST_RUNS,
        "min_requests": _LEAST_REQUESTS,
        "warmup_s": min(_WARMUP_S, options.seconds),
        "start_warmup_s": min(_WARMUP_S, options.seconds),
    }
    return SweepSettings.parse(data, "the settings of these options")


def default_folder(settings: SweepSettings) -> Path:
    """Return the folder of a result by the settings, so that the same command finds it again."""
    return Path(f"bench-{sha256(canonical(settings).encode()).hexdigest()[:8]}")
