"""Prompt lengths: images as transformers counts them, the demo's prompts, and prompts that do not fit."""

import dataclasses
from pathlib import Path

import pytest

from weighbridge.benchmarks.qwen3_vl.token_counter import ChatTokenCounter
from weighbridge.config.request_settings import RequestSettings
from weighbridge.core.errors import InputError
from weighbridge.requests.store import RequestStore, build_store
from weighbridge.requests.token_counts import check_lengths, count

SIZES = [(128, 128), (640, 480), (4000, 3000), (33, 47), (10000, 60), (1, 1), (1365, 2048), (16, 500)]
# smart_resize of transformers 4.57.5, for the demo's bounds and for those of Qwen3-VL.
TOKENS = {
    (16384, 16384): [16, 12, 12, 20, 51, 16, 12, 23],
    (65536, 16777216): [64, 300, 11750, 70, 624, 64, 2752, 90],
}
# Prompts of the demo by sample, as Qwen3VLProcessor of transformers 4.57.5 counts them.
OPTION = "--max-model-len"
PROMPTS = {0: 244, 1: 248, 7: 244, 100: 252, 333: 255}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("store") / "requests"
    demo = Path(__file__).parents[2] / "demo"
    build_store(
        dataset=demo / "dataset",
        splits=("train", "test"),
        prompt=demo / "prompt.json",
        benchmark="qwen3-vl-235b-a22b",
        expected_samples=512,
        model_name="tiny",
        settings=RequestSettings(),
        out=out,
        processes=2,
    )
    return out


@pytest.mark.parametrize("bounds", TOKENS)
def test_images_are_resized_as_the_model_does(root: Path, bounds: tuple[int, int]) -> None:
    counter = ChatTokenCounter.of(root / "demo" / "model")
    assert counter.factor == 32
    counter = dataclasses.replace(counter, smallest=bounds[0], largest=bounds[1])
    assert [counter.image_tokens(*size) for size in SIZES] == TOKENS[bounds]


def test_prompts_are_counted_as_the_models_processor_does(root: Path, store: Path) -> None:
    tokens = count(RequestStore.open(store), ChatTokenCounter.of(root / "demo" / "model"))
    assert len(tokens) == 512
    assert {sample: int(tokens[sample]) for sample in PROMPTS} == PROMPTS


def test_prompts_that_do_not_fit_are_named_with_a_sufficient_limit(root: Path, store: Path) -> None:
    model = root / "demo" / "model"
    fits = check_lengths(store, model, 4000, OPTION)
    assert fits is not None
    assert fits.limit == 4000
    longest = fits.longest[0]
    exactly = longest.tokens + 150
    assert check_lengths(store, model, exactly, OPTION) is not None
    with pytest.raises(InputError) as caught:
        check_lengths(store, model, exactly - 1, OPTION)
    assert f"sample {longest.sample} ({longest.tokens} tokens)" in str(caught.value)
    assert f"set --max-model-len={exactly} or more" in str(caught.value)


def test_the_models_own_limit_is_the_default(root: Path, store: Path) -> None:
    found = check_lengths(store, root / "demo" / "model", None, OPTION)
    assert found is not None
    assert found.limit == 4096


def test_a_model_without_a_tokenizer_is_not_counted(tmp_path: Path, store: Path) -> None:
    assert check_lengths(store, tmp_path, None, OPTION) is None
