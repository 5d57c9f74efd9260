"""Print how often the interval of a difference in accuracy holds the truth, and what is found of it.

    python bench/answer_differences.py [--draws 10000]

Each figure is a share of draws of questions whose truth is known, judged by quality/paired_answers.py. A is
right in 65 % of the questions, and `apart` is the share that one answers right and the other does not.
"""

import argparse
from collections import Counter

import numpy as np

from weighbridge.quality.paired_answers import finding_of, paired_counts
from weighbridge.records.quality_comparison import QUALITY_MARGIN, QualityFinding

RIGHT = 0.65
QUESTIONS = (100, 570, 1000, 14_042)
APART = (0.02, 0.05, 0.15)
DIFFERENCES = (0.0, -0.005, -0.01, -0.02)
SEED = 2026
FINDINGS = tuple(finding for finding in QualityFinding if finding is not QualityFinding.NOT_COMPARABLE)


def shares(apart: float, difference: float) -> tuple[float, float, float, float]:
    """Return how likely a question is answered right by both, by A alone, by B alone, and by neither."""
    only_a, only_b = (apart - difference) / 2, (apart + difference) / 2
    return RIGHT - only_a, only_a, only_b, 1 - RIGHT - only_b


def judged(rng: np.random.Generator, draws: int, n: int, apart: float, difference: float) -> str:
    """Return a line: coverage, half-width, and the share of each finding."""
    drawn = Counter(map(tuple, rng.multinomial(n, shares(apart, difference), size=draws).tolist()))
    held = width = independent = 0.0
    found: Counter[QualityFinding] = Counter()
    for (both, only_a, only_b, neither), count in drawn.items():
        paired = paired_counts(both, only_a, only_b, neither)
        held += count * (paired.low <= difference <= paired.high)
        width += count * (paired.high - paired.low) / 2
        found[finding_of(paired, paired.p, QUALITY_MARGIN)] += count
        a, b = paired.accuracy_a, paired.accuracy_b
        independent += count * 1.96 * ((a * (1 - a) + b * (1 - b)) / n) ** 0.5
    rates = "".join(f"{found[finding] / draws:14.1%}" for finding in FINDINGS)
    return (
        f"{n:9,} {apart:7.0%} {100 * difference:11.1f} {held / draws:10.1%} {100 * width / draws:11.2f} "
        f"{100 * independent / draws:14.2f}{rates}"
    )


def main() -> None:
    """Print a line for each number of questions, share apart, and difference."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=10_000)
    draws = parser.parse_args().draws
    rng = np.random.default_rng(SEED)
    names = "".join(f"{finding:>14}" for finding in FINDINGS)
    print(f"questions   apart  difference   coverage  half-width  if not paired{names}")
    for n in QUESTIONS:
        for apart in APART:
            for difference in DIFFERENCES:
                if apart >= abs(difference):
                    print(judged(rng, draws, n, apart, difference))


if __name__ == "__main__":
    main()
