"""The notices of what is not submittable, and the search for them."""

import pytest
from loadgen_files import small_round

from weighbridge.config.round import Round
from weighbridge.records.notice import PLACEHOLDER, SIMULATED_BY, heading_of, mark_in, mark_of, reason_of

ROUNDS = [
    small_round(),
    small_round(simulated=True),
    small_round(not_submittable_because="round v6.1 runs on another client"),
]


@pytest.mark.parametrize("round_", ROUNDS)
def test_every_notice_is_found(round_: Round) -> None:
    for text in (mark_of(round_), heading_of(round_)):
        assert mark_in(f"| a | table |\n{text}\n") is not None


def test_the_simulated_server_and_a_gap_of_a_demonstration_are_found() -> None:
    for text in (SIMULATED_BY, PLACEHOLDER, reason_of(ROUNDS[2]), "Not Submittable"):
        assert mark_in(text) is not None


@pytest.mark.parametrize("text", ["", "Results", '{"f1": 0.79}', "by Demonstration Inc.", "vLLM 0.12"])
def test_other_texts_have_no_notice(text: str) -> None:
    assert mark_in(text) is None
