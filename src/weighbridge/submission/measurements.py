"""measurements.json: the official checker's five fields on weights and inputs, and what they must declare."""

from collections.abc import Collection, Iterable, Mapping

from weighbridge.benchmarks.protocol import Benchmark
from weighbridge.benchmarks.registry import load_benchmark
from weighbridge.config.declared_weights import declaration_fault
from weighbridge.config.round import Round
from weighbridge.config.settings import SubmissionSettings
from weighbridge.core.errors import InputError
from weighbridge.gates.closed_checks import Inputs
from weighbridge.gates.server_checks import quantised_by
from weighbridge.records.notice import PLACEHOLDER, mark_of
from weighbridge.records.run_record import RunRecord
from weighbridge.submission.tree_records import are_complete

# Source: the submission checker's constants in mlcommons/inference @ b66003e1.
MEASUREMENTS = (
    "input_data_types",
    "retraining",
    "starting_weights_filename",
    "weight_data_types",
    "weight_transformations",
)


def examples_of(benchmark: Benchmark) -> dict[str, str]:
    """Return an example value of each field."""
    values = (benchmark.input_data_types, "No", benchmark.reference_weights, "bf16", "No")
    return dict(zip(MEASUREMENTS, values, strict=True))


def measurements(
    stated: Mapping[str, str], round_: Round, record: RunRecord, origin: str | None = None
) -> dict[str, str]:
    """Return the fields of measurements.json: the submitter's statements, completed by known values.

    Weight data types and transformations are never guessed: a round that is submittable needs them stated; a
    demonstration gets a placeholder and a note.

    Args:
        stated: submission.measurements.
        round_: The rules.
        record: A run with the model.
        origin: Repository and revision of the model; None: the name under which it was served.

    Raises:
        InputError: fields are neither stated nor known; all are listed with examples.
    """
    benchmark = load_benchmark(round_.benchmark)
    served = origin or record.server.model_name
    known = {
        "input_data_types": benchmark.input_data_types,
        "retraining": "No",
        "starting_weights_filename": f"{served} (manifest {record.pins['model']})",
    }
    values = known | dict(stated)
    missing = [name for name in MEASUREMENTS if not values.get(name)]
    if missing and round_.submittable:
        shown = examples_of(benchmark)
        examples = "; ".join(f"{name}: '{shown[name]}'" for name in missing)
        raise InputError(f"submission.measurements: state {examples}, with the values of the served weights.")
    values |= dict.fromkeys(missing, PLACEHOLDER)
    if not round_.submittable:
        values["notes"] = mark_of(round_)
    return dict(sorted(values.items()))


def require_declaration(
    round_: Round,
    settings: SubmissionSettings,
    inputs: Inputs,
    records: Iterable[RunRecord],
    datasets: Collection[str | None],
) -> None:
    """Check that the weights are the ones that the rules name, or declared.

    Args:
        round_: The rules.
        settings: What is stated of the weights, and the division.
        inputs: What the runs were made from.
        records: The runs.
        datasets: Which of the round's further datasets the runs used; None: its own.

    Raises:
        InputError: the closed division needs evidence that is missing, or refuses the declaration.
    """
    closed = settings.division == "closed"
    for dataset in datasets if closed and not round_.closed.are_empty else ():
        if are_complete(inputs.of_dataset(dataset)):
            continue
        further = f"; of the dataset {dataset}, --further-dataset and --further-store" if dataset else ""
        raise InputError(
            f"round {round_.name}: a tree of the closed division carries the proofs of model and dataset "
            f"and the manifest of the requests; pass --artifact for both and --store{further}."
        )
    model = inputs.model
    fault = declaration_fault(
        round_.closed.model if closed else None,
        model.repo if model else None,
        model.revision if model else None,
        settings.measurements,
        calibrated=settings.calibration is not None,
        reference_type=examples_of(load_benchmark(round_.benchmark))["weight_data_types"],
        quantised_by=next(filter(None, map(quantised_by, records)), None),
    )
    if fault is not None:
        raise InputError(fault)
