"""Ask one subject's questions by lm-evaluation-harness, and return each answer with what it cost."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lm_eval.evaluator import evaluate
from lm_eval.tasks import TaskManager

from weighbridge.config.quality_settings import AskingProtocol
from weighbridge.core.errors import InputError, InvalidRunError
from weighbridge.quality.answer_letter import letter_of
from weighbridge.quality.api_model import AskedModel, WeighbridgeChatCompletions, WeighbridgeCompletions
from weighbridge.quality.asked_requests import AnsweredRequest, AskedRequests
from weighbridge.quality.harness_tasks import write_task
from weighbridge.quality.questions import Subject
from weighbridge.records.quality_answers import LETTERS, AnsweredQuestion, Letter, SubjectAnswers

_SEED = 1234  # of the harness; nothing is drawn with it, since the first solved questions are taken
_TOLERANCE = 1e-9

HarnessModel = WeighbridgeCompletions | WeighbridgeChatCompletions


def harness_model(served: AskedModel) -> HarnessModel:
    """Return the harness's model of the protocol that the settings name.

    Raises:
        InputError: the tokenizer cannot be read.
    """
    if served.settings.protocol is AskingProtocol.CHAT:
        return WeighbridgeChatCompletions(served)
    try:
        return WeighbridgeCompletions(served)
    except Exception as error:  # transformers and tokenizers raise errors of any kind
        first = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(
            f"{served.tokenizer}: its tokenizer cannot be read ({first}); fetch the model again, or set "
            "quality.mmlu.protocol: chat, which needs none."
        ) from None


@dataclass(frozen=True)
class SubjectJob:
    """What is asked of a subject.

    Attributes:
        subject: The subject.
        rows: Its questions that are asked, in rising order.
        identity: Of all that the answers depend on.
    """

    subject: Subject
    rows: tuple[int, ...]
    identity: str


def ask_subject(
    model: HarnessModel, job: SubjectJob, folder: Path, answered: Callable[[], None]
) -> SubjectAnswers:
    """Ask the questions of a subject.

    Args:
        model: The harness's model, which uses the endpoints.
        job: What is asked.
        folder: A temporary folder, for the task's files.
        answered: Called after each answered request.

    Raises:
        InvalidRunError: the harness asked other questions, or scores otherwise than we do.
        SetupError: a request was refused, or failed as often as it may.
    """
    began = time.monotonic()
    settings = model.served.settings
    name = write_task(job.subject, settings, folder)
    task = TaskManager(include_path=str(folder), include_defaults=False).load([name])
    for each in task["tasks"].values():
        each.set_fewshot_seed(seed=_SEED)
    asked = AskedRequests(answered)
    model.begin(asked)
    chat = settings.protocol is AskingProtocol.CHAT
    found = evaluate(
        lm=model,
        task_dict=task,
        samples={name: list(job.rows)},
        bootstrap_iters=0,
        log_samples=True,
        apply_chat_template=chat,
        fewshot_as_multiturn=chat,
    )
    assert found is not None  # it is on the ranks of a cluster that do not collect
    samples = sorted(found["samples"][name], key=lambda sample: int(sample["doc_id"]))
    metric = "exact_match" if chat else "acc"
    questions = tuple(_question(job.subject, sample, asked, metric) for sample in samples)
    accuracy = float(found["results"][name][f"{metric},{'letter' if chat else 'none'}"])
    _check(job, questions, accuracy)
    return SubjectAnswers(
        subject=job.subject.name,
        domain=str(job.subject.domain),
        identity=job.identity,
        available=len(job.subject.test),
        asked=len(job.rows),
        questions=questions,
        counts=asked.counts,
        duration_s=round(time.monotonic() - began, 3),
        finished_at=datetime.now(UTC),
        harness_accuracy=accuracy,
    )


def _question(
    subject: Subject, sample: Mapping[str, Any], asked: AskedRequests, metric: str
) -> AnsweredQuestion:
    row = int(sample["doc_id"])
    where = f"{subject.name}, question {row}"
    question = subject.test[row]
    if (sample["doc"]["question"], list(sample["doc"]["choices"])) != (question.text, list(question.choices)):
        raise InvalidRunError(f"{where}: the harness asked another question than the data have.")
    chat = metric == "exact_match"
    log_probabilities = None if chat else _log_probabilities(sample)
    text = str(sample["resps"][0][0]) if chat else None
    prediction = letter_of(text or "") if log_probabilities is None else _likeliest(log_probabilities)
    requests = [
        _taken(asked, arguments[0].prompt if chat else tuple(arguments), where)
        for arguments in sample["arguments"]
    ]
    answered = AnsweredQuestion(
        idx=row,
        answer=LETTERS[question.answer],
        prediction=prediction,
        log_probabilities=log_probabilities,
        text=text,
        requests=len(requests),
        latency_ms=round(sum(each.latency_ns for each in requests) / len(requests) / 1e6, 3),
        prompt_tokens=_sum([each.prompt_tokens for each in requests]),
        output_tokens=_sum([each.output_tokens for each in requests]),
    )
    if answered.correct != bool(sample[metric]):
        raise InvalidRunError(
            f"{where}: {answered.answer} is right, but the harness counts {prediction} as "
            f"{'right' if sample[metric] else 'wrong'}; report this."
        )
    return answered


def _log_probabilities(sample: Mapping[str, Any]) -> tuple[float, float, float, float]:
    a, b, c, d = (float(log_probability) for log_probability, _ in sample["filtered_resps"])
    return a, b, c, d


def _likeliest(log_probabilities: Sequence[float]) -> Letter:
    """Return the letter of the highest log-probability; of equal ones the first, as the harness takes it."""
    return LETTERS[max(range(len(LETTERS)), key=log_probabilities.__getitem__)]


def _taken(asked: AskedRequests, key: object, where: str) -> AnsweredRequest:
    if (found := asked.take(key)) is None:
        raise InvalidRunError(f"{where}: there is no record of its request; report this.")
    return found


def _sum(tokens: Sequence[int | None]) -> int | None:
    known = [number for number in tokens if number is not None]
    return sum(known) if len(known) == len(tokens) else None


def _check(job: SubjectJob, questions: Sequence[AnsweredQuestion], accuracy: float) -> None:
    """Check that all was asked, and that the harness's accuracy is that of the answers.

    Raises:
        InvalidRunError: it is not.
    """
    if [question.idx for question in questions] != list(job.rows):
        raise InvalidRunError(
            f"{job.subject.name}: {len(questions)} questions were answered, but {len(job.rows)} other ones "
            "were asked; report this."
        )
    ours = sum(question.correct for question in questions) / len(questions)
    if abs(ours - accuracy) > _TOLERANCE:
        raise InvalidRunError(
            f"{job.subject.name}: the harness computes an accuracy of {accuracy}, but the answers have "
            f"{ours}; report this."
        )
