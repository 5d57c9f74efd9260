"""The commands of a whole workflow, each with what it needs and what it makes."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from injection.commands import Zygote
from injection.oracle import complaints_of_files
from injection.world import PROMPT, World, build_command, fetch_command, must, options

# LoadGen leaves its trace empty, and in a performance run its answers.
_MAY_BE_EMPTY = ("mlperf_log_trace.json", "mlperf_log_accuracy.json")


def _nothing(_world: World, _out: Path) -> None:
    """Prepare nothing."""


def _results(world: World, out: Path) -> None:
    shutil.copytree(world.folder / "good", out / "results")


def _tree(world: World, out: Path) -> None:
    shutil.copytree(world.folder / "assembled" / "tree", out / "tree")


@dataclass(frozen=True)
class Stage:
    """One command.

    Attributes:
        name: For the matrix.
        command: Its arguments.
        products: What it must have made when it ends well, below its folder.
        prepare: Makes what it reads, below its folder.
    """

    name: str
    command: Callable[[World, Path], list[str]]
    products: tuple[str, ...]
    prepare: Callable[[World, Path], None] = _nothing


def _assemble(world: World, out: Path) -> list[str]:
    settings = json.dumps({"submitter": "Demonstration", "system": "laptop", "division": "closed"})
    words = {"round": world.round_file, "results": out / "results", "originals": out / "originals"}
    more = {"store": world.folder / "requests" / "manifest.json", "submission": settings, "out": out / "tree"}
    return [
        "assemble",
        *options({**words, **more}),
        *_artifacts(world),
        *("--scenario", "server", "--scenario", "offline"),
    ]


def _artifacts(world: World) -> list[str]:
    return [f"--artifact={world.folder / name}" for name in ("model.json", "dataset.json")]


def _check(world: World, out: Path) -> list[str]:
    words = {"round": world.round_file, "tree": out / "tree", "output": out / "check.json"}
    return ["check", *options(words)]


def _report(world: World, out: Path) -> list[str]:
    words = {"results": out / "results", "output": out / "report.html", "round": world.round_file}
    more = {"dataset": world.folder / "dataset.json", "prompt": PROMPT}
    return ["report", *options({**words, **more})]


def _crate(world: World, out: Path) -> list[str]:
    return ["crate", *_artifacts(world), "--submitter", "Demonstration", "--results", str(out / "results")]


def _search(world: World, out: Path) -> list[str]:
    words = [*world.run(out, scenario="server")[1:]]
    kept = ("--round", "--server", "--client", "--model", "--store")
    pairs = [pair for pair in zip(words[::2], words[1::2], strict=True) if pair[0] in kept]
    offline = world.folder / "good" / "offline" / "performance" / "run.json"
    search = json.dumps({"probe_s": 0.1, "tolerance": 0.5, "max_probes": 3, "max_confirmations": 2})
    more = {"scenario": "server", "offline": offline, "output": out / "peak.json", "search": search}
    return ["search-qps", *(word for pair in pairs for word in pair), *options(more)]


def _evaluate(world: World, out: Path) -> list[str]:
    return world.evaluate(out / "results" / "server")


def _gate(world: World, out: Path) -> list[str]:
    return world.gate(out / "results" / "server")


STAGES: tuple[Stage, ...] = (
    Stage("fetch", lambda world, out: fetch_command(world.folder, "dataset", out), ("dataset.json",)),
    Stage(
        "build-requests",
        lambda world, out: build_command(world.folder, out / "store", processes=2),
        ("store/manifest.json", "store/bodies.bin"),
    ),
    Stage("evaluate", _evaluate, ("results/server/accuracy.json",), _results),
    Stage("gate", _gate, ("results/server/verdict.json",), _results),
    Stage("assemble", _assemble, ("tree", "tree.tar.gz", "tree.sha256", "originals"), _results),
    Stage("check", _check, ("check.json",), _tree),
    Stage("report", _report, ("report.html",), _results),
    Stage("crate", _crate, ("results/ro-crate-metadata.json",), _results),
    Stage("search-qps", _search, ("peak.json",)),
)


def stage(name: str) -> Stage:
    """Return the stage of this name."""
    return next(each for each in STAGES if each.name == name)


def assemble_good(zygote: Zygote, world: World) -> None:
    """Assemble the tree that the stage `check` reads."""
    must(zygote, begin(world, stage("assemble"), world.folder / "assembled"))


def begin(world: World, one: Stage, out: Path) -> list[str]:
    """Make a stage's folder anew; return its command line."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    one.prepare(world, out)
    return one.command(world, out)


def complaints_of_products(out: Path, one: Stage, *, finished: bool) -> list[str]:
    """Check that what is there is whole, and that all is there if the stage ended well."""
    found = complaints_of_files(out)
    if finished:
        found += [f"exit 0 without {name}" for name in one.products if not (out / name).exists()]
    every = sorted(out.rglob("*")) if finished else [out / name for name in one.products]
    for path in filter(Path.is_file, every):
        try:
            if path.suffix == ".json" and path.name not in _MAY_BE_EMPTY:
                json.loads(path.read_bytes())
            elif path.suffix == ".parquet":
                pq.read_metadata(path)
        except Exception as error:  # whatever a half-written file brings
            found.append(f"{path.name} is not whole: {type(error).__name__}")
    return found
