"""measurements.json: which weights were served and what goes in, in the five fields of the checker."""

from collections.abc import Mapping

from weighbridge.config.round import Round
from weighbridge.core.errors import InputError
from weighbridge.records.run_record import RunRecord
from weighbridge.submission.system_description import PLACEHOLDER, mark_of

# With an example of each. Source: the submission checker's constants in mlcommons/inference @ b66003e1.
MEASUREMENTS = {
    "input_data_types": "uint8 pictures, UTF-8 text",
    "retraining": "No",
    "starting_weights_filename": "Qwen/Qwen3-VL-235B-A22B-Instruct",
    "weight_data_types": "bf16",
    "weight_transformations": "No",
}


def measurements(stated: Mapping[str, str], round_: Round, record: RunRecord) -> dict[str, str]:
    """Complete what the submitter states; how the weights were treated is never guessed.

    Raises:
        InputError: a field is neither stated nor known; all are listed, with an example of each.
    """
    known = {
        "input_data_types": "uint8 pictures, UTF-8 text",
        "retraining": "No",
        "starting_weights_filename": f"{record.server.model_name} (manifest {record.pins['model']})",
    }
    values = known | dict(stated)
    missing = [name for name in MEASUREMENTS if not values.get(name)]
    if missing and round_.submittable:
        examples = "; ".join(f"{name}: '{MEASUREMENTS[name]}'" for name in missing)
        raise InputError(
            f"submission.measurements: state {examples}, as they are true of the served weights."
        )
    values |= dict.fromkeys(missing, PLACEHOLDER)
    if not round_.submittable:
        values["notes"] = mark_of(round_)
    return dict(sorted(values.items()))
