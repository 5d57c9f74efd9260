"""Score an accuracy run and write accuracy.txt (for the official checker) and accuracy.json (complete)."""

import logging
from dataclasses import dataclass
from pathlib import Path

from pandas import DataFrame

from weighbridge.benchmarks.protocol import Task
from weighbridge.benchmarks.registry import load_benchmark
from weighbridge.config.round import Round
from weighbridge.core.errors import InputError
from weighbridge.core.files import sha256_of, write_atomic
from weighbridge.evaluation.answer_log import answer_log, read_answers
from weighbridge.records.notice import mark_of
from weighbridge.records.score import (
    ACCURACY_JSON,
    ACCURACY_TEXT,
    Evaluation,
    MetricResult,
    Score,
    scores_in,
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answered:
    """An accuracy run's answers and the ground truth.

    Attributes:
        task: The benchmark's task.
        truth: One row per sample, shape (n, columns).
        answers: The model's text for each row of `truth`, length n.
    """

    task: Task
    truth: DataFrame
    answers: list[str]


def read_answered(
    *, logs: Path, dataset: Path, prompt: Path | None, model: Path | None, round_: Round
) -> Answered:
    """Read an accuracy run's answers and the ground truth they are compared with.

    Scoring and error analysis both call this, in separate jobs. 50,000 samples take about a second, so
    no intermediate file is stored, and the report works on runs that an older release scored.

    Args:
        logs: Folder of the run.
        dataset: Folder of the dataset.
        prompt: The benchmark's prompt file, if it has one.
        model: The model's folder, for answers that are token ids.
        round_: Names the benchmark, the splits and the number of samples.

    Raises:
        InputError: the log is incomplete or damaged, or the dataset is not the round's.
    """
    task, truth = read_truth(dataset, prompt, model, round_)
    texts = read_texts(task, answer_log(logs), round_.samples)
    return Answered(task, truth, by_sample(texts))


def read_texts(task: Task, log: Path, samples: int) -> dict[int, str]:
    """Read the text of each answer in an accuracy log, by sample, in the order of the log.

    Raises:
        InputError: the log is incomplete or damaged, or an answer is none that the task keeps.
    """
    answers = read_answers(log, samples)
    try:
        texts = task.texts(list(answers.items()))
    except InputError as error:
        raise InputError(f"{log}: {error}") from None
    return dict(zip(answers, texts, strict=True))


def by_sample(texts: dict[int, str]) -> list[str]:
    """Return the texts of all samples in their order."""
    return [texts[sample] for sample in range(len(texts))]


def read_truth(
    dataset: Path, prompt: Path | None, model: Path | None, round_: Round
) -> tuple[Task, DataFrame]:
    """Return the round's task and the ground truth, one row a sample.

    Raises:
        InputError: the prompt file is missing or damaged, or the dataset is not the round's.
    """
    task = load_benchmark(round_.benchmark).task(prompt, model)
    truth = task.truth(dataset, round_.splits)
    if len(truth) != round_.of_dataset:
        raise InputError(
            f"{dataset} has {len(truth)} samples, but round {round_.name} has {round_.of_dataset}; "
            f"use the round's dataset."
        )
    return task, truth.head(round_.samples)


def evaluate(
    *,
    logs: Path,
    dataset: Path,
    prompt: Path | None,
    round_: Round,
    output: Path,
    model: Path | None = None,
) -> Evaluation:
    """Score the accuracy run in folder `logs`; write accuracy.txt and accuracy.json into folder `output`.

    Raises:
        InputError: the log is incomplete or damaged, the dataset is not the round's, or the round gates a
            metric that the benchmark does not compute.
    """
    task, truth = read_truth(dataset, prompt, model, round_)
    evaluation = score_log(task, truth, answer_log(logs), round_)
    write_atomic(output / ACCURACY_JSON, evaluation.model_dump_json(indent=2) + "\n")
    write_atomic(output / ACCURACY_TEXT, _accuracy_text(task.accuracy_line(evaluation.score), round_))
    _log.info(
        "%s: %s %.6f, %d unparsable", logs, evaluation.metric, evaluation.value, evaluation.score.unparsable
    )
    return evaluation


def score_log(task: Task, truth: DataFrame, log: Path, round_: Round) -> Evaluation:
    """Score an accuracy log; the gate does so too, to compare the result with accuracy.json.

    Raises:
        InputError: the log is incomplete or damaged, or the round gates a metric that the benchmark does not
            compute.
    """
    texts = read_texts(task, log, round_.samples)
    score = task.score(truth, by_sample(texts), list(texts))
    for metric in round_.metrics:
        if metric not in score.metrics:
            known = ", ".join(score.metrics)
            raise InputError(
                f"round {round_.name}: benchmark {round_.benchmark} does not compute '{metric}'; "
                f"it has: {known}."
            )
    return Evaluation(
        round=round_.name,
        submittable=round_.submittable,
        benchmark=round_.benchmark,
        metric=round_.main_metric,
        value=score.metrics[round_.main_metric],
        empty=sum(not text.strip() for text in texts.values()),
        score=score,
        metrics=_results(score, task.accuracy_line(score), round_),
        log_sha256=sha256_of(log),
    )


def _results(score: Score, line: str, round_: Round) -> dict[str, MetricResult]:
    """Return each gated metric beside the round's rules for it."""
    return {
        name: MetricResult(
            value=score.metrics[name],
            printed=next(iter(scores_in([line], name, rules.notation)), None),
            baseline=rules.reference_mean,
            threshold=rules.floor,
            ceiling=rules.ceiling,
        )
        for name, rules in round_.metrics.items()
    }


def _accuracy_text(line: str, round_: Round) -> str:
    """Return the text of accuracy.txt, without the accuracy log's hash.

    Truncation adds the hash later. The official checker reads the first hash line it finds, so there must be
    no other.
    """
    note = "" if round_.submittable else f"{mark_of(round_)}\n"
    return f"Results\n{note}\n{line}\n"
