"""A round as it holds for one scenario: scenarios may have a dataset and metrics of their own."""

from weighbridge.config.round import Round
from weighbridge.core.errors import InputError


def round_of_scenario(round_: Round, name: str) -> Round:
    """Return the round with the dataset and the metrics of a scenario in place of its own.

    Raises:
        InputError: the round has no such scenario.
    """
    rules = round_.scenario(name)
    found = round_of_dataset(round_, rules.dataset)
    return found.model_copy(update={"metrics": rules.metrics}) if rules.metrics else found


def other_samples(round_: Round) -> dict[str, int]:
    """Return the number of samples of each scenario that uses a further dataset, by the scenario's folder."""
    return {
        rules.folder: round_of_dataset(round_, rules.dataset).samples
        for rules in round_.scenarios.values()
        if rules.dataset is not None
    }


def round_of_dataset(round_: Round, name: str | None) -> Round:
    """Return the round with one of its further datasets in place of its own; None: it keeps its own.

    Raises:
        InputError: the round has no such dataset.
    """
    if name is None:
        return round_
    if name not in round_.further_datasets:
        known = ", ".join(round_.further_datasets) or "none"
        raise InputError(f"round {round_.name} has no further dataset {name}; it has: {known}.")
    dataset = round_.further_datasets[name]
    return round_.model_copy(
        update={
            "samples": dataset.samples,
            "dataset_samples": dataset.dataset_samples,
            "splits": dataset.splits,
            "dataset_files": dataset.files,
            "closed": round_.closed.model_copy(update={"dataset": dataset.closed}),
        }
    )


def has_streams(round_: Round) -> bool:
    """Return whether runs of the round may need streamed answers, which request stores then describe."""
    if round_.loadgen is not None:
        return round_.loadgen.token_latencies
    return any(map(round_.streams, round_.scenarios.values()))
