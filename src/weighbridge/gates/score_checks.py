"""Check the score against the answers: scored again, and compared with answers of the performance run.

A share of the performance run's answers is kept, drawn without looking at them. They are scored by the
benchmark's own scorer, and so are the accuracy run's answers to the same samples. The two scores may differ
by 2 % of the accuracy run's and five standard errors of the paired difference, which an honest pair of runs
misses by chance once in 1.7 million times. At least 256 answers are needed: if sampling alone turns a quarter
of the answers from right to wrong or back, at a score of 0.78, the bound is 22 % of the score then, and 9 %
with 2,000. Answers without content score nothing, random ones about a third less. Whether answers can be read
is compared alike.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from pandas import DataFrame

from weighbridge.benchmarks.protocol import PerSample, Task
from weighbridge.client.kept_answers import KeptAnswer, read_kept_answers
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode
from weighbridge.core.errors import InputError
from weighbridge.core.files import sha256_of
from weighbridge.evaluation.answer_log import answer_log, has_answers
from weighbridge.evaluation.evaluate import read_texts, read_truth, score_log
from weighbridge.gates.closed_checks import Inputs
from weighbridge.gates.paired import RunDifference, difference_of_ratios
from weighbridge.gates.request_rows import RequestRows
from weighbridge.records.run_record import SAMPLED_ANSWERS
from weighbridge.records.score import Evaluation
from weighbridge.records.verdict import Check, Gate

_OF_LOG, _AGAIN = "score of this log", "score computed again"
_RECORDED, _ALIKE, _READABLE = (
    "sampled answers as received",
    "sampled answers' score",
    "sampled answers readable",
)
_MARGIN = 0.02
_FEWEST_ANSWERS = 256
# Another release of numpy may add up in another order.
_DIGITS = 1e-9
_EVALUATE = "Score this run again with `weighbridge evaluate`."
_OTHERWISE = (
    "The server answers worse or otherwise in the performance run than in the accuracy run; read "
    f"{SAMPLED_ANSWERS}, compare both run.json and server.log, and repeat both runs."
)


@dataclass(frozen=True)
class Truth:
    """The ground truth of a dataset, and the task that scores answers by it."""

    task: Task
    rows: DataFrame


def truth_of(inputs: Inputs, round_: Round) -> Truth | str:
    """Read the ground truth from the dataset's folder; return why not as a sentence if it cannot be read."""
    if inputs.dataset is None:
        return f"Pass the dataset's proof: {inputs.dataset_option}, and --prompt where there is one."
    folder, model = inputs.dataset.folder, inputs.model.folder if inputs.model else None
    if not folder.is_dir():
        return f"The dataset's folder {folder} is not on this machine; judge where it can be read."
    try:
        truth = Truth(*read_truth(folder, inputs.prompt, model, round_))
        truth.task.texts(())  # without a tokenizer that answers need, it says so
        return truth
    except InputError as error:
        return str(error)


def score_checks(accuracy: Path, evaluation: Evaluation, truth: Truth | str, round_: Round) -> list[Check]:
    """Check that accuracy.json is of this run's log, and that scoring the log again gives its values."""
    gate = Gate(Mode.ACCURACY)
    path = answer_log(accuracy)
    if not has_answers(path):
        for name in (_OF_LOG, _AGAIN):
            gate.unknown(
                name, "as in accuracy.json", f"{path} is missing or truncated; judge with the original."
            )
        return gate.checks
    gate.equals(_OF_LOG, evaluation.log_sha256, sha256_of(path), _EVALUATE)
    if isinstance(truth, str):
        if round_.held_to_rules:
            gate.unknown(_AGAIN, "as in accuracy.json", truth)
        return gate.checks
    try:
        again = score_log(truth.task, truth.rows, path, round_)
    except InputError as error:
        gate.holds(_AGAIN, "not possible", "as in accuracy.json", False, str(error))
        return gate.checks
    differing = list(_differing(evaluation, again, round_))
    value = "; ".join(differing) or f"{again.metric} {again.value:.9g}"
    gate.holds(_AGAIN, value, "as in accuracy.json", not differing, _EVALUATE)
    return gate.checks


def _differing(stated: Evaluation, again: Evaluation, round_: Round) -> list[str]:
    """Return what accuracy.json says otherwise than the score computed again, in words."""
    pairs: dict[str, tuple[float | None, float]] = {
        name: (stated.score.metrics.get(name), again.score.metrics[name]) for name in round_.metrics
    }
    pairs |= {
        f"value of {again.metric}": (stated.value, again.value),
        "samples": (stated.score.samples, again.score.samples),
        "unparsable": (stated.score.unparsable, again.score.unparsable),
        "empty": (stated.empty, again.empty),
    }
    return [
        f"{name} {said if said is None else f'{said:.12g}'}, not {found:.12g}"
        for name, (said, found) in pairs.items()
        # A value that is not a number is unlike every other.
        if said is None or not abs(said - found) <= _DIGITS * abs(found)
    ]


@dataclass(frozen=True)
class ScoredAnswers:
    """An accuracy run's answers, read and scored once for all performance runs that are compared with them.

    Attributes:
        accuracy: Folder of the accuracy run; None: there is no such run.
        evaluation: Its accuracy.json; None: there is none.
        inputs: What the runs were made from, among them the ground truth.
        round_: The rules.
    """

    accuracy: Path | None
    evaluation: Evaluation | None
    inputs: Inputs
    round_: Round

    @cached_property
    def truth(self) -> Truth | str:
        """The ground truth, or why there is none."""
        return truth_of(self.inputs, self.round_)

    @cached_property
    def checks(self) -> tuple[Check, ...]:
        """Those of the score; none where there is nothing to score."""
        if self.accuracy is None or self.evaluation is None:
            return ()
        return tuple(score_checks(self.accuracy, self.evaluation, self.truth, self.round_))

    @cached_property
    def texts(self) -> dict[int, str] | str:
        """The answers by their samples' numbers, or why they cannot be had.

        Raises:
            InputError: the log is damaged.
        """
        if isinstance(self.truth, str):
            return self.truth
        if self.accuracy is None:
            return "There is no accuracy run."
        log = answer_log(self.accuracy)
        if not has_answers(log):
            return f"{log} is missing or truncated; judge with the original."
        return read_texts(self.truth.task, log, self.round_.samples)


def sampled_checks(performance: Path, rows: RequestRows, scored: ScoredAnswers) -> list[Check]:
    """Check the answers that were kept: they are this run's, and as good as the accuracy run's.

    Args:
        performance: Folder of the performance run.
        rows: Its requests.
        scored: The accuracy run's answers.

    Raises:
        InputError: the file of sampled answers is damaged.
    """
    path, gate, both = performance / SAMPLED_ANSWERS, Gate(Mode.PERFORMANCE), Gate(None)
    truth, round_ = scored.truth, scored.round_
    if not path.is_file():
        if round_.held_to_rules:
            gate.unknown(_RECORDED, "kept", f"{path} is missing; restore it, or repeat the run.")
        return gate.checks
    sampled = read_kept_answers(path, round_.samples)
    _of_these_requests(gate, sampled, rows)
    needed = min(_FEWEST_ANSWERS, int(rows.completed.sum()))
    if len(sampled) < needed:
        remedy = f"{len(sampled)} answers are kept, {needed} are needed; repeat the run."
        gate.unknown("sampled answers", f">= {needed}", remedy)
        return gate.checks
    try:
        answers = scored.texts
        if isinstance(answers, str) or isinstance(truth, str):
            if round_.held_to_rules:
                both.unknown(_ALIKE, "as in the accuracy run", str(answers))
            return [*gate.checks, *both.checks]
        kept = truth.task.texts([(each.sample, each.payload) for each in sampled])
    except InputError as error:
        both.holds(_ALIKE, "not possible", "as in the accuracy run", False, str(error))
        return [*gate.checks, *both.checks]
    samples = [each.sample for each in sampled]
    rows_asked = truth.rows.iloc[samples].reset_index(drop=True)
    ours = truth.task.per_sample(rows_asked, kept)
    theirs = truth.task.per_sample(rows_asked, [answers[sample] for sample in samples])
    _compare(both, ours, theirs, round_)
    return [*gate.checks, *both.checks]


def _of_these_requests(gate: Gate, sampled: Sequence[KeptAnswer], rows: RequestRows) -> None:
    """Check that each kept answer is as long as one that the client received for its sample."""
    wanted = np.unique([each.sample for each in sampled]) if sampled else np.empty(0, dtype=np.int64)
    chosen = rows.completed & np.isin(rows.sample, wanted)
    received = Counter(zip(rows.sample[chosen].tolist(), rows.payload_bytes[chosen].tolist(), strict=True))
    kept = Counter((each.sample, len(each.payload)) for each in sampled)
    differing = sum((kept - received).values())
    remedy = f"{SAMPLED_ANSWERS} has other answers than this run received; restore it, or repeat the run."
    gate.equals(_RECORDED, f"{differing} differ", "0 differ", remedy)


def _compare(gate: Gate, ours: PerSample, theirs: PerSample, round_: Round) -> None:
    """Compare the metrics that the round gates, and the share of answers that can be read."""
    pairs = [
        (mine.name, (mine.gained, mine.possible), (other.gained, other.possible))
        for mine, other in zip(ours.measures, theirs.measures, strict=True)
    ]
    # A benchmark may divide a metric among the samples under another name; the main one comes first.
    gated = [pair for pair in pairs if pair[0] in round_.metrics] or pairs[:1]
    _alike(gate, _ALIKE, [(name, difference_of_ratios(mine, other)) for name, mine, other in gated])
    ones = np.ones(len(ours.readable))
    readable = difference_of_ratios((ours.readable * 1.0, ones), (theirs.readable * 1.0, ones))
    _alike(gate, _READABLE, [("readable", readable)])


def _alike(gate: Gate, name: str, compared: Sequence[tuple[str, RunDifference]]) -> None:
    known = [(metric, each) for metric, each in compared if np.isfinite(each.standard_error)]
    if not known:
        # The accuracy run scores nothing, which fails there.
        gate.unknown(name, "as in the accuracy run", "The accuracy run's answers score nothing; read them.")
        return
    value = "; ".join(f"{metric} {100 * each.value:+.2f} % of the accuracy run's" for metric, each in known)
    limit = "; ".join(f"within {100 * each.bound(_MARGIN):.2f} %" for _, each in known)
    alike = all(abs(each.value) <= each.bound(_MARGIN) for _, each in known)
    gate.holds(name, value, limit, alike, _OTHERWISE)


NEEDS_ANSWERS = frozenset(
    {"answers counted by LoadGen", "answers as received", _OF_LOG, _AGAIN, _ALIKE, _READABLE}
)
"""Names of checks that need the whole accuracy log; without it they are unknown."""
