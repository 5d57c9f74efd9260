"""The demo of llama3.1-8b: its dataset is as its scripts write it, its floors are 99 % of its means."""

import json
from itertools import islice
from pathlib import Path

import pytest

from weighbridge.benchmarks.registry import load_benchmark
from weighbridge.benchmarks.rounds import load_round

DEMO = Path(__file__).parents[2] / "src" / "weighbridge" / "benchmarks" / "llama3_1_8b" / "demo"
CATEGORIES = ("datacenter", "edge")


@pytest.mark.parametrize("category", CATEGORIES)
def test_the_dataset_has_the_articles_that_the_script_writes(
    category: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(DEMO))
    from gazette import write_articles

    [split] = load_round("llama-demo", category).splits
    samples = json.loads((DEMO / "dataset" / f"{split}.json").read_text())
    written = islice(write_articles(20_261, held_out=True), len(samples))
    assert [(article.text, article.highlights) for article in written] == [
        (sample["input"], sample["output"]) for sample in samples
    ]


@pytest.mark.parametrize("category", CATEGORIES)
def test_prompts_are_what_instruction_and_tokenizer_make_of_the_articles(category: str) -> None:
    round_ = load_round("llama-demo", category)
    benchmark = load_benchmark(round_.benchmark)
    benchmark.check_prompt(DEMO / "prompt.json", round_.prompt)
    task = benchmark.task(DEMO / "prompt.json", DEMO / "model")
    samples = task.samples(DEMO / "dataset", round_.splits)
    assert len(samples.frame(list(task.columns))) == round_.samples
    assert task.check_samples(samples) == ()


def test_training_sees_no_pair_of_names_of_the_dataset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DEMO))
    from gazette import write_articles

    def pairs(*, held_out: bool) -> set[tuple[str, ...]]:
        articles = islice(write_articles(3, held_out=held_out), 3000)
        return {tuple(article.highlights.split()[:2]) for article in articles}

    assert pairs(held_out=True).isdisjoint(pairs(held_out=False))


@pytest.mark.parametrize("category", CATEGORIES)
def test_the_round_asks_for_99_percent_of_its_means(category: str) -> None:
    metrics = dict(load_round("llama-demo", category).metrics)
    length = metrics.pop("gen_len")
    assert length.reference_mean is not None
    assert length.floor == pytest.approx(0.9 * length.reference_mean)
    assert length.ceiling == pytest.approx(1.1 * length.reference_mean)
    assert len(metrics) == 4
    for rules in metrics.values():
        assert rules.reference_mean is not None
        assert rules.floor == pytest.approx(0.99 * rules.reference_mean, rel=1e-5)
