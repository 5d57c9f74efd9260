"""Commands of the request store: build-requests, count-tokens."""

import logging
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated

import typer

from weighbridge.cli.options import (
    DivisionChoice,
    FurtherDataset,
    PromptFile,
    RoundFile,
    ServerJson,
    SettingsJson,
    TokenizerProof,
    section_option,
    server_of,
)
from weighbridge.config.fingerprint import JobSettings

if TYPE_CHECKING:
    from weighbridge.records.store_manifest import StoreManifest

log = logging.getLogger(__name__)


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(build_requests)
    app.command()(count_tokens)


def build_requests(
    round_file: RoundFile,
    dataset: Annotated[Path, typer.Option(help="Proof file of the dataset, from 'fetch'.")],
    out: Annotated[Path, typer.Option(help="Folder of the store to write.")],
    further_dataset: FurtherDataset = None,
    settings: SettingsJson = "{}",
    requests: Annotated[str | None, section_option("requests")] = None,
    server: ServerJson = None,
    prompt: PromptFile = None,
    model: TokenizerProof = None,
    processes: Annotated[int, typer.Option(min=1, help="Number of encoding processes.")] = 1,
    division: DivisionChoice = "closed",
    cache: Annotated[
        Path | None,
        typer.Option(help="Folder of stores to share with other run directories; default: none is shared."),
    ] = None,
) -> None:
    """Encode every sample's request body into one store.

    A round with several datasets has one store for each.
    """
    from weighbridge.artifacts.proof import Proof
    from weighbridge.benchmarks.registry import load_benchmark
    from weighbridge.benchmarks.rounds import load_round
    from weighbridge.config.closed_settings import request_deviations
    from weighbridge.config.round_of_scenario import has_streams, round_of_dataset
    from weighbridge.config.round_settings import requests_of_round
    from weighbridge.requests.shared_stores import Recipe, prompts_of, shared_store
    from weighbridge.requests.store import build_store, checked_samples, envelopes
    from weighbridge.run.closed_division import told

    job = JobSettings.of(settings, requests=requests, server=server)
    round_ = round_of_dataset(load_round(round_file), further_dataset)
    for sentence in told(request_deviations(job.requests, round_), round_, division):
        log.warning("%s", sentence)
    if prompt is not None:
        load_benchmark(round_.benchmark).check_prompt(prompt, round_.prompt)
    proof = Proof.read(dataset)
    for entry in proof.files if round_.held_to_rules else ():
        known = round_.dataset_files.get(PurePosixPath(entry.path).name, entry.sha256)
        if known != entry.sha256:
            log.warning(
                "%s: has sha256 %s, but others have published %s (round %s); is it the whole, official file?",
                proof.folder / entry.path,
                entry.sha256,
                known,
                round_.name,
            )
    tokenizer = None if model is None else Proof.read(model)
    model_name, sent = job.required_server().model_name, requests_of_round(job.requests, round_)
    folder = None if tokenizer is None else tokenizer.folder
    streamed = has_streams(round_)

    def build() -> "StoreManifest":
        return build_store(
            dataset=proof.folder,
            proven={entry.path: entry.sha256 for entry in proof.files},
            splits=round_.splits,
            prompt=prompt,
            model=folder,
            streamed=streamed,
            benchmark=round_.benchmark,
            expected_samples=round_.of_dataset,
            first=round_.samples,
            model_name=model_name,
            settings=sent,
            out=out,
            processes=processes,
        )

    def look() -> None:
        checked_samples(load_benchmark(round_.benchmark).task(prompt, folder), proof.folder, round_.splits)

    def around() -> tuple[tuple[str, str], tuple[str, str] | None]:
        task = load_benchmark(round_.benchmark).task(prompt, folder)
        return envelopes(task, model_name, sent, streamed=streamed)

    prompts = prompts_of(round_, sent, proof, prompt, tokenizer)
    shared_store(cache, Recipe(prompts, model_name, around), out, build, look)


def count_tokens(
    store: Annotated[Path, typer.Option(help="Folder of the request store.")],
    model: Annotated[Path, typer.Option(help="Proof file of the model, from 'fetch'.")],
    output: Annotated[Path, typer.Option(help="JSON file to write: statistics of the prompt lengths.")],
    settings: SettingsJson = "{}",
    server: ServerJson = None,
) -> None:
    """Count every prompt's tokens and check the context length.

    Fails if a prompt and its answer do not fit into the server's context.
    """
    from weighbridge.artifacts.proof import Proof
    from weighbridge.core.files import write_atomic
    from weighbridge.requests.token_counts import check_lengths
    from weighbridge.serving.arguments import context_length
    from weighbridge.serving.installed_adapters import adapter_of

    job = server_of(JobSettings.of(settings, server=server))
    option = adapter_of(job).context_option
    found = check_lengths(store, Proof.read(model).folder, context_length(job), option)
    write_atomic(output, (found.model_dump_json(indent=2) if found else "null") + "\n")
