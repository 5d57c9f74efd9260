"""Two replicas of the demo on the real vLLM: both answer rightly, caching is off, prompts are counted."""

import json
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
import yaml
from pydantic import ValidationError
from snakemake.utils import update_config

from weighbridge.benchmarks.qwen3_vl.scoring import ProductAnswer
from weighbridge.benchmarks.qwen3_vl.token_counter import ChatTokenCounter
from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.closed_rules import ServerFeature
from weighbridge.config.request_settings import RequestSettings, Sampling
from weighbridge.config.server_settings import ServerSettings
from weighbridge.config.settings import Settings, portable_settings
from weighbridge.requests.store import RequestStore, build_store
from weighbridge.requests.token_counts import count
from weighbridge.serving.golden_answer import check_golden
from weighbridge.serving.running_server import RunningServer, running_server

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.vllm


@pytest.fixture(scope="module")
def settings() -> ServerSettings:
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    update_config(config, yaml.safe_load((ROOT / "demo" / "config.yaml").read_text()))
    config["server"]["replicas"] = 2
    return Settings.parse(config, "configuration", context={"root": ROOT}).server


@pytest.fixture(scope="module")
def store(settings: ServerSettings, tmp_path_factory: pytest.TempPathFactory) -> RequestStore:
    config = portable_settings(yaml.safe_load((ROOT / "config.yaml").read_text()), ROOT)
    return built(settings, config.requests, tmp_path_factory.mktemp("store") / "requests")


def built(settings: ServerSettings, requests: RequestSettings, out: Path) -> RequestStore:
    """Build the demo's store."""
    round_ = load_round("demo")
    build_store(
        dataset=ROOT / "demo" / "dataset",
        splits=round_.splits,
        prompt=ROOT / "demo" / "prompt.json",
        benchmark=round_.benchmark,
        expected_samples=round_.samples,
        model_name=settings.model_name,
        settings=requests,
        out=out,
        processes=2,
    )
    return RequestStore.open(out)


@pytest.fixture(scope="module")
def running(settings: ServerSettings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    if not Path(settings.executable).exists():
        pytest.skip("vLLM for CPUs is not installed; make setup does it")
    log = tmp_path_factory.mktemp("two") / "server.log"
    with running_server(settings, ROOT / "demo" / "model", log, forbidden=tuple(ServerFeature)) as servers:
        yield servers


def test_both_answer_as_recorded(
    running: RunningServer, settings: ServerSettings, store: RequestStore
) -> None:
    assert len(set(running.endpoints)) == 2
    assert running.prefix_caching == "off"
    assert settings.golden is not None
    sample = json.loads(settings.golden.read_text())["sample"]
    assert running.version
    for endpoint in running.endpoints:
        check_golden(
            endpoint, settings.golden, store.manifest.api, bytes(store.body(sample)), None, timeout_s=60
        )


def test_the_server_counts_the_tokens_that_we_counted(running: RunningServer, store: RequestStore) -> None:
    counted = count(store, ChatTokenCounter.of(ROOT / "demo" / "model"))
    with openai.OpenAI(base_url=f"{running.endpoints[1]}/v1", api_key="none") as client:
        for sample in range(0, len(store), 64):
            answer = client.chat.completions.create(**json.loads(bytes(store.body(sample))))
            assert answer.usage is not None
            assert answer.usage.prompt_tokens == counted[sample]


def test_guided_decoding_keeps_to_the_schema_where_free_decoding_does_not(
    running: RunningServer, settings: ServerSettings, tmp_path: Path
) -> None:
    """At a temperature at which the model of the demo writes nonsense: only the schema keeps it right."""
    wild = Sampling(temperature=2, max_tokens=120)
    choices = {}
    with openai.OpenAI(base_url=f"{running.endpoints[0]}/v1", api_key="none") as client:
        for guided in (False, True):
            requests = RequestSettings(guided_decoding=guided, sampling=wild)
            store = built(settings, requests, tmp_path / f"guided-{guided}")
            bodies = [json.loads(bytes(store.body(sample))) for sample in range(4)]
            choices[guided] = [client.chat.completions.create(**body).choices[0] for body in bodies]
    assert not all(follows(choice.message.content) for choice in choices[False])
    # The known request, which was recorded without it, is answered alike: it checks a run of either kind.
    assert settings.golden is not None
    known = json.loads(settings.golden.read_text())["sample"]
    check_golden(
        running.endpoints[0],
        settings.golden,
        store.manifest.api,
        bytes(store.body(known)),
        None,
        timeout_s=60,
    )
    for choice in choices[True]:
        # An answer that its length ended need not be whole.
        assert choice.finish_reason == "length" or follows(choice.message.content), choice


def follows(content: str | None) -> bool:
    """Return whether an answer follows the schema of answers."""
    try:
        ProductAnswer.model_validate_json(content or "")
    except ValidationError:
        return False
    return True
