"""The demo's model for the official client: its chat template makes the demo's prompt of the client's."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from weighbridge.benchmarks.qwen3_vl.prompt import Prompt
from weighbridge.benchmarks.qwen3_vl.task import ProductCatalogue
from weighbridge.config.request_settings import RequestSettings
from weighbridge.core.dataset_files import DatasetSamples

DEMO = Path(__file__).parents[2] / "src/weighbridge/benchmarks/qwen3_vl/demo"
# The client's fences and their languages; its words are not in this repository.
LIKE_CLIENT = Prompt(
    system="Reply like this:\n```json\n{}\n```\n",
    user="Title:\n```text\n@TITLE@\n```\n\nText:\n```text\n@DESC@\n```\nOf:\n```json\n@CATS_JSON@\n```\n",
)


@pytest.fixture(scope="module")
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("client_model", DEMO / "client_model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_folder_is_as_the_program_makes_it(program: ModuleType) -> None:
    model, of_client = DEMO / "model", DEMO / "client-model"
    assert {file.name for file in of_client.iterdir()} == {file.name for file in model.iterdir()}
    for file in model.iterdir():
        if file.name != program.TEMPLATE:
            assert (of_client / file.name).resolve() == file.resolve()
    prompt = json.loads((DEMO / "prompt.json").read_text())
    made = program.client_template((model / program.TEMPLATE).read_text(), prompt)
    assert made == (of_client / program.TEMPLATE).read_text()


def test_the_model_sees_the_prompt_that_it_was_trained_on() -> None:
    own = ProductCatalogue.with_prompt(DEMO / "prompt.json")
    of_client = ProductCatalogue(LIKE_CLIENT)
    rows = DatasetSamples.of(DEMO / "dataset", ["test"]).rows([*own.columns], range(20))
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)

    def seen(folder: str, task: ProductCatalogue, sample: int) -> str:
        template = environment.from_string((DEMO / folder / "chat_template.jinja").read_text())
        messages = task.prompt_of(rows[sample], RequestSettings(picture="original"))
        return template.render(messages=messages, add_generation_prompt=True)

    for sample in rows:
        assert seen("client-model", of_client, sample) == seen("model", own, sample)
