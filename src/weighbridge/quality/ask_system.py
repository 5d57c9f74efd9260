"""Ask a system of a sweep its questions: opened as for a session, and never while one is measured."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from weighbridge.artifacts.proof import Proof
from weighbridge.core.files import sha256_of, write_atomic
from weighbridge.quality.measure_mmlu import measure_mmlu
from weighbridge.quality.quality_observer import QualityObserving
from weighbridge.quality.quality_setup import QualitySetup
from weighbridge.quality.sweep_quality import SweepQuality
from weighbridge.quality.write_scores import write_scores
from weighbridge.records.asked_system import ASKED, AskedSystem, quality_folder
from weighbridge.records.quality_answers import MEASURED
from weighbridge.records.run_record import REPLACED_FOLDER
from weighbridge.run.folder_lock import locked
from weighbridge.serving.running_server import RunningServer
from weighbridge.sweep.quality_key import asked_of, is_given_model, quality_key, questions_of
from weighbridge.sweep.systems import client_of, opened

log = logging.getLogger(__name__)

_COMMAND = "weighbridge sweep"


def ask_system(
    sweep: SweepQuality, name: str, *, dataset: Proof, model: Proof | None, observing: QualityObserving
) -> None:
    """Ask a system what it has not answered yet, and write its answers and scores.

    Args:
        sweep: What is asked.
        name: The system's.
        dataset: Proof of the questions.
        model: Proof of the model, whose tokenizer makes the prompts; None: the protocol needs none.
        observing: Makes the observer of the measurement.

    Raises:
        InputError, SetupError, InvalidRunError: as `measure_mmlu`, and as a system that is opened.
    """
    settings, place = sweep.settings, quality_folder(sweep.folder, name)
    system, mmlu = settings.system(name), questions_of(settings)

    @contextmanager
    def opening(starting: Callable[[str], None]) -> Iterator[RunningServer]:
        with opened(name, system, settings.client, sweep.model, place, starting) as ready:
            yield ready.running

    setup = QualitySetup(
        mmlu=mmlu,
        server=system.server,
        client=client_of(system, settings.client),
        dataset=dataset,
        model=model,
        settings=asked_of(settings, name),
        serves_model=is_given_model(system),
    )
    log.info("system %s: asking its questions", name)
    with locked(sweep.folder, _COMMAND):
        place.mkdir(parents=True, exist_ok=True)
        replaced = sweep.folder / REPLACED_FOLDER / "quality" / name
        measure_mmlu(setup, place, observing, replaced=replaced, opening=opening)
        write_scores(place, mmlu.floor)
        key = quality_key(settings, name, sweep.model)
        asked = AskedSystem(key=key, measured=sha256_of(place / MEASURED))
        write_atomic(place / ASKED, asked.model_dump_json(indent=2) + "\n")
