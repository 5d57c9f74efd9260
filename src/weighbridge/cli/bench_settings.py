"""From the options of `bench` to the settings of a sweep. Nothing here sends anything."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from weighbridge.config.fingerprint import canonical
from weighbridge.config.load_level import Levels
from weighbridge.config.sweep_settings import SWEEP_CLIENT, ComparedSystem, SweepSettings
from weighbridge.config.workload import Workload
from weighbridge.config.workload_files import resolve_workload
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
DEFAULT_BLOCKS, DEFAULT_SECONDS = 4, 15.0
DEFAULT_OUTPUT, DEFAULT_PROMPT_TOKENS = "120", "200"
_ONE_LOAD, _TWO_LOADS = "8", "1,8"
_WARMUP_S = 1.5
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
    reuse: bool = False


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
    workers: int = 1


def workload_of(options: WorkloadOptions, slo: str | None, named: str | None = None) -> Workload:
    """Return the workload that the options describe.

    Args:
        options: The options that describe it.
        slo: The objectives, as written; None: none.
        named: Name or file of a workload that the options are laid over; None: made texts, no images.

    Raises:
        InputError: an option has a wrong value, or two do not fit together.
    """
    _check_pairs(options)
    given = _given(options, slo)
    if named is not None:
        if options.images and resolve_workload(named).source.images is None:
            source = given.setdefault("source", {})
            source["images"] = {"kind": "synthetic", **source.get("images", {})}
        workload = resolve_workload(named, given)
    else:
        source = given.pop("source", {})
        text = {"kind": "synthetic", "tokens": float(DEFAULT_PROMPT_TOKENS), **source.pop("text", {})}
        if text["kind"] != "synthetic":
            del text["tokens"]
        images = source.pop("images", {} if options.images else None)
        workload = Workload.parse(
            {
                "name": options.dataset.stem if options.dataset else "synthetic",
                "output_tokens": float(DEFAULT_OUTPUT),
                "source": {
                    "text": text,
                    "images": None if images is None else {"kind": "synthetic", **images},
                },
                **given,
            },
            "the workload of these options",
        )
    _check_files(workload, options.tokenizer)
    return workload


def _given(options: WorkloadOptions, slo: str | None) -> dict[str, Any]:
    """Return the keys of a workload that the options set."""
    found = _flags(options)
    for name in ("history", "api", "force_length", "seed"):
        if (value := getattr(options, name)) is not None:
            found[name] = value
    for name, key in (("output", "output_tokens"), ("turns", "turns"), ("think", "think_time_s")):
        if (text := getattr(options, name)) is not None:
            found[key] = parse_distribution(text, f"--{name}")
    if options.shared_prefix is not None:
        found["shared_prefix"] = parse_shared_prefix(options.shared_prefix, "--shared-prefix")
    if slo is not None:
        found["slo"] = parse_objectives(slo, "--slo")
    if options.images is not None or options.image_folder is not None:
        found["images_per_turn"] = {"first": parse_distribution(options.images or "1", "--images")}
    if source := _sources(options):
        found["source"] = source
    return found


def _flags(options: WorkloadOptions) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if not options.stream:
        found["stream"] = False
    if options.reuse:
        found["image_reuse"] = "allowed"
    return found


def _sources(options: WorkloadOptions) -> dict[str, Any]:
    text: dict[str, Any] = {}
    if options.dataset is not None:
        text = {"kind": "internvl-jsonl", "path": options.dataset.absolute()}
    if options.prompt_tokens is not None:
        text["tokens"] = parse_distribution(options.prompt_tokens, "--prompt-tokens")
    if options.tokenizer is not None:
        text["tokenizer"] = options.tokenizer.absolute()
    images: dict[str, Any] = {}
    if options.image_folder is not None:
        images = {"kind": "folder", "path": options.image_folder.absolute()}
    elif options.image_pixels is not None:
        pixels = parse_distribution(options.image_pixels, "--image-pixels")
        images = {"kind": "synthetic", "pixels": pixels}
    return {name: part for name, part in (("text", text), ("images", images)) if part}


def _check_pairs(options: WorkloadOptions) -> None:
    if options.dataset and (options.prompt_tokens or options.tokenizer):
        raise InputError("--dataset has its own texts; remove --prompt-tokens and --tokenizer.")
    if options.image_folder and options.image_pixels:
        raise InputError("--image-folder has its own images; remove --image-pixels.")
    if options.image_pixels and not options.images:
        raise InputError("--image-pixels needs --images, such as --images 1.")


def _check_files(workload: Workload, tokenizer: Path | None) -> None:
    images = workload.source.images
    for option, path, kind in (
        ("--dataset", workload.source.text.path, "file"),
        ("--image-folder", None if images is None else images.path, "folder"),
        ("--tokenizer", tokenizer, "file or folder"),
    ):
        there = path is None or {"file": path.is_file(), "folder": path.is_dir()}.get(kind, path.exists())
        if not there:
            raise InputError(f"{option}: {path} is no {kind}; correct the path.")


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
                "reset_cmd": _command(resets.get(system.name, "")),
                "price_per_hour": _price(prices.get(system.name)),
            },
            f"system {system.name}",
        )
        for system in written
    }


def key_variables(written: Sequence[WrittenSystem], options: SystemOptions) -> dict[str, str]:
    """Return the name of the environment variable with each system's key, of those that have one."""
    return per_system(options.api_key_env, [system.name for system in written], "--api-key-env")


def _command(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise InputError(
            f"--reset-cmd: '{text}' is no command ({str(error).lower()}); correct its quotes."
        ) from None


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
        "client": SWEEP_CLIENT.model_dump() | {"workers": options.workers},
    }
    return SweepSettings.parse(data, "the settings of these options")


def default_folder(settings: SweepSettings) -> Path:
    """Return the folder of a result by the settings, so that the same command finds it again.

    More blocks, another margin or price are results of the same runs, and have the same folder.
    """
    same = settings.model_dump(
        mode="json",
        exclude_defaults=True,
        exclude={"blocks": True, "equivalence": True, "systems": {"__all__": {"price_per_hour"}}},
    )
    return Path(f"bench-{sha256(canonical(same).encode()).hexdigest()[:8]}")
