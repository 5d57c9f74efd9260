"""Options shared by several commands."""

from pathlib import Path
from typing import Annotated, Any

import typer

from weighbridge.config.closed_settings import Division
from weighbridge.config.fingerprint import JobSettings
from weighbridge.config.server_settings import ServerSettings
from weighbridge.core.errors import InputError


def files_by_name(option: str, values: list[str] | None) -> dict[str, Path]:
    """Return the files that an option names as NAME=FILE, by name.

    Raises:
        InputError: a value is not of that form, or a name is given twice.
    """
    found: dict[str, Path] = {}
    for value in values or ():
        name, separator, file = value.partition("=")
        if not (name and separator and file):
            raise InputError(
                f"{option} {value}: is not of the form NAME=FILE; name the dataset before the file."
            )
        if name in found:
            raise InputError(f"{option}: {name} is given twice; remove one.")
        found[name] = Path(file)
    return found


def section_option(section: str) -> Any:
    """Return the option that passes one section of the configuration."""
    return typer.Option(
        f"--{section}",
        metavar="JSON",
        help=f"The section '{section}', as JSON; its keys override those in --settings.",
    )


RoundFile = Annotated[
    str,
    typer.Option(
        "--round",
        metavar="ROUND",
        help="Round: its name, such as v6.0, or its file; with @CATEGORY if it has any. +limit=20: only its "
        "first samples. +accuracy=strict: stricter floors.",
    ),
]
SettingsJson = Annotated[
    str,
    typer.Option(
        "--settings",
        metavar="JSON",
        help="Sections of the configuration as one JSON object, or a job's fingerprint.",
    ),
]
ServerJson = Annotated[str | None, section_option("server")]
ClientJson = Annotated[str | None, section_option("client")]
Replaced = Annotated[
    Path | None,
    typer.Option(help="Folder to move an earlier result to; default: overwrite it."),
]
Lives = Annotated[
    Path | None,
    typer.Option(
        "--lives",
        help="Folder to record the life of a started server in, so that later runs of the same Snakemake can "
        "use it too; default: it ends with this command.",
    ),
]
PromptFile = Annotated[Path | None, typer.Option("--prompt", help="Prompt file, if the benchmark has one.")]
TokenizerProof = Annotated[
    Path | None,
    typer.Option("--model", help="Proof file of the model, from 'fetch', if prompts or answers are ids."),
]
ModelProof = Annotated[Path, typer.Option("--model", help="Proof file of the model, from 'fetch'.")]
Store = Annotated[Path, typer.Option("--store", help="Folder of the request store, from 'build-requests'.")]
GoldenStore = Annotated[
    Path | None,
    typer.Option(
        "--golden-store",
        help="Folder of the requests that `server.golden` is of, for scenarios with another dataset than the "
        "round's own; default: that of --store.",
    ),
]
Program = Annotated[
    Path | None,
    typer.Option("--program", help="File from 'find-server'; default: the program in the settings."),
]
AsJson = Annotated[
    bool,
    typer.Option("--json", help="Print JSON in place of the table; docs/commands.md names its keys."),
]
Artifacts = Annotated[
    list[Path] | None,
    typer.Option("--artifact", help="Proof file of model or dataset, from 'fetch'; may be repeated."),
]
StoreManifestFile = Annotated[
    Path | None, typer.Option("--store", help="manifest.json of the request store.")
]
FurtherDataset = Annotated[
    str | None,
    typer.Option(
        "--further-dataset",
        metavar="NAME",
        help="Which of the round's further datasets it is, such as 8k; default: the round's own.",
    ),
]
FurtherProofs = Annotated[
    list[str] | None,
    typer.Option(
        "--further-dataset",
        metavar="NAME=FILE",
        help="Proof file of one of the round's further datasets, such as 8k=resources/dataset-8k.json; may "
        "be repeated.",
    ),
]
FurtherStores = Annotated[
    list[str] | None,
    typer.Option(
        "--further-store",
        metavar="NAME=FILE",
        help="manifest.json of the requests made of a further dataset, such as "
        "8k=resources/requests-8k/manifest.json; may be repeated.",
    ),
]
ClientRowsFile = Annotated[
    Path | None,
    typer.Option(
        "--client-data",
        help="Proof of the rows that the official client read, from 'client-data'; if it measured.",
    ),
]
FurtherClientRows = Annotated[
    list[str] | None,
    typer.Option(
        "--further-client-data",
        metavar="NAME=FILE",
        help="Proof of the official client's rows of a further dataset, such as "
        "8k=resources/client-data/dataset-8k.json; may be repeated.",
    ),
]
HistoryFolder = Annotated[
    Path | None,
    typer.Option(
        "--history",
        help="Folder to record the result in, history/ of the run directory; default: it is not recorded.",
    ),
]
DivisionChoice = Annotated[
    Division,
    typer.Option(
        "--division",
        help="In the open division, what the closed one forbids is reported and not refused.",
    ),
]


Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="A disturbance of a run (a stall, other load, runs that disagree) is a failed check; default: a "
        "warning.",
    ),
]


def server_of(job: JobSettings) -> ServerSettings:
    """Return a job's section 'server', with the arguments that its keys stand for.

    Raises:
        InputError: it is missing, or its keys and arguments contradict each other.
    """
    from weighbridge.serving.arguments import spelled_out

    return spelled_out(job.required_server())
