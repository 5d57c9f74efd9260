"""The files of a run directory that its crate describes: of a run's folder, and of the results."""

from weighbridge.gates.token_consistency import VERIFICATION
from weighbridge.records.official_client import (
    ACCURACY_RESULTS,
    CLIENT_LOG,
    CLIENT_REQUEST,
    EVENTS,
    PHASE_ANSWERS,
    RESULT_SUMMARY,
    SAMPLE_MAP,
    SNAPSHOT,
    WRITTEN_CONFIG,
)
from weighbridge.records.run_record import (
    ANSWERS,
    AUDIT_CONFIG,
    DETAIL,
    ERRORS_FILE,
    REQUESTS_TABLE,
    RUN_RECORD,
    SAMPLED_ANSWERS,
    SERVER_LOG,
    SUMMARY,
    TELEMETRY_FILE,
    USER_CONF,
)
from weighbridge.submission.run_files import recorded_name

RUN_FILES = {
    RUN_RECORD: "Record of the run: pins, versions, commands, host, counts, times.",
    SUMMARY: "LoadGen's summary.",
    DETAIL: "LoadGen's detail log.",
    ANSWERS: "LoadGen's accuracy log; it holds all answers of an accuracy run.",
    USER_CONF: "LoadGen's settings beyond those of its benchmark.",
    AUDIT_CONFIG: "What LoadGen applied over them in the run of a compliance test.",
    VERIFICATION: "What the official script of the compliance test found.",
    REQUESTS_TABLE: "Every request with its times.",
    TELEMETRY_FILE: "Telemetry of servers, GPUs, processes and host, once a second.",
    ERRORS_FILE: "Every failed request.",
    PHASE_ANSWERS: "All answers of the official client's accuracy phase.",
    CLIENT_REQUEST: "What the official client was asked to do.",
    CLIENT_LOG: "What the official client printed.",
    recorded_name(WRITTEN_CONFIG): "The official client's configuration as it resolved it.",
    recorded_name(RESULT_SUMMARY): "The official client's summary of its performance phase.",
    recorded_name(ACCURACY_RESULTS): "The official client's scores.",
    recorded_name(EVENTS): "The official client's log of events; it holds all answers.",
    recorded_name(SAMPLE_MAP): "Which sample each of the official client's queries was.",
    recorded_name(SNAPSHOT): "The official client's counters.",
    SAMPLED_ANSWERS: "A random share of the answers of a performance run.",
    SERVER_LOG: "Output of the server.",
}
PRODUCTS = {
    "summary.json": "Rates, latencies, scores, verdicts and versions as JSON.",
    "report.html": "Report with charts.",
    "quality/mmlu/overall.json": "Accuracy of the model in MMLU.",
    "quality/mmlu/samples.csv": "Every question of MMLU that was asked, and the answer.",
    "submission.tar.gz": "The submission tree.",
    "submission.sha256": "Checksums of the tree's files.",
    "attestation.json": "in-toto statement about the submission tree, in a DSSE envelope.",
    "check.txt": "Findings and complaints of the checkers.",
    "check.json": "The same as JSON.",
    "originals/originals.json": "List of the full accuracy logs, or logs of events, not in the tree.",
}
