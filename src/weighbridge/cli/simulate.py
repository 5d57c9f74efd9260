"""Commands of the simulated model server: simulate, predict."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weighbridge.cli.options import AsJson, FurtherProofs, FurtherStores, PromptFile, files_by_name
from weighbridge.cli.printing import print_found

if TYPE_CHECKING:
    from rich.table import Table

    from weighbridge.simulate.cell_prediction import PredictionListing

BehaviourJson = Annotated[
    str,
    typer.Option(
        metavar="JSON",
        help="Behaviour as JSON: servers (requests at once; 0: all), distribution (constant, exponential, "
        "lognormal), mean_s, sigma, first_token_share, or ttft_s and tpot_s in place of mean_s (one event a "
        "token), right, failures (shares), failing_attempts, start_s, seed, speed, run_noise_cv and "
        "noise_seed, drift_per_s, stall_every_s and stall_s, lengths (honoured, ignored, rejected), "
        "prefix_cache, resets.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(simulate)
    app.command()(predict)


def simulate(
    round_file: Annotated[
        str | None,
        typer.Option(
            "--round",
            metavar="ROUND",
            help="Round: its name, such as v6.0, or its file; of one with categories, unless it ends in "
            "@CATEGORY, the one with as many samples as the store.",
        ),
    ] = None,
    store: Annotated[
        Path | None, typer.Option(help="Folder of the request store that runs will send.")
    ] = None,
    dataset: Annotated[
        Path | None, typer.Option(help="Proof file of the dataset with the answers, from 'fetch'.")
    ] = None,
    further_store: FurtherStores = None,
    further_dataset: FurtherProofs = None,
    prompt: PromptFile = None,
    model: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the model, whose tokenizer makes the answers' token ids; if it is here."
        ),
    ] = None,
    model_name: Annotated[
        str, typer.Option(help="Without --store: name of the model, which requests ask for.")
    ] = "simulated",
    questions: Annotated[
        Path | None,
        typer.Option(
            help="Folder of multiple-choice questions, from 'fetch --kind mmlu'; completions need --model "
            "too, whose tokenizer reads the prompts."
        ),
    ] = None,
    letters: Annotated[
        str,
        typer.Option(
            metavar="JSON",
            help="With --questions: rate (share of right answers, the first of each subject), rates (by "
            "subject), unreadable (share without a letter, in chats), chat (letter, sentence), echo (false: "
            "refused).",
        ),
    ] = "{}",
    behaviour: BehaviourJson = "{}",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0: a free one.")] = 0,
    sent_log: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write when the first token, the last token and the end of each answer were sent (CSV, "
            "monotonic ns); default: not written.",
        ),
    ] = None,
) -> None:
    """Start a simulated model server, and keep it until Ctrl-C.

    It answers through an OpenAI-compatible API at a known speed: any request with as many tokens as it asks
    for; with --round, --store and --dataset, a benchmark's requests with the dataset's ground truth; or, with
    --questions, multiple-choice questions with letters that are known in advance.
    """
    from weighbridge.core.errors import InputError
    from weighbridge.simulate.asked_lengths import AskedLengths
    from weighbridge.simulate.behaviour import Behaviour
    from weighbridge.simulate.known_answers import Answers
    from weighbridge.simulate.simulated_server import serve

    served = Behaviour.parse_json(behaviour, "--behaviour")
    answers: Answers
    if questions is None and (served.failing_attempts or letters != "{}"):
        raise InputError(
            "--letters and the behaviour's 'failing_attempts' are for a server with --questions; give it "
            "too, or leave them out."
        )
    if questions is not None:
        from weighbridge.quality.questions import read_questions
        from weighbridge.simulate.known_letters import KnownLetters, LetterRates

        if (round_file, store, dataset, prompt) != (None,) * 4 or served.right < 1:
            raise InputError(
                "--questions has answers of its own; leave --round, --store, --dataset, --prompt and the "
                "behaviour's 'right' out, and set the share of right answers with --letters."
            )
        rates = LetterRates.parse_json(letters, "--letters")
        answers = KnownLetters(model_name, read_questions(questions), rates, model)
    elif round_file is not None and store is not None and dataset is not None:
        from weighbridge.artifacts.proof import Proof
        from weighbridge.benchmarks.rounds import round_of_samples
        from weighbridge.config.round_of_scenario import round_of_dataset
        from weighbridge.requests.store import RequestStore
        from weighbridge.simulate.known_answers import KnownAnswers, answers_from_dataset

        if served.lengths != "honoured" or served.prefix_cache:
            raise InputError(
                "--behaviour: 'lengths' and 'prefix_cache' are for a server without --round, --store and "
                "--dataset; leave either out."
            )
        round_ = round_of_samples(round_file, len(RequestStore.open(store)))
        parts = [(store, dataset, round_)]
        for name, (folder, proof) in _further(further_store, further_dataset).items():
            parts.append((folder, proof, round_of_dataset(round_, name)))
        answers = KnownAnswers.of_stores(
            [
                answers_from_dataset(
                    store=folder,
                    dataset=Proof.read(proof).folder,
                    prompt=prompt,
                    model=model,
                    round_=of_dataset,
                )
                for folder, proof, of_dataset in parts
            ]
        )
    elif not any((round_file, store, dataset, further_store, further_dataset)):
        if prompt is not None or model is not None or served.right < 1:
            raise InputError(
                "--prompt, --model and the behaviour's 'right' are of answers that a dataset has; give "
                "--round, --store and --dataset too, or leave them out."
            )
        answers = AskedLengths(model_name, served)
    else:
        raise InputError("--round, --store and --dataset belong together; give all three, or none.")
    serve(served, answers, host=host, port=port, sent_log=sent_log, ready=lambda url: typer.echo(url))


def _further(stores: list[str] | None, datasets: list[str] | None) -> dict[str, tuple[Path, Path]]:
    """Return the store's folder and the dataset's proof file of each further dataset, by name.

    Raises:
        InputError: an option is no NAME=FILE, or a dataset has only one of the two.
    """
    from weighbridge.core.errors import InputError

    manifests = files_by_name("--further-store", stores)
    proofs = files_by_name("--further-dataset", datasets)
    if alone := sorted(manifests.keys() ^ proofs.keys()):
        raise InputError(
            f"--further-store and --further-dataset belong together; give both of {alone[0]}, or neither."
        )
    return {name: (manifest.parent, proofs[name]) for name, manifest in manifests.items()}


def predict(
    run: Annotated[
        Path, typer.Argument(help="Folder of a run against a simulated server, of a round or of a sweep.")
    ],
    store: Annotated[Path, typer.Option(help="Folder of the requests that the run sent.")],
    behaviour: BehaviourJson = "{}",
    scenario: Annotated[
        str | None,
        typer.Option(
            help="With --peak-of: scenario whose rate is computed; default: the only one with a rate."
        ),
    ] = None,
    peak_of: Annotated[
        str | None,
        typer.Option(
            "--peak-of",
            metavar="ROUND",
            help="Instead: print the highest rate (queries/s) that passes in this round.",
        ),
    ] = None,
    runs_before: Annotated[
        int, typer.Option(help="Of a sweep's run: how many runs the server served before it.", min=0)
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Print expected and measured latencies of a simulated run.

    The difference is the time that client, network and simulation add. Of a sweep's run the throughput, too.
    """
    from weighbridge.requests.turns import TURNS_TABLE
    from weighbridge.simulate.behaviour import Behaviour
    from weighbridge.simulate.cell_prediction import PredictedFigure, PredictionListing, predicted_cell
    from weighbridge.simulate.oracle import latencies, peak_qps

    served = Behaviour.parse_json(behaviour, "--behaviour")
    if peak_of is not None:
        from weighbridge.benchmarks.rounds import load_round

        round_ = load_round(peak_of)
        rules = round_.scenario_with_rate(scenario)
        typer.echo(f"{peak_qps(run, store, served, round_, rules.name):.6g}")
        return
    if (store / TURNS_TABLE).is_file():
        listing = PredictionListing(figures=predicted_cell(run, store, served, run=runs_before))
        print_found(listing, lambda: _cell_table(listing), as_json=as_json)
        return
    listing = PredictionListing(
        figures=tuple(
            PredictedFigure(name=each.name, unit="s", expected=each.expected_s, measured=each.measured_s)
            for each in latencies(run, store, served)
        )
    )
    print_found(listing, lambda: _latency_table(listing), as_json=as_json)


def _latency_table(listing: "PredictionListing") -> "Table":
    from rich.table import Table

    table = Table("latency", "expected", "measured", "added")
    for each in listing.figures:
        values = (each.expected, each.measured)
        table.add_row(
            each.name,
            *(f"{value * 1e3:.2f} ms" for value in values),
            f"{(each.measured - each.expected) * 1e3:+.2f} ms",
        )
    return table


def _cell_table(listing: "PredictionListing") -> "Table":
    """Return expected and measured figures of a sweep's run."""
    from rich.table import Table

    table = Table("figure", "expected", "measured", "error")
    for each in listing.figures:
        scale, unit = (1.0, "/s") if each.unit == "1/s" else (1e3, "ms")
        values = (f"{value * scale:.2f} {unit}" for value in (each.expected, each.measured))
        table.add_row(each.name, *values, f"{each.error:+.2%}")
    return table
