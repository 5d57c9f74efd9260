"""The command that writes a first configuration: init."""

from pathlib import Path
from typing import Annotated

import typer

from weighbridge.cli.command_groups import examples
from weighbridge.config.situation import Situation

_CALLS = 3  # lines at the end of the file
_LOCAL = "http://127.0.0.1:8000"


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    calls = (
        "weighbridge init endpoint --endpoint http://127.0.0.1:8000",
        "weighbridge init node --gpus 8",
        "weighbridge init slurm --gpus 8",
    )
    app.command(epilog=examples(*calls))(init)


def init(
    situation: Annotated[
        Situation | None,
        typer.Argument(
            metavar="[endpoint|node|slurm]",
            help="Where the model is served: by a server of yours, on this node, or by Slurm jobs; default: "
            "endpoint with --endpoint, or without a GPU here.",
        ),
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Base URL of your server, which is asked for its model's name."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Name under which the model is served; default: what the server says.")
    ] = None,
    gpus: Annotated[
        int | None, typer.Option(min=1, help="GPUs of a node; default: those of this machine, or 8.")
    ] = None,
    benchmark: Annotated[
        str | None,
        typer.Option(metavar="ROUND", help="Round of the rules, such as v6.0; default: that of config.yaml."),
    ] = None,
    category: Annotated[str | None, typer.Option(help="Its category, such as datacenter or edge.")] = None,
    out: Annotated[Path | None, typer.Option(help="File to write; default: my-SITUATION.yaml.")] = None,
) -> None:
    """Write a first, commented configuration.

    It has what a user states, is laid over config.yaml of the checkout, and ends with the commands that run
    it. Nothing is asked without a terminal, and no file is ever overwritten.
    """
    from weighbridge.core.errors import InputError
    from weighbridge.core.files import write_atomic
    from weighbridge.core.models import read_data
    from weighbridge.core.terminal import can_ask
    from weighbridge.run.starting_config import BASE, StartingConfig
    from weighbridge.system.gpus import visible_accelerators

    if not Path(BASE).is_file():
        raise InputError(
            f"there is no {BASE} here, which the file would be laid over: call this in the project's folder. "
            "To compare endpoints no file is needed: `weighbridge bench URL`."
        )
    base = read_data(Path(BASE))
    reference = benchmark or (base.get("round") if isinstance(base, dict) else None)
    if not isinstance(reference, str):
        raise InputError(f"{BASE}: names no round; add it there, or choose one by --benchmark.")
    devices = visible_accelerators()
    chosen = situation or (Situation.NODE if devices and endpoint is None else Situation.ENDPOINT)
    path = out or Path(f"my-{chosen}.yaml")
    if path.exists():
        raise InputError(f"{path}: exists and is not overwritten; remove it, or name another file by --out.")
    if chosen is Situation.ENDPOINT:
        if endpoint is None:
            endpoint = typer.prompt("Base URL of your server", _LOCAL, err=True) if can_ask() else _LOCAL
        model = model or _served_model(endpoint)
    elif endpoint is not None:
        raise InputError(f"--endpoint is for `weighbridge init endpoint`, not for {chosen}.")
    text = StartingConfig(
        situation=chosen,
        round_reference=reference,
        category=category,
        endpoint=endpoint,
        model_name=model,
        gpus=gpus or len(devices) or 8,
        gpu_memory_bytes=min((device.memory_bytes for device in devices), default=None),
    ).text(Path(), path)
    write_atomic(path, text)
    typer.echo(f"{path}: written. Its last lines say how to run it:")
    for line in text.splitlines()[-_CALLS:]:
        typer.echo(line.removeprefix("#"))


def _served_model(endpoint: str) -> str | None:
    """Return the name of the model that a server serves; None, with a warning: nothing answers.

    Raises:
        InputError: it serves several.
        SetupError: it is no OpenAI-compatible server, or refuses who has no key.
    """
    from weighbridge.core.errors import InputError
    from weighbridge.serving.served_models import served_models

    served = served_models(endpoint, None, "--model, and client.api_key_env in the file,")
    if served is None:
        typer.echo(f"nothing answers at {endpoint}: server.model_name is a guess to correct.", err=True)
        return None
    if len(served) != 1:
        listed = ", ".join(served) or "no model"
        raise InputError(f"{endpoint} serves {listed}; name one by --model.")
    return served[0]
