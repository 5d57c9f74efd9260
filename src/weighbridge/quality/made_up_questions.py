"""Write a small set of made-up questions in the form of cais/mmlu: one subject of each domain.

They show that the protocol works, from file to score; what a model scores on them means nothing. They are
so short that five solved ones and one more fit into the context of the demo's model.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from weighbridge.core.errors import InputError
from weighbridge.quality.questions import DEV_SPLIT, FEWEST_DEV, TEST_SPLIT, set_definitions

MOST_QUESTIONS = 1000
"""Of each subject; more would be alike."""

_SEED = 20261201
_SCHEMA = pa.schema(
    [
        ("question", pa.string()),
        ("subject", pa.string()),
        ("choices", pa.list_(pa.string())),
        ("answer", pa.int64()),
    ]
)
_WARS = ("Alder", "Birk", "Corin", "Dalia", "Edwin", "Farah", "Gustav", "Hanna", "Ivo", "Kerim")
_GOODS = ("crate", "barrel", "basket", "cart", "rope", "lamp", "chair", "coat", "bell", "map")
_WORDS = (
    *("apple", "bread", "candle", "door", "engine", "flood", "garden", "harbour", "island", "journey"),
    *("kitchen", "library", "market", "night", "orchard", "pilot", "queen", "river", "school", "tower"),
    *("uncle", "village", "water", "year"),
)

_Draw = Callable[[np.random.Generator], tuple[str, list[str]]]
"""Makes a question and its four choices, the right one first."""


def write_made_up_questions(questions: int, folder: Path) -> None:
    """Write the Parquet files; the same number gives the same questions.

    Args:
        questions: Number of each subject that can be asked; five more are shown solved.
        folder: Is made.

    Raises:
        InputError: so many different questions cannot be made.
    """
    if questions > MOST_QUESTIONS:
        raise InputError(f"synthetic: {questions:,} made-up questions; at most {MOST_QUESTIONS:,} are there.")
    rows: dict[str, list[dict[str, object]]] = {DEV_SPLIT: [], TEST_SPLIT: []}
    for number, subject in enumerate(sorted(set_definitions().synthetic.domain_of)):
        made = _rows(subject, FEWEST_DEV + questions, np.random.default_rng([_SEED, number]))
        rows[DEV_SPLIT] += made[:FEWEST_DEV]
        rows[TEST_SPLIT] += made[FEWEST_DEV:]
    for split, content in rows.items():
        file = folder / f"{split}-00000-of-00001.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(content, schema=_SCHEMA), file)


def _rows(subject: str, count: int, random: np.random.Generator) -> list[dict[str, object]]:
    """Return different questions, the first five and the others with each letter equally often."""
    draw, known = _DRAWS[subject], set[tuple[str, ...]]()
    rows: list[dict[str, object]] = []
    letters = [*_letters(FEWEST_DEV, random), *_letters(count - FEWEST_DEV, random)]
    while len(rows) < count:
        question, choices = draw(random)
        alike = (question, *sorted(choices))
        if alike in known:
            continue
        known.add(alike)
        answer = letters[len(rows)]
        others = choices[1:]
        ordered = [*others[:answer], choices[0], *others[answer:]]
        rows.append({"question": question, "subject": subject, "choices": ordered, "answer": answer})
    return rows


def _letters(count: int, random: np.random.Generator) -> Sequence[int]:
    letters: list[int] = random.permutation(np.arange(count) % 4).tolist()
    return letters


def _arithmetic(random: np.random.Generator) -> tuple[str, list[str]]:
    first, second = random.integers(10, 90, 2).tolist()
    return f"What is {first} plus {second}?", _numbers(first + second, random)


def _history(random: np.random.Generator) -> tuple[str, list[str]]:
    war = _WARS[random.integers(len(_WARS))]
    begin, years = int(random.integers(1200, 1900)), int(random.integers(2, 30))
    asked = f"The war of {war} began in {begin} and lasted {years} years. When did it end?"
    return asked, _numbers(begin + years, random)


def _trade(random: np.random.Generator) -> tuple[str, list[str]]:
    good = _GOODS[random.integers(len(_GOODS))]
    price, count = random.integers(4, 20, 2).tolist()
    return f"One {good} costs {price} crowns. What do {count} cost?", _numbers(price * count, random)


def _words(random: np.random.Generator) -> tuple[str, list[str]]:
    chosen = sorted(random.permutation(_WORDS)[:4].tolist())
    return "Which word comes first in the alphabet?", [chosen[0], *random.permutation(chosen[1:]).tolist()]


def _numbers(right: int, random: np.random.Generator) -> list[str]:
    """Return a number and three others near it."""
    offsets = random.permutation([-10, -2, -1, 1, 2, 10, 11])[:3].tolist()
    return [str(right), *(str(right + offset) for offset in offsets)]


_DRAWS: dict[str, _Draw] = {
    "made_up_arithmetic": _arithmetic,
    "made_up_history": _history,
    "made_up_trade": _trade,
    "made_up_words": _words,
}
