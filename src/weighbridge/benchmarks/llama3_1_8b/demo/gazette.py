"""Write articles of an invented village gazette, each with its highlights of three lines.

Three sentences of an article carry a fact; the others are distractors with names, amounts and weekdays of
their own. Each highlight shortens one fact, and its verb is drawn from three synonyms: what no reader could
know, so that the best possible summary has a ROUGE-1 of about 90, not 100.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from village import (
    AMOUNTS,
    BODIES,
    CAUSES,
    DEEDS,
    DISTRACTORS,
    ENDS,
    EVENTS,
    FIRST_NAMES,
    GRANTS,
    LAST_NAMES,
    OUTCOMES,
    PLACES,
    ROLES,
    TALKS,
    WEEKDAYS,
    WHENS,
)  # fmt: skip

SENTENCES = (6, 9)
FACTS = 3
# One in so many pairs of names, and of amounts and causes, occurs in the dataset alone.
HELD_OUT_SHARE = 8


@dataclass(frozen=True)
class Article:
    """An article of one paragraph, and its highlights: three lines, each ending in " ."."""

    text: str
    highlights: str


def write_articles(seed: int, *, held_out: bool, sentences: tuple[int, int] = SENTENCES) -> Iterator[Article]:
    """Yield articles endlessly, the same for the same arguments.

    Args:
        seed: Of the generator.
        held_out: Whether to draw only the pairs of words that training never sees, or only the others.
        sentences: The smallest and the largest number of sentences.
    """
    draw = random.Random(seed)
    while True:
        facts = [_deed(draw, held_out), _grant(draw, held_out), _event(draw)]
        told = [sentence for sentence, _ in facts]
        draw.shuffle(told)
        count = draw.randint(*sentences) - FACTS
        for template in draw.sample(DISTRACTORS, count):
            told.insert(draw.randint(0, len(told)), _filled(template, draw))
        yield Article(" ".join(told), "\n".join(line for _, line in facts))


def _deed(draw: random.Random, held_out: bool) -> tuple[str, str]:
    """Return what a person did, and its highlight."""
    first, last = _pair(draw, FIRST_NAMES, LAST_NAMES, held_out)
    deed, place = draw.choice(DEEDS), draw.choice(PLACES)
    thing = draw.choice(deed.things)
    sentence = (
        f"{first} {last}, the {draw.choice(ROLES)} of {place}, {deed.told} {thing} {draw.choice(WHENS)}."
    )
    return sentence, f"{first} {last} {draw.choice(deed.verbs)} {thing} in {place} ."


def _grant(draw: random.Random, held_out: bool) -> tuple[str, str]:
    """Return what was paid for, and its highlight."""
    amount, cause = _pair(draw, AMOUNTS, CAUSES, held_out)
    body = draw.choice(BODIES)
    sentence = f"{draw.choice(TALKS)} the {body} set aside {amount} crowns for {cause}."
    return sentence, f"{body.capitalize()} {draw.choice(GRANTS)} {amount} crowns for {cause} ."


def _event(draw: random.Random) -> tuple[str, str]:
    """Return how an event ended, and its highlight."""
    day, event, outcome = draw.choice(WEEKDAYS), draw.choice(EVENTS), draw.choice(OUTCOMES)
    sentence = f"The {event} on {day} went on until dusk and came to a close with {outcome}."
    return sentence, f"{day} {event} {draw.choice(ENDS)} with {outcome} ."


def _pair(
    draw: random.Random, left: tuple[str, ...], right: tuple[str, ...], held_out: bool
) -> tuple[str, str]:
    """Return a pair of words that the dataset has alone, or one that training may see."""
    while True:
        a, b = draw.randrange(len(left)), draw.randrange(len(right))
        if ((3 * a + b) % HELD_OUT_SHARE == 0) is held_out:
            return left[a], right[b]


def _filled(template: str, draw: random.Random) -> str:
    return template.format(
        first=draw.choice(FIRST_NAMES),
        last=draw.choice(LAST_NAMES),
        place=draw.choice(PLACES),
        day=draw.choice(WEEKDAYS),
        amount=draw.choice(AMOUNTS),
        role=draw.choice(ROLES),
    )
