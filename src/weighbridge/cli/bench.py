"""The command that measures and compares endpoints without a file: bench."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weighbridge.cli.bench_settings import (
    DEFAULT_BLOCKS,
    DEFAULT_SECONDS,
    SweepOptions,
    SystemOptions,
    WorkloadOptions,
)
from weighbridge.cli.command_groups import examples
from weighbridge.core.errors import InputError, SetupError
from weighbridge.core.interruption import Interruption

if TYPE_CHECKING:
    from weighbridge.config.written_forms import WrittenSystem

log = logging.getLogger(__name__)


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    two = "weighbridge bench A=http://host:8000 B=http://host:8001 --levels 1,32"
    app.command(epilog=examples("weighbridge bench http://127.0.0.1:8000", two))(bench)


def bench(
    endpoints: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME=]URL[#MODEL]...",
            help="Base URL of each endpoint; servers that share one's load are separated by commas.",
        ),
    ] = None,
    blocks: Annotated[int, typer.Option(help="Blocks; each measures every endpoint.")] = DEFAULT_BLOCKS,
    seconds: Annotated[float, typer.Option(help="Length of a run's measured part, in s.")] = DEFAULT_SECONDS,
    levels: Annotated[
        str | None,
        typer.Option(
            metavar="LEVELS",
            help="Loads: conversations at once, such as 1,32; poisson:RATE, constant:RATE, gamma:RATE/SHAPE "
            "in conversations/s; or auto. Default: 8, and of one endpoint 1,8.",
        ),
    ] = None,
    images: Annotated[
        str | None,
        typer.Option(
            metavar="DIST",
            help="Images of a conversation's first turn: a number, 2..4, or normal:, lognormal:, "
            "exponential:, choice:, file: as the page of commands says. Default: 0, with --image-folder 1.",
        ),
    ] = None,
    image_pixels: Annotated[
        str | None, typer.Option(metavar="DIST", help="Pixels of a made image; default: 262144.")
    ] = None,
    image_folder: Annotated[Path | None, typer.Option(help="Folder with images of your own.")] = None,
    output: Annotated[
        str | None, typer.Option(metavar="DIST", help="Output tokens, such as 120 or 56..184; default: 120.")
    ] = None,
    turns: Annotated[
        str | None, typer.Option(metavar="DIST", help="Requests of a conversation; default: 1.")
    ] = None,
    prompt_tokens: Annotated[
        str | None,
        typer.Option(
            metavar="DIST", help="Tokens (words, without --tokenizer) of a made question; default: 200."
        ),
    ] = None,
    think: Annotated[
        str | None,
        typer.Option(metavar="DIST", help="Seconds from an answer to the next turn; default: 0."),
    ] = None,
    history: Annotated[
        str | None,
        typer.Option(
            metavar="live|recorded",
            help="Earlier answers that a turn repeats: the endpoint's own, or recorded ones (default).",
        ),
    ] = None,
    shared_prefix: Annotated[
        str | None,
        typer.Option(
            metavar="TOKENS[:SHARE[:GROUPS]]",
            help="Text that a share of the conversations begins with, in so many variants.",
        ),
    ] = None,
    dataset: Annotated[
        Path | None, typer.Option(help="Questions and answers of your own: JSON lines in InternVL's form.")
    ] = None,
    reuse: Annotated[
        bool,
        typer.Option(
            "--reuse",
            help="Let images and texts of your own occur again when there are too few; caches may know them.",
        ),
    ] = False,
    workload: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="A workload of the package, such as chat or dashinfer-as-run, or a file, which the options "
            "above are laid over.",
        ),
    ] = None,
    tokenizer: Annotated[
        Path | None, typer.Option(help="tokenizer.json, or its folder, that counts the tokens of texts.")
    ] = None,
    api: Annotated[
        str | None, typer.Option(metavar="chat|completions", help="Form of requests; default: chat.")
    ] = None,
    stream: Annotated[
        bool, typer.Option("--stream/--no-stream", help="Ask for streamed answers, which show TTFT and TPOT.")
    ] = True,
    force_length: Annotated[
        str | None,
        typer.Option(
            metavar="ignore_eos|min_tokens|both|none",
            help="How requests ask for exactly --output tokens; default: ignore_eos.",
        ),
    ] = None,
    slo: Annotated[
        str | None,
        typer.Option(
            metavar="LIMITS", help="Objectives in ms for goodput, such as ttft:500,tpot:50,e2e:4000."
        ),
    ] = None,
    search: Annotated[
        bool,
        typer.Option(
            "--search/--no-search",
            help="With --slo: then search the highest load of each endpoint that meets them; takes minutes.",
        ),
    ] = True,
    model: Annotated[
        str | None, typer.Option(help="Name of the model; default: the one that the endpoint serves.")
    ] = None,
    api_key_env: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]VARIABLE",
            help="Environment variable with the API key, of all endpoints or of one; may be repeated.",
        ),
    ] = None,
    reset_cmd: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]COMMAND", help="Command that empties an endpoint's caches; may be repeated."
        ),
    ] = None,
    price: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]NUMBER", help="Price per hour, for the cost per token; may be repeated."
        ),
    ] = None,
    aa: Annotated[
        bool,
        typer.Option(
            "--aa/--no-aa",
            help="Also measure the first endpoint twice, which shows the noise floor; half as long again.",
        ),
    ] = False,
    workers: Annotated[int, typer.Option(help="Client processes; more where one is too slow.")] = 1,
    equivalence: Annotated[
        str, typer.Option(metavar="SHARE", help="A difference within this share counts as none.")
    ] = "5%",
    seed: Annotated[int | None, typer.Option(help="Seed of the workload; default: 51966.")] = None,
    like: Annotated[
        Path | None,
        typer.Option(
            help="Folder of an earlier result, whose numbers of requests are taken, so that 'compare' "
            "takes both."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the result; default: bench-XXXXXXXX, by the options, so that the same "
            "command finds it again."
        ),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Measure a finished result again; the earlier goes to replaced/.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print comparison.json instead of the table.")
    ] = False,
) -> None:
    """Measure endpoints, and say which is faster.

    Endpoints are measured in turns, block by block, with the same requests. The result is a table, a verdict
    with its uncertainty, report.html and comparison.json. Ctrl-C keeps the finished runs; the same command
    goes on with the others.
    """
    from weighbridge.cli import bench_settings as parts
    from weighbridge.cli.measured_sweep import (
        UNKNOWN_MODEL,
        finished,
        measure,
        refuse_if_nothing_compares,
        search_objectives,
        set_aside,
        show,
    )
    from weighbridge.config.written_forms import parse_systems
    from weighbridge.records.comparison import COMPARISON, SweepComparison

    described = WorkloadOptions(
        images,
        image_pixels,
        image_folder,
        output,
        turns,
        prompt_tokens,
        think,
        history,
        shared_prefix,
        dataset,
        tokenizer,
        api,
        force_length,
        seed,
        stream,
        reuse,
    )
    written = parse_systems(endpoints or ())
    of_systems = SystemOptions(model, api_key_env or (), reset_cmd or (), price or ())
    sweep = SweepOptions(blocks, seconds, levels, slo, equivalence, aa, workers)
    workloads = [parts.workload_of(described, slo, workload)]
    # All is checked, and a finished result found, before anything is sent: the models' names are left open.
    unknown = dict.fromkeys((system.name for system in written), UNKNOWN_MODEL)
    asked = parts.settings_of(parts.systems_of(written, of_systems, unknown), workloads, sweep)
    folder = out or parts.default_folder(asked)
    settings = None if again else finished(folder, asked)
    try:
        if settings is not None:
            log.info("%s is finished, and nothing was measured; --again measures it anew", folder)
            comparison = SweepComparison.read(folder / COMPARISON)
        else:
            models = _models(written, parts.key_variables(written, of_systems), model)
            settings = parts.settings_of(parts.systems_of(written, of_systems, models), workloads, sweep)
            if again and (aside := set_aside(folder)) is not None:
                log.info("the earlier result is now in %s", aside)
            comparison = measure(settings, folder, model=None, like=like)
        show(comparison, folder, as_json=as_json)
        refuse_if_nothing_compares(comparison)
        if search and settings.workloads[0].slo.given:
            for sentence in search_objectives(settings, folder, model=None):
                typer.echo(sentence, err=as_json)
    except Interruption:
        if folder.exists():
            log.info("finished runs are kept in %s; the same command goes on with the others", folder)
        raise


def _models(written: "Sequence[WrittenSystem]", keys: Mapping[str, str], model: str | None) -> dict[str, str]:
    """Return the name of each system's model, and check that its endpoints serve it.

    Raises:
        InputError: an endpoint serves several models and none is named, or not the one that is.
        SetupError: an endpoint does not answer, or refuses the key.
    """
    from weighbridge.serving.served_models import served_models

    for variable in keys.values():
        if not os.environ.get(variable):
            raise InputError(f"--api-key-env: the environment has no {variable}; set it to the key.")
    found = {}
    for system in written:
        key = os.environ[keys[system.name]] if system.name in keys else None
        for url in system.endpoints:
            served = served_models(url, key, "--api-key-env")
            if served is None:
                raise SetupError(
                    f"{system.name}: nothing answers at {url}; start the server, or correct the URL."
                )
            found[system.name] = _served(system, url, system.model or model, served)
    return found


def _served(system: "WrittenSystem", url: str, named: str | None, served: Sequence[str]) -> str:
    if named is None and len(served) == 1:
        return served[0]
    if named is not None and named in served:
        return named
    what = f"no {named}" if named is not None else "several models" if served else "no model"
    listed = ", ".join(served) or "none"
    raise InputError(
        f"{url} serves {what}; name one of these by --model, or as {system.name}={url}#MODEL: {listed}."
    )
