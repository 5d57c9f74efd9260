"""Remedies for the complaints of the official tools.

The new checker has one function for each check, and its name selects the remedy. The old checker has a few
large functions, and a crash has none: for these, and for functions that check several things, keywords of the
text select it.
"""

import re

_SCENARIOS = "Every scenario of the round must be present under its own name: run it, and assemble."
_SEEDS = "Repeat the run with the round's LoadGen: its seeds are compiled into it."
_SCORE = "The score misses its bound; the scenario's verdict lists what to do."
_TRUNCATE = "Assemble again: the log in the tree must be the truncated one."
_HASH = "Assemble again: accuracy.txt needs one line that is hash=... alone."
_LATE = "Too many queries were late: lower the scenario's target_qps and repeat the run."
_LATENCY = "Lower the scenario's target_qps, or repeat with the user.conf that Weighbridge writes."
_USER_CONF = "Repeat the run with the user.conf that Weighbridge writes for the round."
_DATASET = "Repeat the run with the round's whole dataset."
_MEASUREMENTS = "State the field under submission.measurements, and assemble."
_CALIBRATION = "Set submission.calibration to a Markdown file, and assemble."
_EMPTY_FOLDER = "Remove the folder, and assemble again."
_NODES = "Write whole numbers for number_of_nodes and accelerators_per_node."
_SYSTEM = "Complete the system description."
_FILES = "Assemble again: each scenario needs its measurements.json, user.conf and README.md."
_REFERENCE = "Fetch the reference again: its tools are incomplete."
_POWER = "Remove the power folder; no power was measured."
_LOADGEN_ERRORS = "Read the errors in the run's detail log, remove their cause and repeat the run."
_OTHERWISE = "Compare the file with docs/submission.md, remove the cause, and assemble again."

# Modules and functions of tools/submission/submission_checker/checks @ b66003e1.
_BY_CHECK = {
    "performance_check.scenarios_check": _SCENARIOS,
    "performance_check.loadgen_errors_check": _LOADGEN_ERRORS,
    "performance_check.performance_sample_count_check": _DATASET,
    "performance_check.seeds_check": _SEEDS,
    "performance_check.latency_check": _LATE,
    "performance_check.min_query_count_check": _USER_CONF,
    "performance_check.min_duration_check": _USER_CONF,
    "performance_check.equal_issue_check": _USER_CONF,
    "accuracy_check.accuracy_json_check": _TRUNCATE,
    "accuracy_check.loadgen_errors_check": _LOADGEN_ERRORS,
    "accuracy_check.dataset_check": _DATASET,
    "measurements_checks.missing_check": _FILES,
    "measurements_checks.required_files_check": _FILES,
    "measurements_checks.required_fields_check": _MEASUREMENTS,
    "system_check.missing_check": _SYSTEM,
    "system_check.availability_check": _SYSTEM,
    "system_check.system_type_check": _SYSTEM,
    "system_check.network_check": _SYSTEM,
    "system_check.required_fields_check": _SYSTEM,
    "system_check.submitter_check": _SYSTEM,
    "system_check.division_check": _SYSTEM,
    "power_check.required_files_check": _POWER,
    "power_check.external_power_check": _POWER,
    "power_check.get_power_metric_check": _POWER,
    # Functions of the old tool that check one thing.
    "submission_checker_old.find_error_in_detail_log": _LOADGEN_ERRORS,
    "submission_checker_old.check_system_desc_id": _SYSTEM,
    "submission_checker_old.check_power_dir": _POWER,
}
_BY_KEYWORD = (
    (r"required scenario|unknown scenario", _SCENARIOS),
    (r"seed", _SEEDS),
    (r"accuracy.*not met|accuracy not", _SCORE),
    (r"not truncated", _TRUNCATE),
    (r"hash", _HASH),
    (r"early.stopping", _LATE),
    (r"latency|check for TTFT", _LATENCY),
    (r"duration", _USER_CONF),
    (r"sample.?count|samples.per.query|query.?count|dataset", _DATASET),
    (r"measurements", _MEASUREMENTS),
    (r"calibration", _CALIBRATION),
    (r"empty director", _EMPTY_FOLDER),
    (r"number_of_nodes|invalid literal", _NODES),
    (r"system_desc|system.*json|required field|required.*key|is_network|NoneType", _SYSTEM),
    (r"user\.conf|README", _FILES),
    (r"No module named|can't open file|No such file.*submission_checker", _REFERENCE),
    (r"power", _POWER),
    (r"error", _LOADGEN_ERRORS),
)


def remedy_for(check: str, text: str) -> str:
    """Return the remedy for a complaint.

    Args:
        check: Module and function of the tool that made it; "" for a crash.
        text: Its text, searched for keywords if the check is not listed.
    """
    if check in _BY_CHECK:
        return _BY_CHECK[check]
    return next(
        (remedy for pattern, remedy in _BY_KEYWORD if re.search(pattern, text, re.IGNORECASE)), _OTHERWISE
    )
