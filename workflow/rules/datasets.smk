"""The datasets of the planned scenarios: the round's own, and further ones that some scenarios use instead.

In:  ROUND, PLANNED
Out: DATASETS, FURTHER_FILES, FURTHER_OPTIONS, named_with(), dataset_of(), dataset_proof(), store_of(), client_rows(),
     lengths_of(), golden_store(), golden_option(), further_dataset(), further_options(), kind_option(),
     scenario_with_rows(); round_of_dataset() and name_with_dataset() for other files

What is made of a further dataset NAME is called as what is made of the round's own, with -NAME after it.
"""

from weighbridge.config.dataset_rules import name_with_dataset
from weighbridge.config.round_of_scenario import has_streams, round_of_dataset
from weighbridge.config.round_settings import planned_datasets

# None is the round's own.
DATASETS = [None, *planned_datasets(SETTINGS, ROUND)]


def named_with(name):
    """Return which dataset a file or folder is made of, by its name: that of the own dataset's is given."""
    return {name_with_dataset(name, dataset): dataset for dataset in DATASETS}


def dataset_of(scenario):
    """Return which of the round's further datasets a scenario uses; None: the round's own."""
    return ROUND.scenarios[scenario].dataset


def dataset_proof(dataset):
    """Return the proof of a dataset."""
    return f"resources/{name_with_dataset('dataset', dataset)}.json"


def store_of(dataset):
    """Return the manifest of the requests that are made of a dataset."""
    return f"resources/{name_with_dataset('requests', dataset)}/manifest.json"


def client_rows(dataset):
    """Return the proof of the official client's rows of a dataset; nothing where another client measures."""
    name = name_with_dataset("dataset", dataset)
    return (
        [f"resources/client-data/{name}.json"] if ROUND.evidence == "endpoints" else []
    )


def lengths_of(dataset):
    """Return the lengths of all prompts that are made of a dataset, in tokens."""
    return f"resources/{name_with_dataset('prompt-tokens', dataset)}.json"


def golden_store(scenario):
    """Return the requests that the golden answer is of, where a scenario has others than the round's own."""
    other = SETTINGS.server.golden is not None and dataset_of(scenario) is not None
    return [store_of(None)] if other else []


def golden_option(wildcards, input):
    """Return the option that names the requests of the golden answer, where a run has others."""
    return [f"--golden-store={Path(manifest).parent}" for manifest in input.golden]


def further_dataset(dataset):
    """Return the option that names one of the round's further datasets, for its own none."""
    return [] if dataset is None else [f"--further-dataset={dataset}"]


def further_options(option, file_of):
    """Return an option for the files of each further dataset that planned scenarios use."""
    return [f"--{option}={dataset}={file_of(dataset)}" for dataset in DATASETS[1:]]


FURTHER_FILES = [
    file_of(dataset)
    for dataset in DATASETS[1:]
    for file_of in (dataset_proof, store_of)
]
FURTHER_OPTIONS = [
    *further_options("further-dataset", dataset_proof),
    *further_options("further-store", store_of),
]


def kind_option(name):
    """Return the options that say what an artifact is, by the name of its folder and proof."""
    dataset = named_with("dataset").get(name)
    kind = name if dataset is None else "dataset"
    return [f"--kind={kind}", *further_dataset(dataset)]


def scenario_with_rows(name):
    """Return one of the scenarios that use a dataset, by its proof's name: the official client reads the same of it."""
    dataset = named_with("dataset")[name]
    return next(scenario for scenario in SCENARIOS if dataset_of(scenario) == dataset)
