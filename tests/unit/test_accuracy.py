"""Accuracies and their standard errors beside lm-evaluation-harness's own functions, and their intervals."""

import json
import math
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from weighbridge.evaluation.intervals import wilson_interval
from weighbridge.quality.accuracy import AnswerCounts, accuracy_of, pooled_stderr

HARNESS = Path(__file__).parents[2] / ".venv-quality" / "bin" / "python"
# Prints, for each list of [correct, n], the harness's stderr of each task and of the group.
ASK_HARNESS = """
import json, sys
from lm_eval.api.metrics import mean_stderr, pooled_sample_stderr
for group in json.loads(sys.argv[1]):
    each = [mean_stderr([1.0] * right + [0.0] * (n - right)) for right, n in group]
    print(json.dumps([each, float(pooled_sample_stderr(each, [n for _, n in group]))]))
"""
SUBJECTS = st.integers(1, 1534).flatmap(lambda n: st.builds(AnswerCounts, st.integers(0, n), st.just(n)))


def test_standard_errors_are_those_of_the_harness() -> None:
    if not HARNESS.exists():
        pytest.skip("lm-evaluation-harness is not installed here: run make setup-quality")
    groups = [[(27, 100), (311, 311), (0, 2), (1, 3)], [(17, 30), (8, 30), (6, 30), (7, 30)], [(895, 1534)]]
    command = [HARNESS, "-c", ASK_HARNESS, json.dumps(groups)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for group, line in zip(groups, done.stdout.splitlines()[-len(groups) :], strict=True):
        subjects = [AnswerCounts(correct, n) for correct, n in group]
        each, pooled = json.loads(line)
        assert [subject.stderr for subject in subjects] == pytest.approx(each, rel=1e-12)
        assert pooled_stderr(subjects) == pytest.approx(pooled, rel=1e-12)


def test_a_single_question_has_no_standard_error_and_adds_none() -> None:
    assert AnswerCounts(1, 1).stderr is None
    assert pooled_stderr([AnswerCounts(1, 1), AnswerCounts(0, 1)]) is None
    several = [AnswerCounts(1, 1), AnswerCounts(3, 4)]
    # The harness's formula with any number for the subject of size 1, which it multiplies by 0.
    assert pooled_stderr(several) == pytest.approx(math.sqrt(3 * (0.75 * 0.25 / 3) * 4 / 3 / 5))


@given(st.lists(SUBJECTS, min_size=1, max_size=57))
def test_the_accuracy_of_a_group_counts_every_question_once(subjects: list[AnswerCounts]) -> None:
    found = accuracy_of(subjects)
    assert found.accuracy == sum(each.correct for each in subjects) / sum(each.n for each in subjects)
    assert 0 <= found.low <= found.accuracy <= found.high <= 1
    assert found.low < found.high
    if len(subjects) == 1:
        assert found.stderr == pytest.approx(subjects[0].stderr)


@given(SUBJECTS)
def test_the_interval_is_wilsons(subject: AnswerCounts) -> None:
    expected = binomtest(subject.correct, subject.n).proportion_ci(0.95, method="wilson")
    low, high = wilson_interval(subject.correct, subject.n)
    assert (low, high) == pytest.approx((expected.low, expected.high), rel=1e-6, abs=1e-9)


def test_no_question_has_no_accuracy() -> None:
    for correct, n in ((0, 0), (3, 2), (-1, 2)):
        with pytest.raises(ValueError, match="is no share"):
            accuracy_of([AnswerCounts(correct, n)])
