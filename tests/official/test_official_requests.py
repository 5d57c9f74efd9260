"""What the official client sends: our store has it byte for byte, and the simulated server knows it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.artifacts.proof import Proof
from weighbridge.artifacts.verify import describe
from weighbridge.benchmarks.registry import load_benchmark
from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.request_settings import RequestSettings
from weighbridge.config.round import Round
from weighbridge.config.round_of_scenario import round_of_scenario
from weighbridge.config.round_settings import requests_of_round
from weighbridge.endpoints.client_config import ClientPlan
from weighbridge.endpoints.client_environment import client_environment
from weighbridge.endpoints.dataset_rows import link_rows, proven_rows
from weighbridge.requests.store import RequestStore, build_store
from weighbridge.simulate.behaviour import Behaviour, OutcomeDraws, body_hash

DEMO = Path(__file__).parents[2] / "demo"
MODEL, SCENARIO, SAMPLES = "served", "interactive", 256
BEHAVIOUR = {"servers": 16, "distribution": "lognormal", "sigma": 0.3, "mean_s": 0.1, "right": 0.75}
# The bodies that the client sends of its rows, one a line.
ITS_BODIES = """
import sys
from pathlib import Path
from inference_endpoint.config.schema import APIType, ModelParams
from inference_endpoint.core.types import Query
from inference_endpoint.dataset_manager import Dataset
from inference_endpoint.openai.openai_msgspec_adapter import OpenAIMsgspecAdapter
name, preset, cache, streaming, out = sys.argv[1:]
dataset = Dataset.PREDEFINED[name]
transforms = getattr(dataset.PRESETS, preset)()
loader = dataset.get_dataloader(datasets_dir=Path(cache), transforms=transforms, num_repeats=1)
params = ModelParams(name="served", max_new_tokens=150, streaming=streaming)
loader.load(api_type=APIType.OPENAI, model_params=params)
with open(out, "wb") as file:
    for number in range(loader.num_samples()):
        query = Query(data=loader.load_sample(number))
        file.write(OpenAIMsgspecAdapter.encode_query(query) + b"\\n")
"""


class Prepared:
    """A dataset, the store of our requests, and the client's rows in the folder that it would run in."""

    def __init__(self, folder: Path, client: Proof, python: Path, dataset: Path, round_: Round) -> None:
        self.folder, self.python, self.tree = folder, python, client.folder
        self.round_ = round_of_scenario(round_, SCENARIO)
        self.prompt = folder / "prompt.json"
        benchmark = load_benchmark(round_.benchmark)
        benchmark.extract_prompt(client, round_.prompt, self.prompt)
        self.task = benchmark.task(self.prompt)
        self.dataset, manifest = dataset, describe(dataset)
        Proof(
            kind=ArtifactKind.DATASET,
            folder=dataset,
            repo=None,
            revision=None,
            manifest_digest=manifest.digest,
            files=manifest.files,
        ).write(folder / "dataset.json")
        build_store(
            dataset=dataset,
            splits=self.round_.splits,
            prompt=self.prompt,
            streamed=True,
            benchmark=round_.benchmark,
            model_name=MODEL,
            settings=requests_of_round(RequestSettings(), round_),
            expected_samples=self.round_.of_dataset,
            first=self.round_.samples,
            out=folder / "store",
            processes=2,
        )
        client.write(folder / "client.json")
        made = ["client-data", "--round", "round.yaml", "--scenario", SCENARIO, "--client", "client.json"]
        made += ["--dataset", "dataset.json", "--output", "rows.json"]
        self._in(folder, dict(os.environ), "-m", "weighbridge", *made)
        self.home = folder / "home"
        self.rows = proven_rows(folder / "rows.json")
        link_rows(self.rows, folder / "rows.json", self.home)

    def run(self, *arguments: str) -> None:
        self._in(self.home, client_environment(self.tree, self.home, os.environ), *arguments)

    def _in(self, folder: Path, environment: dict[str, str], *arguments: str) -> None:
        command = [self.python, *arguments]
        done = subprocess.run(
            command, env=environment, cwd=folder, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(params=["demo", "synthetic"])
def prepared(
    request: pytest.FixtureRequest, client_proof: Proof, client_python: Path, tmp_path: Path
) -> Prepared:
    """Products of the demo, or synthetic ones."""
    demo = request.param == "demo"
    extended = "interactive-demo" if demo else "rehearsal-v6.1-endpoints"
    changes = "" if demo else f"further_datasets: {{8k: {{samples: {SAMPLES}}}}}\n"
    file = tmp_path / "round.yaml"
    file.write_text(f"extends: {extended}\nname: small\n{changes}")
    round_, dataset = load_round(str(file)), tmp_path / "dataset"
    if demo:
        shutil.copytree(DEMO / "dataset", dataset)
    else:
        load_benchmark(round_.benchmark).synthesise(
            ArtifactKind.DATASET, SAMPLES, dataset, round_.further_datasets["8k"].splits
        )
    return Prepared(tmp_path, client_proof, client_python, dataset, round_)


def test_our_store_has_the_bodies_that_the_client_sends(prepared: Prepared) -> None:
    name, preset = prepared.rows.preset.split("::")
    for streamed in (False, True):
        out = prepared.folder / "bodies"
        told = (name, preset, str(prepared.home / "dataset_cache"), "on" if streamed else "off", str(out))
        prepared.run("-c", ITS_BODIES, *told)
        theirs, ours = (
            out.read_bytes().splitlines(),
            RequestStore.open(prepared.folder / "store", streamed=streamed),
        )
        assert len(theirs) == len(ours) == prepared.round_.samples
        # Ours asks for the usage too, by which it counts tokens; theirs counts them with the tokenizer.
        usage = b',"stream_options":{"include_usage":true}}' if streamed else b"}"
        assert [body[:-1] + usage for body in theirs] == [ours.sent(sample) for sample in range(len(ours))]


@pytest.mark.parametrize("prepared", ["synthetic"], indirect=True)
def test_the_clients_own_score_is_the_predicted_one(prepared: Prepared) -> None:
    store = RequestStore.open(prepared.folder / "store", streamed=True)
    draws = OutcomeDraws(Behaviour.parse(BEHAVIOUR, "test"))
    truth = prepared.task.truth(prepared.dataset, prepared.round_.splits)
    pairs = prepared.task.sample_answers(truth)
    rights = [draws.right(body_hash(store.sent(sample))) for sample in range(len(store))]
    answers = [right if is_right else wrong for (right, wrong), is_right in zip(pairs, rights, strict=True)]
    expected = prepared.task.score(truth, answers, range(len(store))).metrics["f1"]
    assert 0.6 < expected < 0.95

    command = ["simulate", "--round", "round.yaml", "--store", "store", "--dataset", "dataset.json"]
    command += ["--prompt", "prompt.json", "--behaviour", json.dumps(BEHAVIOUR)]
    with subprocess.Popen(
        [sys.executable, "-m", "weighbridge", *command],
        cwd=prepared.folder,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            report = prepared.folder / "report"
            plan = ClientPlan(
                round_=prepared.round_,
                scenario=prepared.round_.scenarios[SCENARIO],
                target_qps=50,
                samples=prepared.round_.samples,
                model_name=MODEL,
                tokenizer=DEMO.resolve() / "client-model",
                endpoints=[url],
                client=ClientSettings(workers=1),
                report=report,
            )
            (prepared.home / "client.yaml").write_text(plan.text())
            main = "inference_endpoint.main"
            prepared.run("-m", main, "benchmark", "from-config", "-c", "client.yaml", "--mode", "both")
        finally:
            server.terminate()
    [score] = json.loads((report / "accuracy/accuracy_results.json").read_text())["accuracy_scores"]
    assert score["score"] == pytest.approx(expected, abs=1e-9)
    summary = json.loads((report / "performance/result_summary.json").read_text())
    assert (summary["n_samples_completed"], summary["n_samples_failed"]) == (prepared.round_.samples, 0)
