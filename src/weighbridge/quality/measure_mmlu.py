"""Measure MMLU on a served model: each subject's answers in a file of its own, then measured.json."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path
from tempfile import TemporaryDirectory

from weighbridge import __version__
from weighbridge.config.server_settings import ServerSettings
from weighbridge.core.errors import InputError, InvalidRunError, SetupError
from weighbridge.core.files import disk_needed, sha256_of, write_atomic
from weighbridge.quality.harness_start import harness_versions, import_harness
from weighbridge.quality.prompt_check import check_lengths, check_letters, longest_first
from weighbridge.quality.quality_observer import QualityObserver, QualityObserving
from weighbridge.quality.quality_setup import QualitySetup
from weighbridge.quality.question_choice import asked_rows
from weighbridge.quality.questions import QuestionSet, read_questions
from weighbridge.quality.taken_answers import keep_measured, take_over, write_answers
from weighbridge.records.quality_answers import (
    LETTERS,
    MEASURED,
    MeasuredQuality,
    RequestCounts,
    SubjectAnswers,
    answers_file,
)
from weighbridge.records.run_record import SERVER_LOG, ServerRecord
from weighbridge.run.recorded_server import api_key_of, server_record
from weighbridge.run.server_use import SessionUse
from weighbridge.serving.probing import context_length
from weighbridge.serving.running_server import RunningServer, running_server
from weighbridge.system.gpus import check_accelerators
from weighbridge.system.identity import this_host

log = logging.getLogger(__name__)

_LABEL = "mmlu"

Opening = Callable[[Callable[[str], None]], AbstractContextManager[RunningServer]]
"""Provides a server for the length of a with block; it is given what receives the stage of its start."""


def measure_mmlu(
    setup: QualitySetup,
    out: Path,
    observing: QualityObserving,
    *,
    lives: Path | None = None,
    replaced: Path | None = None,
    opening: Opening | None = None,
) -> MeasuredQuality:
    """Ask what is not answered yet, subject after subject, and write measured.json.

    Finished subjects of an earlier, interrupted call are taken over where all that they depend on is the
    same; others are set aside.

    Args:
        setup: What is measured.
        out: Folder of the measurement.
        observing: Makes the observer of the measurement.
        lives: Folder for the life of the server, which other jobs may use too; None: it ends with this one.
        replaced: Folder of replaced results; None: they are overwritten.
        opening: Opens the server, such as one of a sweep, which is asked though nothing is missing; None: it
            is started, or reached, as the setup says.

    Raises:
        InputError: settings, questions or the tokenizer cannot be used, or a prompt is too long.
        SetupError: the harness is missing, the server does not start, or it refuses or fails requests.
        InvalidRunError: not what was to be asked was asked, or the harness scores otherwise than we do.
    """
    setup.check(starting=opening is None)
    questions = read_questions(setup.dataset.folder)
    api_key = api_key_of(setup.client)
    if opening is None and not setup.server.endpoints:
        check_accelerators(setup.server.gpus)
    with (
        disk_needed(out),
        TemporaryDirectory(prefix="weighbridge-mmlu-") as scratch,
        observing(out) as observer,
    ):
        import_harness()
        measurement = _Measurement(setup, questions, out, Path(scratch), observer, api_key, replaced)
        return measurement.run(lives, opening)


class _Measurement:
    """One call of the measurement."""

    def __init__(
        self,
        setup: QualitySetup,
        questions: QuestionSet,
        out: Path,
        scratch: Path,
        observer: QualityObserver,
        api_key: str | None,
        replaced: Path | None,
    ) -> None:
        from weighbridge.quality.api_model import AskedModel
        from weighbridge.quality.ask_subject import harness_model
        from weighbridge.quality.refused_request import Asking

        self._setup, self._questions, self._out = setup, questions, out
        self._scratch, self._observer, self._api_key, self._replaced = scratch, observer, api_key, replaced
        self._rows = asked_rows(questions, setup.mmlu)
        asking = Asking(setup.mmlu.protocol, api_key, setup.client.api_key_env)
        tokenizer = setup.model.folder if setup.model and setup.mmlu.by_likelihood else None
        self._model = harness_model(AskedModel(setup.server.model_name, tokenizer, setup.mmlu, asking))
        if tokenizer is not None:
            check_letters(questions, self._rows, setup.mmlu.shots, self._model.tok_encode, tokenizer)

    def run(self, lives: Path | None, opening: Opening | None) -> MeasuredQuality:
        """Open the server, ask, and write measured.json."""
        if opening is None and (finished := self._finished()) is not None:
            log.info("all questions are answered already, with the same settings, model and data")
            return finished
        use = SessionUse(lives, _LABEL, self._out / MEASURED) if lives is not None else None
        with opening(self._observer.starting) if opening else self._server(use) as running:
            record = server_record(running, _without_golden(self._setup.server), self._api_key)
            identity = self._setup.identity(record.kind, record.version)
            answers = self._ask_all(running, identity, use)
        if use is not None:
            record = record.model_copy(update={"life": use.brief(record.life)})
        measured = self._measured(record, identity, answers)
        write_atomic(self._out / MEASURED, measured.model_dump_json(indent=2) + "\n", private=True)
        keep_measured(self._out, self._replaced)
        self._observer.done()
        return measured

    @contextmanager
    def _server(self, use: SessionUse | None) -> Iterator[RunningServer]:
        setup, place = self._setup, self._out / SERVER_LOG
        keeping = None
        if use is not None and setup.round_ is not None and setup.model is not None:
            keeping = use.keeping(setup.round_, setup.server, setup.model.manifest_digest)
        self._out.mkdir(parents=True, exist_ok=True)
        with running_server(
            setup.server,
            setup.model.folder if setup.model else self._scratch,
            keeping or place,
            self._api_key,
            self._observer.starting,
            forbidden=setup.round_.server_must_not if setup.round_ else (),
            must_not_change=setup.must_not_change,
        ) as running:
            try:
                yield running
            finally:
                if keeping is not None:
                    running.copy_logs(place)

    def _finished(self) -> MeasuredQuality | None:
        """Return what an earlier call has finished; None: a file is missing, or of another measurement.

        Endpoints are always reached again, because they may serve another version by now.
        """
        path = self._out / MEASURED
        if self._setup.server.endpoints or not path.is_file():
            return None
        try:
            measured = MeasuredQuality.read(path)
        except InputError:  # it is written anew
            return None
        identity = self._setup.identity(measured.server.kind, measured.server.version)
        files = {name: answers_file(self._out, name) for name in self._rows}
        there = {name: sha256_of(file) for name, file in files.items() if file.is_file()}
        return measured if measured.identity == identity and measured.answers == there else None

    def _ask_all(
        self, running: RunningServer, identity: str, use: SessionUse | None
    ) -> dict[str, SubjectAnswers]:
        """Ask what is missing, and return the answers of all subjects."""
        from weighbridge.quality.ask_subject import SubjectJob, ask_subject

        self._model.use(running.endpoints)
        taken = take_over(self._out, self._replaced, self._rows, identity)
        missing = {name: rows for name, rows in self._rows.items() if name not in taken}
        self._check_lengths(running, missing)
        observer, per_question = self._observer, len(LETTERS) if self._setup.mmlu.by_likelihood else 1
        observer.planned(len(self._rows), sum(map(len, self._rows.values())), per_question)
        for answers in taken.values():
            observer.taken_over(answers)
        if use is not None:
            use.begin()
        for name, rows in longest_first(self._questions, missing, self._setup.mmlu.shots).items():
            observer.subject(name)
            job = SubjectJob(self._questions.subjects[name], rows, identity)
            try:
                taken[name] = ask_subject(self._model, job, self._scratch / name, observer.answered)
            except SetupError as error:
                raise SetupError(f"{ended}." if (ended := running.trouble()) else str(error)) from None
            if (stranger := running.stranger()) is not None:
                raise InvalidRunError(f"{stranger}; the answers of {name} are not kept.")
            write_answers(self._out, taken[name])
            observer.measured(taken[name])
        if use is not None:
            use.finished(_LABEL)
        return {name: taken[name] for name in self._rows}

    def _check_lengths(self, running: RunningServer, missing: Mapping[str, tuple[int, ...]]) -> None:
        if not self._setup.mmlu.by_likelihood or not missing:
            return
        name = self._setup.server.model_name
        lengths = [context_length(endpoint, name, self._api_key) for endpoint in running.endpoints]
        known = [length for length in lengths if length is not None]
        if not known:
            log.warning("the server does not report its context, so the lengths of prompts are not checked")
            return
        check_lengths(self._questions, missing, self._setup.mmlu.shots, self._model.tok_encode, min(known))

    def _measured(
        self, server: ServerRecord, identity: str, answers: Mapping[str, SubjectAnswers]
    ) -> MeasuredQuality:
        """Return the record of all subjects.

        Raises:
            InvalidRunError: a subject does not have as many answers as were asked for.
        """
        for name, each in answers.items():
            if not len(each.questions) == each.asked == len(self._rows[name]):
                raise InvalidRunError(
                    f"{name}: {len(each.questions)} of {len(self._rows[name])} questions are answered; "
                    f"remove {answers_file(self._out, name)} and repeat."
                )
        mmlu = self._setup.mmlu
        return MeasuredQuality(
            protocol=mmlu.protocol,
            shots=mmlu.shots,
            limit=mmlu.limit,
            total_limit=mmlu.total_limit,
            seed=mmlu.seed,
            bos=mmlu.bos,
            answer_tokens=None if self._setup.mmlu.by_likelihood else mmlu.answer_tokens,
            source=self._setup.source(self._questions),
            model_name=self._setup.server.model_name,
            model_digest=self._setup.model_digest,
            tokenizer_digest=self._setup.tokenizer_digest,
            versions={"weighbridge": __version__, **harness_versions()},
            server=server,
            host=this_host(),
            identity=identity,
            answers={name: sha256_of(answers_file(self._out, name)) for name in answers},
            counts=reduce(RequestCounts.plus, (each.counts for each in answers.values()), RequestCounts()),
            duration_s=round(sum(each.duration_s for each in answers.values()), 3),
            finished_at=datetime.now(UTC),
        )


def _without_golden(server: ServerSettings) -> ServerSettings:
    """Return the settings without the known request, which is one of the benchmark and is not sent here."""
    return server.model_copy(update={"golden": None})
