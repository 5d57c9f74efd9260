"""The letter that a model's text chooses: by which rule, and where none is chosen."""

import pytest

from weighbridge.quality.answer_letter import letter_of


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        # A letter at the beginning.
        ("B", "B"),
        (" C", "C"),
        ("(D)", "D"),
        ("**A**", "A"),
        ("B.", "B"),
        ("B) Paris", "B"),
        ("(B). Paris is its capital", "B"),
        ("C: because A and B are wrong", "C"),
        ("A, as a matter of fact", "A"),
        ("D\n\nBecause B is wrong.", "D"),
        ("b", "B"),
        ("(c).", "C"),
        # What is said to be the answer, wherever it stands.
        ("The answer is C.", "C"),
        ("The best answer is (B), not A.", "B"),
        ("A and B are close, but the answer is **D**", "D"),
        ("Answer: A", "A"),
        ("answer is $\\boxed{C}$", "C"),
        ("The correct answer is: B. Paris", "B"),
        ("B is tempting. The answer is A good deal harder to find. The answer is C", "C"),
        # The only letter that stands alone.
        ("I would choose option C here", "C"),
        ("It must be B, since a dog is a mammal.", "B"),
        ("A good choice is D", "D"),
        ("A is right", "A"),
        ("Don't know, perhaps B", "B"),
        # After a reasoning.
        ("<think>It may be A or B.</think>\n\nB", "B"),
        ("first A</think>The answer is D", "D"),
    ],
)
def test_a_text_chooses_a_letter(text: str, letter: str) -> None:
    assert letter_of(text) == letter


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I do not know.",
        "A good answer is not among these.",
        "Between A and B",
        "E",
        "Because",
        "ABCD",
        "D'Artagnan",
        "<think>The answer is B, or is it",
        "The answer is B</think>",
        "a bad question",
    ],
)
def test_a_text_chooses_none(text: str) -> None:
    assert letter_of(text) is None
