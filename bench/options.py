"""The options that all comparisons of the client share, and the printing of what they found."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from measure import Compared
from ours import ROOT
from peers import Bench

OURS = "Weighbridge"


def parser(description: str | None = None) -> argparse.ArgumentParser:
    """Return a parser of the options."""
    found = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    found.add_argument("--rounds", type=int, default=3, help="How often each contender runs.")
    found.add_argument("--quick", action="store_true", help="A few minutes instead of an hour.")
    found.add_argument("--only-ours", action="store_true", help="Leave the other clients out.")
    found.add_argument(
        "--source",
        action="append",
        type=_source,
        metavar="NAME=CHECKOUT",
        help=f"A checkout whose client runs; may be repeated. Default: {OURS} and this checkout.",
    )
    found.add_argument("--python", default=Bench.python, help="Interpreter with aiohttp and openai.")
    found.add_argument("--vllm", default=Bench.vllm, help="Interpreter with vLLM.")
    found.add_argument("--endpoints", help="Interpreter with the official endpoints client.")
    found.add_argument("--reference", type=Path, help="Checkout of mlcommons/inference.")
    found.add_argument("--reference-python", default=Bench.reference_python, help="Interpreter for it.")
    return found


def bench_of(options: argparse.Namespace) -> Bench:
    """Return what the options ask for."""
    return Bench(
        rounds=options.rounds,
        quick=options.quick,
        only_ours=options.only_ours,
        sources=dict(options.source or [(OURS, ROOT)]),
        python=options.python,
        vllm=options.vllm,
        endpoints=options.endpoints,
        reference=options.reference,
        reference_python=options.reference_python,
    )


def parsed(arguments: Sequence[str], description: str | None = None) -> Bench:
    """Read the options of a comparison."""
    return bench_of(parser(description).parse_args(arguments))


def _source(text: str) -> tuple[str, Path]:
    name, separator, folder = text.partition("=")
    if not separator or not (Path(folder) / "src" / "weighbridge").is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=CHECKOUT of a checkout of Weighbridge")
    return name, Path(folder).resolve()


def show(title: str, compared: Compared) -> None:
    """Print one case: for each contender the median of each value, and its spread."""
    print(f"\n{title}")
    for name, summary in compared.summary().items():
        values = (
            f"{key} {found['median']:.4g} ({found['min']:.4g}-{found['max']:.4g})"
            for key, found in summary.items()
        )
        print(f"  {name}\n    " + "\n    ".join(values))
    for name, reason in compared.missing.items():
        print(f"  {name}: could not run: {reason}")
