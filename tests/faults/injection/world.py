"""What all faults share: 32 samples, a server that follows a schedule, and a good run of each kind."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from injection.actions import Action, Answer, Fate, http
from injection.commands import Zygote
from injection.scripted import ScriptedServer
from weighbridge.artifacts.proof import Proof
from weighbridge.benchmarks.registry import load_benchmark
from weighbridge.benchmarks.rounds import load_round
from weighbridge.requests.store import RequestStore

ROOT = Path(__file__).parents[3]
SAMPLES = 32
PROMPT = ROOT / "demo" / "prompt.json"
_ROUND = {
    "extends": "demo",
    "name": "faults",
    "samples": SAMPLES,
    "scenarios": {
        # So short that start-up is most of a run, and with few samples a percentile that they can prove.
        "offline": {"min_duration_s": 0.001, "min_query_count": SAMPLES},
        "server": {
            "min_duration_s": 0.001,
            "min_query_count": SAMPLES,
            "limits": {"latency": {"limit_s": 12, "percentile": 0.5}},
        },
    },
}


@dataclass(frozen=True)
class World:
    """The inputs.

    Attributes:
        folder: Where they are.
        server: What answers.
        truth: The right answer of each sample.
    """

    folder: Path
    server: ScriptedServer
    truth: Mapping[int, str]

    @property
    def round_file(self) -> Path:
        return self.folder / "round.yaml"

    def run(
        self, out: Path, mode: str = "performance", scenario: str = "server", **more: object
    ) -> list[str]:
        """Return the command line of one run."""
        server = {"model_name": "tiny", "endpoints": [self.server.url], "warmup_requests": 1}
        client = {"workers": 1, "connections": 8, "request_timeout_s": 5, "connect_timeout_s": 2}
        words: dict[str, object] = {
            "scenario": scenario,
            "mode": mode,
            "round": self.round_file,
            "target-qps": 2000,
            "server": json.dumps(server | dict(more.pop("server", {}))),  # type: ignore[call-overload]
            "client": json.dumps(client | dict(more.pop("client", {}))),  # type: ignore[call-overload]
            "model": self.folder / "model.json",
            "store": more.pop("store", self.folder / "requests"),
            "out": out,
        }
        return ["run", *options(words)]

    def evaluate(self, scenario_folder: Path) -> list[str]:
        """Return the command line that scores the accuracy run of a scenario."""
        words = {
            "round": self.round_file,
            "logs": scenario_folder / "accuracy",
            "dataset": self.folder / "dataset.json",
            "prompt": PROMPT,
            "out": scenario_folder,
        }
        return ["evaluate", *options(words)]

    def gate(
        self, scenario_folder: Path, scenario: str = "server", performance: Path | None = None
    ) -> list[str]:
        """Return the command line that judges a scenario."""
        words = {
            "round": self.round_file,
            "scenario": scenario,
            "performance": performance or scenario_folder / "performance",
            "accuracy": scenario_folder / "accuracy",
            "score": scenario_folder / "accuracy.json",
            "store": self.folder / "requests" / "manifest.json",
            "prompt": PROMPT,
            "output": scenario_folder / "verdict.json",
        }
        artifacts = [f"--artifact={self.folder / name}" for name in ("model.json", "dataset.json")]
        return ["gate", *options(words), *artifacts]


def options(values: Mapping[str, object]) -> list[str]:
    """Return a command's options as words."""
    return [word for name, value in values.items() for word in (f"--{name}", str(value))]


def fetch_command(folder: Path, kind: str, into: Path) -> list[str]:
    """Return the command line that makes up an artifact."""
    settings = json.dumps({"repo": None, "revision": None, "synthetic": SAMPLES})
    words = {"kind": kind, "into": into / kind, "proof": into / f"{kind}.json", "artifact": settings}
    return ["fetch", *options({**words, "round": folder / "round.yaml"})]


def build_command(folder: Path, out: Path, processes: int = 1) -> list[str]:
    """Return the command line that builds the request store."""
    server = json.dumps({"model_name": "tiny", "endpoints": ["http://127.0.0.1:9"]})
    words = {"round": folder / "round.yaml", "dataset": folder / "dataset.json", "prompt": PROMPT}
    return ["build-requests", *options({**words, "server": server, "processes": processes, "out": out})]


def well(_sample: int, answer: Answer) -> Action:
    """Answer at once, and rightly."""
    return Action("plain", Fate.OK, (http(answer.body()),))


@contextlib.contextmanager
def world(folder: Path, zygote: Zygote) -> Iterator[World]:
    """Make the inputs, start the server, and make a good run of each mode and scenario."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "round.yaml").write_text(yaml.safe_dump(_ROUND))
    for kind in ("model", "dataset"):
        must(zygote, fetch_command(folder, kind, folder))
    must(zygote, build_command(folder, folder / "requests"))
    known = _known_samples(folder)
    with ScriptedServer(known, well) as server:
        made = World(folder, server, dict(known.values()))
        for scenario in ("server", "offline"):
            good = folder / "good" / scenario
            for mode in ("performance", "accuracy"):
                server.begin(well)
                must(zygote, made.run(good / mode, mode, scenario))
            must(zygote, made.evaluate(good))
            must(zygote, made.gate(good, scenario))
        yield made


def _known_samples(folder: Path) -> dict[bytes, tuple[int, str]]:
    """Return number and right answer of each body of the store."""
    round_ = load_round(str(folder / "round.yaml"))
    task = load_benchmark(round_.benchmark).task(PROMPT)
    truth = task.truth(Proof.read(folder / "dataset.json").folder, round_.splits)
    store = RequestStore.open(folder / "requests")
    pairs = enumerate(task.sample_answers(truth))
    return {bytes(store.body(index)): (index, right) for index, (right, _) in pairs}


def must(zygote: Zygote, arguments: list[str]) -> None:
    """Run a command that must succeed."""
    ended = zygote.run(arguments, limit_s=60)
    assert ended.code == 0, ended.text
    assert not ended.left, ended.left
