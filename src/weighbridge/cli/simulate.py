"""Commands of the simulated model server: simulate, predict."""

from pathlib import Path
from typing import Annotated

import typer

from weighbridge.cli.options import PromptFile, RoundFile

BehaviourJson = Annotated[
    str,
    typer.Option(
        metavar="JSON",
        help="servers, distribution (constant, exponential, lognormal), mean_s, right, failures, seed.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add this stage's commands."""
    app.command()(simulate)
    app.command()(predict)


def simulate(
    round_file: RoundFile,
    store: Annotated[Path, typer.Option(help="Folder of the request store that will be sent.")],
    dataset: Annotated[Path, typer.Option(help="Proof of the dataset that holds the answers.")],
    prompt: PromptFile = None,
    behaviour: BehaviourJson = "{}",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 0,
) -> None:
    """Serve the dataset's answers as an OpenAI-compatible server of known speed, until Ctrl-C."""
    from weighbridge.artifacts.proof import Proof
    from weighbridge.benchmarks.rounds import load_round
    from weighbridge.simulate.behaviour import Behaviour
    from weighbridge.simulate.responses import answers_from_dataset
    from weighbridge.simulate.simulated_server import serve

    answers = answers_from_dataset(
        store=store,
        dataset=Proof.read(dataset).folder,
        prompt=prompt,
        round_=load_round(round_file),
    )
    serve(
        Behaviour.parse_json(behaviour, "--behaviour"),
        answers,
        host=host,
        port=port,
        ready=lambda url: typer.echo(url),
    )


def predict(
    run: Annotated[Path, typer.Argument(help="Folder of a run against a simulated server.")],
    store: Annotated[Path, typer.Option(help="Folder of the request store that was sent.")],
    behaviour: BehaviourJson = "{}",
    scenario: Annotated[str, typer.Option(help="With --peak-of: whose rate.")] = "server",
    peak_of: Annotated[
        str | None,
        typer.Option(
            "--peak-of",
            metavar="ROUND",
            help="Print the highest rate that passes there instead.",
        ),
    ] = None,
) -> None:
    """Print the latencies that a run against a simulated server must have seen, beside those it saw."""
    from rich.console import Console
    from rich.table import Table

    from weighbridge.simulate.behaviour import Behaviour
    from weighbridge.simulate.oracle import latencies, peak_qps

    served = Behaviour.parse_json(behaviour, "--behaviour")
    if peak_of is not None:
        from weighbridge.benchmarks.rounds import load_round

        typer.echo(f"{peak_qps(run, store, served, load_round(peak_of), scenario):.6g}")
        return
    table = Table("latency", "expected", "measured", "added")
    for each in latencies(run, store, served):
        added_s = each.measured_s - each.expected_s
        table.add_row(
            each.name, f"{each.expected_s:.4f} s", f"{each.measured_s:.4f} s", f"{added_s * 1e3:+.2f} ms"
        )
    Console().print(table)
