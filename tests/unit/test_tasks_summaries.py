"""Scores of summaries: rouge_score and NLTK themselves, added up and printed as the reference does."""

import ast
import multiprocessing
import os
import random
import re
from collections.abc import Sequence
from importlib.util import find_spec, module_from_spec
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas import DataFrame

from weighbridge.benchmarks.llama3_1_8b import rouge, scoring
from weighbridge.benchmarks.llama3_1_8b.rouge import KINDS, SummaryScorer, compare_all, lcs_table
from weighbridge.benchmarks.rounds import load_round
from weighbridge.core.errors import SetupError
from weighbridge.records.score import Score, scores_in


def _untouched() -> ModuleType:
    """Return a copy of rouge_score's module in which nothing is replaced."""
    found = find_spec("rouge_score.rouge_scorer")
    assert found is not None
    assert found.loader is not None
    module = module_from_spec(found)
    found.loader.exec_module(module)
    return module


ROUGE_SCORE = _untouched()
BY_HAND = ROUGE_SCORE.RougeScorer([*KINDS], use_stemmer=True)
SCORER = SummaryScorer()
# The official checker's patterns, in our own words: a name in single quotes, a blank, a number.
OF_CHECKER = {
    **{kind: re.compile(rf".*'{kind}':\s+'?([0-9.]+)'?.*") for kind in KINDS},
    "gen_len": re.compile(r".*'gen_len':\s([0-9.]+).*"),
}


def _truth(references: Sequence[str], characters: Sequence[int] | None = None) -> DataFrame:
    lengths = [7 * len(text) for text in references] if characters is None else characters
    return DataFrame({"summary": references, "article_characters": lengths})


def _texts(count: int, seed: int) -> list[str]:
    drawn = random.Random(seed)
    words = (
        "The mayor of Leeds said running runners ran 3.5 miles in the U.S. on Monday . Mr. O'Neil won't go !"
    )
    return [
        "\n".join(" ".join(drawn.choices(words.split(), k=9)) for _ in range(drawn.randint(0, 4)))
        for _ in range(count)
    ]


WORDS = st.sampled_from(
    ["Mr.", "Smith", "smiths", "U.S.", "won.", "win", "Yes!", "É", "3.5", "\n", " . ", "“so.”"]
)
TEXT = st.one_of(st.text(max_size=40), st.lists(WORDS, max_size=25).map(" ".join))


@settings(max_examples=200)
@given(TEXT, TEXT)
def test_each_score_is_rouge_scores_own(reference: str, summary: str) -> None:
    compared = SCORER.compare(reference, summary)
    expected = BY_HAND.score(SCORER.split(reference), SCORER.split(summary))
    assert compared == (*(expected[kind].fmeasure for kind in KINDS), len(SCORER.split(summary)))


SHORT = st.lists(st.sampled_from("abcd"), max_size=12)


@given(SHORT, SHORT)
def test_the_table_of_subsequences_is_rouge_scores_own(reference: list[str], candidate: list[str]) -> None:
    assert lcs_table(reference, candidate) == ROUGE_SCORE._lcs_table(reference, candidate)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        # What nltk.sent_tokenize 3.9.1 returns with NLTK's own punkt_tab.
        (" Mr. Smith left . He is back .\n", ["Mr. Smith left .", "He is back ."]),
        ("It costs $3.5. Dr. No went to St. Paul.", ["It costs $3.5.", "Dr. No went to St. Paul."]),
        ("The U.S. He said. Why?! Yes... no", ["The U.S.", "He said.", "Why?!", "Yes... no"]),
        ("Wait!!! . e.g. ! Yes", ["Wait!!!", ".", "e.g.", "!", "Yes"]),
        ("“He said.” Then he left.", ["“He said.” Then he left."]),
        ("One line\nanother line. Third", ["One line\nanother line.", "Third"]),
        ("", []),
    ],
)
def test_sentences_are_those_of_nltk(text: str, sentences: list[str]) -> None:
    assert SCORER.split(text) == "\n".join(sentences)


@pytest.mark.parametrize("count", [10, 600], ids=["here", "in other processes"])
def test_the_reference_by_hand_prints_the_same_line(count: int) -> None:
    references, summaries = _texts(count, 1), _texts(count, 2)
    order = random.Random(3).sample(range(count), count)
    line = scoring.accuracy_line(scoring.score(_truth(references), summaries, order))
    # evaluation.py of the reference, in the log's order.
    targets = [SCORER.split(references[index]) for index in order]
    predictions = [SCORER.split(summaries[index]) for index in order]
    scores = [BY_HAND.score(*pair) for pair in zip(targets, predictions, strict=True)]
    result: dict[str, object] = {
        kind: f"{round(np.mean([each[kind].fmeasure for each in scores]) * 100, 4)}" for kind in KINDS
    }
    result |= {"gen_len": sum(map(len, predictions)), "gen_num": count}
    assert line == str(result)


def test_the_line_is_read_by_the_official_checker_and_by_ours() -> None:
    metrics = {
        "rouge1": 38.77,
        "rouge2": 15.907512345,
        "rougeL": 24.0,
        "rougeLsum": 35.79296,
        "gen_len": 8178793.0,
    }
    line = scoring.accuracy_line(Score(samples=13368, unparsable=0, metrics=metrics, baselines={}, seed=1))
    assert line == (
        "{'rouge1': '38.77', 'rouge2': '15.9075', 'rougeL': '24.0', 'rougeLsum': '35.793', "
        "'gen_len': 8178793, 'gen_num': 13368}"
    )
    for metric, pattern in OF_CHECKER.items():
        match = pattern.match(line)
        assert match
        assert scores_in([line], metric, "python") == [match[1]]
    assert ast.literal_eval(line)["gen_num"] == 13368


def test_values_per_sample_add_up_to_the_scores() -> None:
    references, summaries = _texts(40, 4), _texts(40, 5)
    truth = _truth(references)
    score, divided = scoring.score(truth, summaries, range(40)), scoring.per_sample(truth, summaries)
    assert {each.name: each.value for each in divided.measures} == pytest.approx(score.metrics)
    assert [each.name for each in divided.measures] == list(load_round("llama3.1-8b/v6.0@edge").metrics)
    assert score.unparsable == int((~divided.readable).sum()) == summaries.count("") > 0


def test_articles_are_grouped_by_length() -> None:
    references = ["a"] * 8
    groups = scoring.per_sample(
        _truth(references, [800, 100, 200, 300, 400, 500, 600, 700]), references
    ).groups
    assert groups[1] == groups[2] == "articles of 100 to 200 characters"
    assert groups[0] == groups[7] == "articles of 700 to 800 characters"
    assert len(set(groups)) == 4
    alike = scoring.per_sample(_truth(references, [1000] * 8), references).groups
    assert set(alike) == {"articles of 1,000 to 1,000 characters"}


def test_the_baseline_is_that_of_other_articles() -> None:
    references = [f"person{index} met person{index + 100} ." for index in range(30)]
    score = scoring.score(_truth(references), references, range(30))
    assert score.metrics["rouge1"] == pytest.approx(100)
    assert score.baselines["rouge1"] == pytest.approx(100 / 3)
    assert set(score.baselines) == set(KINDS)
    assert scoring.score(_truth(["a"]), ["a"], [0]).baselines == {}


def test_a_scoring_process_that_is_killed_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rouge, "_start", _killed)
    with pytest.raises(SetupError, match="scoring processes was killed"):
        compare_all(["a"] * 600, ["a"] * 600)
    assert not multiprocessing.active_children()


def _killed(_parent: int) -> None:
    os._exit(9)
