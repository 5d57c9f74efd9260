"""Writers of a quality measurement's files: answers of each subject, and measured.json."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from weighbridge.config.quality_settings import AskingProtocol
from weighbridge.quality.questions import set_definitions
from weighbridge.records.quality_answers import (
    ANSWERS_FOLDER,
    LETTERS,
    MEASURED,
    AnsweredQuestion,
    MeasuredQuality,
    QuestionSource,
    RequestCounts,
    SubjectAnswers,
)
from weighbridge.records.run_record import Host, ServerRecord

MADE_UP = ("made_up_arithmetic", "made_up_history", "made_up_trade", "made_up_words")
"""Subjects of the made-up questions, one of each domain."""
_DEFINITIONS = set_definitions()
_DOMAINS = _DEFINITIONS.mmlu.domain_of | _DEFINITIONS.synthetic.domain_of
IDENTITY = sha256(b"all that the answers depend on").hexdigest()
FINISHED = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
Answers = float | Sequence[bool | None]
"""A share of right answers, or each question's: right, wrong, or None for a text without a letter."""


def write_quality(
    folder: Path,
    rates: Mapping[str, Answers],
    *,
    questions: int = 20,
    available: int | None = None,
    protocol: AskingProtocol = AskingProtocol.LOG_LIKELIHOOD,
    counts: RequestCounts | None = None,
    **measured: Any,
) -> MeasuredQuality:
    """Write a measurement of these subjects, and return its measured.json.

    Args:
        folder: Such as results/quality/mmlu.
        rates: By subject, of MMLU or of the made-up ones.
        questions: Of each subject that has a rate.
        available: Questions of each subject in the data; default: those asked.
        protocol: How they were asked.
        counts: Of each subject; default: all requests were answered at once.
        measured: Fields of MeasuredQuality that differ from the example's.
    """
    hashes, sums = {}, RequestCounts()
    for subject, rate in rates.items():
        right = _right(rate, questions) if isinstance(rate, float | int) else list(rate)
        answers = subject_answers(subject, right, available=available, protocol=protocol, counts=counts)
        hashes[subject] = write_answers(folder, answers)
        sums = sums.plus(answers.counts)
    known: dict[str, Any] = {
        "protocol": protocol,
        "shots": 5,
        "seed": 1234,
        "bos": False,
        "source": (
            QuestionSource(name="synthetic", digest="d" * 64)
            if set(rates) <= set(MADE_UP)
            else QuestionSource(name="mmlu", repo="cais/mmlu", revision="c" * 40, digest="d" * 64)
        ),
        "model_name": "example/model",
        "model_digest": "a" * 64,
        "tokenizer_digest": "b" * 64,
        "versions": {"weighbridge": "0.9.0", "lm_eval": "0.4.13", "transformers": "5.24.0"},
        "server": ServerRecord(
            kind="vLLM",
            command=("vllm", "serve", "example/model"),
            environment={},
            endpoints=("http://127.0.0.1:8000",),
            model_name="example/model",
            version="0.12.0",
            ready_s=12.5,
            golden="not asked",
            warmup_requests=0,
            warmup_s=0.0,
        ),
        "host": Host(name="node1", cpus=8, memory_bytes=1 << 34, platform="Linux", python="3.11.9"),
        "identity": IDENTITY,
        "answers": hashes,
        "counts": sums,
        "duration_s": 2.5 * len(hashes),
        "finished_at": FINISHED,
    }
    record = MeasuredQuality(**known | measured)
    write_measured(folder, record)
    return record


def subject_answers(
    subject: str,
    right: Sequence[bool | None],
    *,
    available: int | None = None,
    protocol: AskingProtocol = AskingProtocol.LOG_LIKELIHOOD,
    counts: RequestCounts | None = None,
) -> SubjectAnswers:
    """Return the answers to so many questions, each right, wrong, or None: without a letter."""
    requests = len(LETTERS) if protocol == AskingProtocol.LOG_LIKELIHOOD else 1
    return SubjectAnswers(
        subject=subject,
        domain=_DOMAINS[subject],
        identity=IDENTITY,
        available=len(right) if available is None else available,
        asked=len(right),
        questions=tuple(_question(idx, each, protocol) for idx, each in enumerate(right)),
        counts=counts or RequestCounts(requests=requests * len(right)),
        duration_s=2.5,
        finished_at=FINISHED,
        harness_accuracy=sum(each is True for each in right) / len(right),
    )


def write_answers(folder: Path, answers: SubjectAnswers) -> str:
    """Write answers/SUBJECT.json, and return its sha256."""
    path = folder / ANSWERS_FOLDER / f"{answers.subject}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(answers.model_dump_json(indent=2) + "\n")
    return sha256(path.read_bytes()).hexdigest()


def write_measured(folder: Path, record: MeasuredQuality) -> None:
    """Write measured.json."""
    (folder / MEASURED).write_text(record.model_dump_json(indent=2) + "\n")


def _right(rate: float, questions: int) -> list[bool | None]:
    """Return the right ones first: as many as the rate says."""
    return [index < round(rate * questions) for index in range(questions)]


def _question(idx: int, right: bool | None, protocol: AskingProtocol) -> AnsweredQuestion:
    answer = LETTERS[idx % len(LETTERS)]
    chosen = answer if right else LETTERS[(idx + 1) % len(LETTERS)]
    if protocol == AskingProtocol.CHAT:
        return AnsweredQuestion(
            idx=idx,
            answer=answer,
            prediction=None if right is None else chosen,
            text="I cannot answer this." if right is None else f"The best answer is {chosen}.",
            requests=1,
            latency_ms=40.0 + idx,
            prompt_tokens=120,
            output_tokens=5,
        )
    a, b, c, d = (-0.5 if letter == chosen else -3.0 - 0.125 * idx for letter in LETTERS)
    return AnsweredQuestion(
        idx=idx,
        answer=answer,
        prediction=chosen,
        log_probabilities=(a, b, c, d),
        requests=4,
        latency_ms=40.0 + idx,
        prompt_tokens=480,
        output_tokens=4,
    )
