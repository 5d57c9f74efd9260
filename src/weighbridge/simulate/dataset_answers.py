"""What a simulated server says to each request of a store: the dataset's own answers."""

from pathlib import Path

from weighbridge.benchmarks.registry import load_benchmark
from weighbridge.config.round import Round
from weighbridge.requests.store import RequestStore
from weighbridge.simulate.behaviour import body_hash
from weighbridge.simulate.wire import Answers


def answers_from_dataset(*, store: Path, dataset: Path, prompt: Path | None, round_: Round) -> Answers:
    """Pair each body of a store with a right and a wrong answer to its sample.

    Raises:
        InputError: the store, the dataset or the prompt cannot be used.
    """
    requests = RequestStore.open(store)
    task = load_benchmark(round_.benchmark).task(prompt)
    answers = task.sample_answers(task.truth(dataset, round_.splits))
    return Answers(
        requests.manifest.model_name,
        {body_hash(requests.body(index)): pair for index, pair in enumerate(answers)},
    )
