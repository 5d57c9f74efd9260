"""Remedies for the complaints of the official tools.

The new checker has one function for each check, and an exception says where it was raised: these names select
the remedy. The old checker has a few large functions; for what these check, keywords of the text select it.
"""

import re
from collections.abc import Sequence

_SCENARIOS = "Every scenario of the round must be present under its own name: run it, and assemble."
_SEEDS = "Repeat the run with the round's LoadGen or official client: its seeds are compiled into it."
_SCORE = "The score misses its bound; the scenario's verdict lists what to do."
_TRUNCATE = "Assemble again: the log in the tree must be the truncated one."
_HASH = "Assemble again: accuracy.txt needs one line that is hash=... alone."
_LATE = "Too many queries were late: lower the scenario's target_qps and repeat the run."
_USER_CONF = (
    "Repeat the run with the user.conf, or the client's configuration, that Weighbridge writes for it."
)
_DATASET = "Repeat the run with the round's whole dataset."
_MEASUREMENTS = "State the field under submission.measurements, and assemble."
_CALIBRATION = "Set submission.calibration to a Markdown file, and assemble."
_EMPTY_FOLDER = "Remove the folder, and assemble again."
_NODES = "Write whole numbers for number_of_nodes and accelerators_per_node, and texts for all other fields."
_SYSTEM = "Complete the system description."
_FILES = "Assemble again: each scenario needs measurements.json, README.md and, of LoadGen, user.conf."
_LOG = "Assemble again from the run's own files: this one is missing, cut off or altered."
_BENCHMARK = "Name the folder after the round's benchmark, and state a system_type that the round is for."
_CODE = "Put the code that ran into src/ and the benchmark's folder there."
_FILE_LIST = "Assemble again: this folder holds the files that LoadGen and the scoring write, and no others."
_NAMES = "Remove or rename what the message lists."
_REFERENCE = "Fetch the reference again: its tools are incomplete."
_POWER = "Remove the power folder; no power was measured."
_LOADGEN_ERRORS = "Read the errors in the run's detail log, remove their cause and repeat the run."
_OTHERWISE = "Compare the file with docs/submission.md, remove the cause, and assemble again."

# Modules and functions of tools/submission @ b66003e1: checks, and places where a defect raises an exception.
_BY_CHECK = {
    "performance_check.missing_check": _LOG,
    "performance_check.scenarios_check": _SCENARIOS,
    "performance_check.loadgen_errors_check": _LOADGEN_ERRORS,
    "performance_check.performance_sample_count_check": _DATASET,
    "performance_check.seeds_check": _SEEDS,
    "performance_check.latency_check": _LATE,
    "performance_check.min_query_count_check": _USER_CONF,
    "performance_check.min_duration_check": _USER_CONF,
    "performance_check.equal_issue_check": _USER_CONF,
    "performance_check.get_performance_metric_check": _LOG,
    "performance_check.endpoints_model_check": _BENCHMARK,
    "performance_check.network_check": _SYSTEM,
    "performance_check.__init__": _LOG,
    "accuracy_check.accuracy_json_check": _TRUNCATE,
    "accuracy_check.endpoints_model_check": _BENCHMARK,
    "accuracy_check.loadgen_errors_check": _LOADGEN_ERRORS,
    "accuracy_check.dataset_check": _DATASET,
    "accuracy_check.__init__": _LOG,
    "measurements_checks.missing_check": _FILES,
    "measurements_checks.directory_exist_check": _CODE,
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
    "configuration.set_type": _SYSTEM,
    "loader.check_scenarios": _BENCHMARK,
    "loader.load_single_log": _LOG,
    "loader.load": _SYSTEM,
    "loadgen_parser.__init__": _LOG,
    "endpoints_parser._load_json": _LOG,
    "endpoints_parser._load_yaml": _LOG,
    "endpoints_parser.__init__": _LOG,
    "results.add_result": _NODES,
    # The old tool.
    "submission_checker_old.find_error_in_detail_log": _LOADGEN_ERRORS,
    "submission_checker_old.check_system_desc_id": _SYSTEM,
    "submission_checker_old.check_power_dir": _POWER,
    "submission_checker_old.set_type": _SYSTEM,
    "submission_checker_old.log_result": _NODES,
    "log_parser.__init__": _LOG,
}
_BY_KEYWORD = (
    (r"required scenario", _SCENARIOS),
    (r"seed", _SEEDS),
    (r"accuracy not met", _SCORE),
    (r"truncated", _TRUNCATE),
    (r"hash", _HASH),
    (r"early.stopping|latency", _LATE),
    (r"duration", _USER_CONF),
    (r"count|samples.per.query|dataset", _DATASET),
    (r"calibration", _CALIBRATION),
    (r"empty director", _EMPTY_FOLDER),
    (r"system_desc|invalid (status|system type)", _SYSTEM),
    (r"field", _MEASUREMENTS),
    (r"invalid model", _BENCHMARK),
    (r"code_dir", _CODE),
    (r"list mismatch", _FILE_LIST),
    (r"spaces in|unfriendly|pycache|symbolic|greater than|outside", _NAMES),
    (r"power|analyzer", _POWER),
    (r"'mlperf_log'", _LOADGEN_ERRORS),
    (r"caused exception|JSON|codec", _LOG),
    (r"user\.conf|README", _FILES),
    (r"No module named|can't open file|No such file.*submission_checker", _REFERENCE),
)


def remedy_for(checks: Sequence[str], text: str) -> str:
    """Return the remedy for a complaint.

    Args:
        checks: Modules and functions of the tool that it comes from, the most precise first; empty: unknown.
        text: Its text, searched for keywords if none of them is listed.
    """
    for check in checks:
        if check in _BY_CHECK:
            return _BY_CHECK[check]
    return next(
        (remedy for pattern, remedy in _BY_KEYWORD if re.search(pattern, text, re.IGNORECASE)), _OTHERWISE
    )
