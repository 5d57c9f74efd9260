"""A round as it holds for one scenario: scenarios may have a dataset and metrics of their own."""

from typing import Any

from weighbridge.config.round import Round


def round_of_scenario(round_: Round, name: str) -> Round:
    """Return the round with the dataset and the metrics of a scenario in place of its own.

    Raises:
        InputError: the round has no such scenario.
    """
    rules = round_.scenario(name)
    update: dict[str, Any] = {"metrics": rules.metrics} if rules.metrics else {}
    if rules.dataset is not None:
        dataset = round_.further_datasets[rules.dataset]
        update |= {
            "samples": dataset.samples,
            "dataset_samples": None,
            "splits": dataset.splits,
            "dataset_files": dataset.files,
            "closed": round_.closed.model_copy(update={"dataset": dataset.closed}),
        }
    return round_.model_copy(update=update)
