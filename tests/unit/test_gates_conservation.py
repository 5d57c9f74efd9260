"""The gate accounts for every request: what was lost, doubled or edited in any record fails or is unknown."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from judged_pair import DEMONSTRATION, HELD, Pair
from loadgen_files import SAMPLES, small_round
from request_files import request_log, write_requests

from weighbridge.client.frames import RequestOutcome
from weighbridge.client.request_log import write_parquet
from weighbridge.config.scenario_rules import Mode
from weighbridge.core.errors import InputError
from weighbridge.gates import NEEDS_ANSWERS
from weighbridge.gates.conservation_checks import conservation_checks
from weighbridge.gates.request_rows import RequestRows
from weighbridge.loadgen.logs import read_detail
from weighbridge.records.run_record import RunRecord
from weighbridge.records.verdict import outcome_of

SPEED, ANSWERED = Mode.PERFORMANCE, Mode.ACCURACY


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


def test_a_valid_pair_of_a_round_whose_rules_hold_is_valid(pair: Pair) -> None:
    verdict = pair.judged()
    assert (verdict.outcome, verdict.failed, verdict.unknown) == ("VALID", (), ())


def test_lost_records_are_no_valid_run(pair: Pair) -> None:
    """As seen: records removed during a run left completed 0 of 512, and 49 lines in errors.jsonl."""
    pair.change(SPEED, lambda log: log[:0])
    load = pair.records[SPEED]["load"]
    load["completed"] = 0
    line = json.dumps({"sample": 1, "kind": "http_status", "status": 429})
    (pair.folder(SPEED) / "errors.jsonl").write_text(49 * f"{line}\n")
    failed, _ = pair.found()
    assert failed >= {
        "every request accounted for",
        "failures as in errors.jsonl",
        "requests recorded",
        "samples as issued",
    }


def test_nothing_completed_of_nothing_is_no_valid_run(pair: Pair) -> None:
    for mode in Mode:
        pair.change(mode, lambda log: log[:0])
        pair.records[mode]["load"] |= {"issued": 0, "completed": 0}
    failed, _ = pair.found()
    assert "every request accounted for" in failed


def test_failures_left_out_of_run_json_are_found_by_their_lines(pair: Pair) -> None:
    line = json.dumps({"sample": 1, "kind": "reset"})
    (pair.folder(SPEED) / "errors.jsonl").write_text(45 * f"{line}\n")
    assert pair.found() == ({"failures as in errors.jsonl"}, set())


def test_failures_left_out_of_both_are_found_in_the_table(pair: Pair) -> None:
    def fail(log: Any) -> None:
        log["outcome"][:45] = RequestOutcome.RESET

    pair.change(SPEED, fail)
    assert pair.found()[0] == {"outcomes recorded"}


def test_damaged_lines_of_errors_are_not_overlooked(pair: Pair) -> None:
    (pair.folder(SPEED) / "errors.jsonl").write_text("{\n[]\n" + 10_000 * "[" + "\n")
    verdict = pair.judged()
    assert [(check.name, check.value) for check in verdict.failed] == [
        ("failures as in errors.jsonl", "3 not readable")
    ]


def test_the_reason_of_an_abort_is_no_failure(pair: Pair) -> None:
    (pair.folder(SPEED) / "errors.jsonl").write_text('{"kind": "aborted", "evidence": "Ctrl-C"}\n')
    assert pair.found() == (set(), set())


@pytest.mark.parametrize("name", ["errors.jsonl", "requests.parquet", "sampled_answers.jsonl"])
def test_a_missing_file_is_unknown_where_rules_hold_and_left_out_elsewhere(tmp_path: Path, name: str) -> None:
    for number, round_ in enumerate((HELD, DEMONSTRATION)):
        pair = Pair(tmp_path / str(number), round_)
        (pair.folder(SPEED) / name).unlink()
        failed, unknown = pair.found()
        assert failed == set()
        assert bool(unknown) == (round_ is HELD)


def test_what_was_sent_is_compared_with_the_store(pair: Pair) -> None:
    pair.records[SPEED]["sent_sha256"] = "e" * 64
    del pair.records[ANSWERED]["sent_sha256"]
    assert pair.found() == ({"requests sent as stored"}, {"requests sent as stored"})
    pair.round = DEMONSTRATION
    pair.records[SPEED]["sent_sha256"] = "d" * 64
    for record in pair.records.values():
        record["round"] = DEMONSTRATION.name
    assert pair.found() == (set(), set())


def _twice(log: Any) -> None:
    log["sample"][0] = 1


def _outside(log: Any) -> None:
    log["sample"][0] = 4_000_000_000


@pytest.mark.parametrize("change", [_twice, _outside])
@pytest.mark.parametrize("mode", list(Mode))
def test_each_sample_is_asked_as_often_as_loadgen_must(
    pair: Pair, mode: Mode, change: Callable[[Any], None]
) -> None:
    pair.change(mode, change)
    assert "samples as issued" in pair.found()[0]


def test_without_whole_passes_samples_may_be_asked_unequally(tmp_path: Path) -> None:
    rules = HELD.loadgen_rules.model_copy(update={"whole_passes": False})
    pair = Pair(tmp_path, small_round(submittable=True, loadgen=rules))
    pair.change(SPEED, _twice)
    assert "samples as issued" not in pair.found()[0]


def test_answers_of_another_accuracy_run_are_found_by_their_sizes(pair: Pair) -> None:
    log = pair.folder(ANSWERED) / "mlperf_log_accuracy.json"
    entries = json.loads(log.read_text())
    entries[3]["data"] = entries[3]["data"][:-2]
    log.write_text(json.dumps(entries))
    failed, _ = pair.found()
    assert failed == {"answers as received", "score of this log", "score computed again"}
    log.write_text(json.dumps(entries[:-1]))
    assert "answers counted by LoadGen" in pair.found()[0]


def test_without_the_whole_accuracy_log_its_checks_are_unknown(pair: Pair) -> None:
    (pair.folder(ANSWERED) / "mlperf_log_accuracy.json").unlink()
    failed, unknown = pair.found()
    assert failed == set()
    assert unknown < NEEDS_ANSWERS
    assert unknown == NEEDS_ANSWERS - {"sampled answers readable"}


@pytest.mark.parametrize(
    ("key", "factor", "name"),
    [
        ("result_50.00_percentile_latency_ns", 0.9, "50th percentile as recorded"),
        ("result_99.00_percentile_latency_ns", 0.5, "99th percentile as recorded"),
        ("result_completed_samples_per_sec", 1.1, "rate as recorded"),
    ],
)
def test_figures_better_than_those_of_the_client_are_found(
    pair: Pair, key: str, factor: float, name: str
) -> None:
    """A run edited consistently, its logs and run.json with all hashes, still contradicts its requests."""
    log = pair.folder(SPEED) / "mlperf_log_detail.txt"
    value = read_detail(log).number(key)
    assert value is not None

    def as_logged(requests: Any) -> None:
        requests["end_ns"] = requests["planned_ns"] + 8_000_000_000
        requests["end_ns"][: SAMPLES * 3 // 2] -= 5_000_000_000
        requests["planned_ns"] += np.linspace(0, 53 * 10**9, 2 * SAMPLES).astype(np.int64)
        requests["end_ns"] += np.linspace(0, 53 * 10**9, 2 * SAMPLES).astype(np.int64)

    pair.change(SPEED, as_logged)
    assert pair.found() == (set(), set())
    text = log.read_text().replace(
        f'"{key}", "value": {json.dumps(value)}', f'"{key}", "value": {value * factor}'
    )
    text = text.replace(f'"{key}", "value": {int(value)},', f'"{key}", "value": {value * factor},')
    log.write_text(text)
    assert read_detail(log).number(key) == pytest.approx(value * factor)
    assert name in pair.found()[0]


def test_the_rate_counts_to_the_end_of_the_query_issued_last(pair: Pair) -> None:
    """As LoadGen's does (results.cc): others may end later, and its rate is higher than to the last end."""

    def one_late(log: Any) -> None:
        latencies = log["end_ns"] - log["planned_ns"]
        log["planned_ns"] = np.linspace(1, 52 * 10**9, 2 * SAMPLES).astype(np.int64)
        log["end_ns"] = log["planned_ns"] + latencies
        log["end_ns"][5] = 90 * 10**9

    pair.change(SPEED, one_late)
    assert pair.found() == (set(), set())


@pytest.mark.parametrize(
    "damage",
    [
        lambda table: table.drop_columns(["tokens"]),
        lambda table: table.set_column(0, "sample", table["sample"].cast("float64")),
        lambda table: table.set_column(0, "sample", table["sample"].cast("string")),
        lambda table: table.set_column(
            table.schema.get_field_index("outcome"), "outcome", table["tokens"].cast("int32")
        ),
    ],
)
def test_a_damaged_table_is_one_sentence_or_a_failed_check(pair: Pair, damage: Callable[[Any], Any]) -> None:
    path = pair.folder(SPEED) / "requests.parquet"
    pq.write_table(damage(pq.read_table(path)), path)
    with contextlib.suppress(InputError):
        assert pair.found()[0]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_table_with_any_damaged_bytes_is_one_sentence_or_read(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    write_requests(folder, 60, ANSWERED)
    path = folder / "requests.parquet"
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 20))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(
        content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content
    )
    with contextlib.suppress(InputError):  # and nothing else
        RequestRows.read(folder)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Return a small pair whose run.json has all hashes; a test must put back what it changes."""
    pair = Pair(tmp_path_factory.mktemp("run"), small_round(submittable=True, samples=60))
    pair.scored = False
    pair.judged()
    return pair


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_one_changed_byte_of_any_file_is_not_valid(small: Pair, data: st.DataObject) -> None:
    files = sorted(path for mode in Mode for path in small.folder(mode).iterdir() if path.suffix != ".conf")
    path = data.draw(st.sampled_from([path for path in files if path.stat().st_size]))
    whole = path.read_bytes()
    content = bytearray(whole)
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        with contextlib.suppress(InputError):
            verdict = small.judged_as_it_is()
            # Most of run.json stands nowhere else; what the gate compares of it has tests of its own.
            assert path.name == "run.json" or verdict.outcome == "INVALID"
    finally:
        path.write_bytes(whole)


def test_row_groups_with_texts_of_their_own_are_read_as_one_table(tmp_path: Path) -> None:
    log = request_log(100, ANSWERED)
    log["outcome"][90:] = RequestOutcome.TIMEOUT
    write_parquet(log, tmp_path / "requests.parquet")
    table = pq.read_table(tmp_path / "requests.parquet")
    pq.write_table(table, tmp_path / "requests.parquet", row_group_size=30)
    rows = RequestRows.read(tmp_path)
    assert rows is not None
    assert (len(rows), rows.failed, int(rows.completed.sum())) == (100, {"timeout": 10}, 90)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    outcomes=st.lists(st.sampled_from(list(RequestOutcome)), min_size=4, max_size=12),
    lost=st.integers(0, 3),
    told=st.integers(0, 3),
)
def test_counts_pass_only_where_every_record_agrees(
    outcomes: list[RequestOutcome], lost: int, told: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever failed, counts agree if nothing was lost; one lost row or line is enough to fail."""
    samples = len(outcomes)
    round_ = small_round(samples=samples)
    pair = Pair(tmp_path_factory.mktemp("run"), round_)
    log = pair.logs[ANSWERED]
    log["outcome"] = outcomes
    lost, failures = min(lost, samples), [each for each in outcomes if each is not RequestOutcome.OK]
    lines = [
        json.dumps({"sample": 0, "kind": each.label})
        for each in failures
        if each is not RequestOutcome.ABORTED
    ]
    told = min(told, len(lines))
    folder = pair.folder(ANSWERED)
    pair.change(ANSWERED, lambda log: log[lost:])
    (folder / "errors.jsonl").write_text("".join(f"{line}\n" for line in lines[told:]))
    failed = {each.label: failures.count(each) for each in failures}
    completed = samples - len(failures)
    pair.records[ANSWERED]["load"] |= {"issued": samples, "completed": completed, "failed": failed}
    record = RunRecord.parse(pair.records[ANSWERED], "test")
    checks = conservation_checks(
        folder,
        read_detail(folder / "mlperf_log_detail.txt"),
        record,
        RequestRows.read(folder),
        ANSWERED,
        round_,
        round_.scenarios["server"],
    )
    counts = [check for check in checks if check.name != "answers as received"]
    assert (outcome_of(counts) == "VALID") == (lost == 0 and told == 0 and completed > 0)
