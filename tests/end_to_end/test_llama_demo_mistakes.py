"""Mistakes of a client, sent to the demo's Llama on the real vLLM: each costs the score that is needed.

The longer ones go through the whole workflow: `make llama-demo-faults`.
"""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import openai
import pytest
import yaml
from demo_run import ROOT, need_vllm

from weighbridge.benchmarks.registry import load_benchmark
from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.closed_rules import ServerFeature
from weighbridge.config.server_settings import ServerSettings
from weighbridge.serving.running_server import running_server

DEMO = ROOT / "src" / "weighbridge" / "benchmarks" / "llama3_1_8b" / "demo"
SAMPLES = 64
AT_ONCE = 32

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(900)]

Sample = dict[str, Any]
Ask = Callable[[openai.OpenAI, str, Sample], str]


def completion(client: openai.OpenAI, name: str, sample: Sample, **changes: Any) -> str:
    """Ask as the client of the benchmark does, but for the changes."""
    sampling = load_round("llama-demo", "datacenter").sampling.model_dump(exclude_none=True)
    body = {"model": name, "prompt": sample["tok_input"]} | sampling | changes
    made = client.post("/completions", body=body, cast_to=openai.types.Completion)
    return made.choices[0].text


def without_first_token(client: openai.OpenAI, name: str, sample: Sample) -> str:
    return completion(client, name, sample, prompt=sample["tok_input"][1:])


def chat(client: openai.OpenAI, name: str, sample: Sample) -> str:
    instruction = json.loads((DEMO / "prompt.json").read_text())["instruction"]
    message = {"role": "user", "content": instruction.format(input=sample["input"])}
    made = client.chat.completions.create(
        model=name,
        messages=[message],
        temperature=0,
        max_tokens=128,  # type: ignore[list-item]
    )
    return made.choices[0].message.content or ""


def default_sampling(client: openai.OpenAI, name: str, sample: Sample) -> str:
    body = {"model": name, "prompt": sample["tok_input"], "max_tokens": 128}
    made = client.post("/completions", body=body, cast_to=openai.types.Completion)
    return made.choices[0].text


MISTAKES: dict[str, Ask] = {
    "without the first token": without_first_token,
    "as a chat": chat,
    "cut after 16 tokens": partial(completion, max_tokens=16),
}


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    found: list[Sample] = json.loads((DEMO / "dataset" / "cnn_eval.json").read_text())
    return found[:SAMPLES]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[openai.OpenAI, str]]:
    need_vllm()
    config = yaml.safe_load((DEMO / "config.yaml").read_text())
    settings = ServerSettings.parse(config["server"], "demo", context={"root": ROOT})
    log = tmp_path_factory.mktemp("server") / "server.log"
    with (
        running_server(settings, DEMO / "model", log, forbidden=tuple(ServerFeature)) as running,
        openai.OpenAI(base_url=f"{running.endpoints[0]}/v1", api_key="none") as client,
    ):
        yield client, settings.model_name


def scores(
    ask: Ask, server: tuple[openai.OpenAI, str], samples: list[Sample], folder: Path
) -> dict[str, float]:
    """Return the metrics of the answers to some samples."""
    (folder / "cnn_eval.json").write_text(json.dumps(samples))
    task = load_benchmark("llama3.1-8b").task(DEMO / "prompt.json", DEMO / "model")
    truth = task.truth(folder, ("cnn_eval",))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda sample: ask(*server, sample), samples))
    return dict(task.score(truth, answers, range(len(answers))).metrics)


@pytest.fixture(scope="module")
def right(
    server: tuple[openai.OpenAI, str], samples: list[Sample], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, float]:
    """Return the metrics of the same samples asked rightly."""
    return scores(completion, server, samples, tmp_path_factory.mktemp("right"))


def test_asked_rightly_it_scores_as_recorded(right: dict[str, float]) -> None:
    round_ = load_round("llama-demo", "datacenter")
    for name in ("rouge1", "rouge2", "rougeL", "rougeLsum"):
        # A part of the samples varies about the mean of all.
        assert right[name] == pytest.approx(round_.metrics[name].reference_mean, rel=0.05)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_costs_the_score_that_the_round_asks_for(
    mistake: str,
    server: tuple[openai.OpenAI, str],
    samples: list[Sample],
    right: dict[str, float],
    tmp_path: Path,
) -> None:
    round_ = load_round("llama-demo", "datacenter")
    found = scores(MISTAKES[mistake], server, samples, tmp_path)
    failed = []
    for name, rules in round_.metrics.items():
        assert rules.floor is not None
        assert rules.reference_mean is not None
        share = found[name] / right[name]
        too_high = rules.ceiling is not None and share > rules.ceiling / rules.reference_mean
        if share < rules.floor / rules.reference_mean or too_high:
            failed.append(name)
    assert "rouge1" in failed, found


def test_a_client_that_leaves_the_sampling_out_gets_other_answers(
    server: tuple[openai.OpenAI, str], samples: list[Sample]
) -> None:
    greedy, sampled = (
        [ask(*server, sample) for sample in samples[:8]] for ask in (completion, default_sampling)
    )
    assert greedy == [completion(*server, sample) for sample in samples[:8]]
    assert greedy != sampled
