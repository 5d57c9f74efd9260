"""Check that the performance run's answers are as long as the accuracy run's.

Where an answer is sampled, its length differs from run to run, so the runs are compared as distributions.
Three bounds, each of which an honest pair of runs misses by chance once in 1.7 million times (five standard
errors), plus a margin for what differs between runs beside chance, such as the order of sums in a batch:

- The means differ by at most 2 % and five standard errors. The error is that of the differences of single
  samples: about 1.1 % for 512 samples whose lengths differ by a quarter between runs, 0.1 % for 50,000; so
  the bound is about 8 % and 2.6 %. The rules of MLPerf's LLM benchmarks allow 10 % in tokens per sample.
- The distribution functions differ by at most 0.03 and 2.75 sqrt(1/n + 1/m) (Kolmogorov and Smirnov): 0.20
  for 512 samples, 0.05 for 50,000. Answers that are all short, and long ones cut to one length, differ by
  0.3 to 1.
- Where the requests demand greedy decoding, at least half of the answers of up to 256 tokens have the same
  number of tokens, within a tenth. Greedy decoding on a busy server is not exact: batches change the order
  of sums, and answers of a thousand tokens part somewhere after the first hundred. Short ones mostly do not.

Tokens are what the server says; bytes of text are what the client received, and cannot be pretended.
"""

import numpy as np

from weighbridge.config.round import Round
from weighbridge.gates.answer_checks import body_of
from weighbridge.gates.paired import Values, difference_of_means, largest_by_chance, largest_difference
from weighbridge.gates.request_rows import RequestRows
from weighbridge.records.run_record import RunRecord
from weighbridge.records.verdict import Check, Gate

_MARGIN = 0.02
_DISTRIBUTION_MARGIN = 0.03
# A comparison whose bound is wider shows nothing: too few samples, or a few answers that never ended.
_WIDEST_BOUND = 0.5
_FEWEST_SAMPLES = 30
_GREEDY_SHARE, _GREEDY_TOLERANCE, _GREEDY_TOKENS = 0.5, 0.1, 256
_REMEDY = (
    "The server answers otherwise in the performance run than in the accuracy run. Compare both run.json and "
    "server.log; nothing may treat the two runs differently. Repeat both."
)


def alike_checks(
    record: RunRecord, performance: RequestRows, accuracy: RequestRows, round_: Round
) -> list[Check]:
    """Compare the lengths of both runs' answers; failed requests are left out.

    Args:
        record: The performance run's run.json.
        performance: Its requests.
        accuracy: The accuracy run's requests.
        round_: The round.
    """
    gate = Gate(None)
    ours, theirs = performance.completed, accuracy.completed
    asked, answered = performance.sample[ours], accuracy.sample[theirs]
    if not _comparable(asked, answered, round_.samples):
        if round_.held_to_rules:
            gate.unknown("answers alike", "in both runs", "Repeat both runs with the whole dataset.")
        return gate.checks
    for what, mine, other in (
        ("answer tokens", performance.tokens[ours], accuracy.tokens[theirs]),
        ("answer bytes", performance.payload_bytes[ours], accuracy.payload_bytes[theirs]),
    ):
        by_sample = np.zeros(round_.samples)
        by_sample[answered] = other
        _means(gate, what, asked, mine, by_sample, round_)
        distance = largest_difference(mine, other)
        bound = _DISTRIBUTION_MARGIN + largest_by_chance(len(np.unique(asked)), len(other))
        gate.at_most(f"{what} as distribution", round(distance, 4), round(bound, 4), "", _REMEDY)
        if what == "answer tokens" and is_greedy(record):
            _single_answers(gate, mine, by_sample[asked])
    return gate.checks


def is_greedy(record: RunRecord) -> bool:
    """Return whether the requests demand that the likeliest token is always taken."""
    body = body_of(record)
    settings = record.requests.sampling.temperature if record.requests else None
    return body.get("temperature") == 0 or settings == 0 or body.get("top_k") == 1


def _comparable(asked: Values, answered: Values, samples: int) -> bool:
    """Return whether there are enough samples, each of which the accuracy run answered; it asks each once."""
    if len(answered) < _FEWEST_SAMPLES or len(answered) != samples or not len(asked):
        return False
    numbers = np.unique(answered)
    inside = int(asked.min()) >= 0 and int(asked.max()) < samples
    return inside and len(numbers) == samples and int(numbers[-1]) == samples - 1


def _means(gate: Gate, what: str, asked: Values, mine: Values, by_sample: Values, round_: Round) -> None:
    difference = difference_of_means(asked, mine, by_sample)
    bound = difference.bound(_MARGIN)
    passed = abs(difference.value) <= bound
    if passed and bound > _WIDEST_BOUND:
        if round_.held_to_rules:
            remedy = (
                "The answers' lengths differ too much from sample to sample to be compared; see run.json."
            )
            gate.unknown(f"{what} on average", "alike in both runs", remedy)
        return
    value = f"{100 * difference.value:+.2f} % of the accuracy run's"
    gate.holds(f"{what} on average", value, f"within {100 * bound:.2f} %", passed, _REMEDY)


def _single_answers(gate: Gate, mine: Values, other: Values) -> None:
    short = other <= _GREEDY_TOKENS
    if int(short.sum()) < _FEWEST_SAMPLES:
        return
    near = np.abs(mine[short] - other[short]) <= np.maximum(1, _GREEDY_TOLERANCE * other[short])
    share = round(float(near.mean()), 4)
    gate.at_least("greedy answers of the same tokens", share, _GREEDY_SHARE, "of the answers", _REMEDY)
