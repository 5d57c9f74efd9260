"""Gates on runs of the official endpoints client: valid ones pass, and each known fault of one is INVALID."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from client_files import (
    CLIENT_FOLDER,
    change_file,
    client_evaluation,
    client_record,
    client_round,
    derive_from_events,
    seal_client_run,
    write_client_run,
)
from loadgen_files import judged_runs
from real_client_runs import round_of_runs, unpack_runs
from request_files import with_products

from weighbridge.config.round_of_scenario import round_of_scenario
from weighbridge.config.scenario_rules import Mode
from weighbridge.gates import Inputs, judge, judge_logs
from weighbridge.gates.closed_checks import NO_INPUTS
from weighbridge.records.client_rows import ClientRows
from weighbridge.records.official_client import (
    ACCURACY_RESULTS,
    EVENTS,
    PHASE_ANSWERS,
    RESULT_SUMMARY,
    SAMPLE_MAP,
    WRITTEN_CONFIG,
)
from weighbridge.records.run_record import REQUESTS_TABLE, RUN_RECORD, SAMPLED_ANSWERS
from weighbridge.records.verdict import Verdict

ROUND = client_round()
HELD = client_round(name="held-endpoints", submittable=True)
NAME = "interactive"
_ISSUED = 1200
Values = dict[str, Any]


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the results folder of valid runs, of which each test changes a copy."""
    results = tmp_path_factory.mktemp("valid") / "results"
    for name in ROUND.scenarios:
        write_client_run(results, ROUND, name)
    return results


class Runs:
    """Both runs of a scenario; their run.json is written anew, with all hashes, before judging."""

    def __init__(self, results: Path, name: str = NAME) -> None:
        self.results, self.name = results, name
        self.of_scenario = round_of_scenario(ROUND, name)
        scenario = ROUND.scenario(name)
        self.records = {mode: client_record(self.of_scenario, scenario, mode) for mode in Mode}

    def folder(self, mode: Mode = Mode.PERFORMANCE) -> Path:
        return self.results / self.name / mode

    def file(self, name: Path) -> Path:
        return self.folder() / CLIENT_FOLDER / name

    def change(self, name: Path, change: Callable[[Values], object]) -> None:
        """Change a JSON or YAML file of the client in place."""
        change_file(self.file(name), change)

    def change_events(self, change: Callable[[list[Values]], list[Values]]) -> None:
        """Change the log of events, and make our own records of it again."""
        lines = [json.loads(line) for line in self.file(EVENTS).read_text().splitlines()]
        self.file(EVENTS).write_text("".join(json.dumps(line) + "\n" for line in change(lines)))
        derive_from_events(self.folder(), self.folder(Mode.ACCURACY))

    def fail(self, share: int) -> None:
        """Let each `share`-th query of the performance phase fail with HTTP 500, as the client tells it."""
        failed = {f"performance-{place}" for place in range(0, _ISSUED, share)}

        def fail(lines: list[Values]) -> list[Values]:
            changed = []
            for line in lines:
                if line["event_type"] == "sample.complete" and line["sample_uuid"] in failed:
                    error = ["ErrorData", "HTTPError", "HTTP 500: down"]
                    changed.append(line | {"event_type": "error.generic", "data": error})
                    line = line | {"data": None}
                changed.append(line)
            return changed

        self.change_events(fail)
        self.change(RESULT_SUMMARY, lambda values: values.update(n_samples_failed=len(failed)))
        load = self.records[Mode.PERFORMANCE]["load"]
        load |= {"completed": _ISSUED - len(failed), "failed": {"http_status": len(failed)}}

    def judged(self) -> Verdict:
        for mode in Mode:
            seal_client_run(self.folder(mode), json.loads(json.dumps(self.records[mode])))
        answers = self.folder(Mode.ACCURACY) / PHASE_ANSWERS
        evaluation = client_evaluation(self.of_scenario, answers)
        inputs = with_products(NO_INPUTS, self.results.parent / "products", self.of_scenario.samples)
        return judged_runs(self.results, ROUND, self.name, evaluation, inputs)

    def failed(self) -> set[str]:
        """Return the names of the failed checks, each of which has a remedy; the verdict is INVALID."""
        verdict = self.judged()
        assert verdict.outcome == "INVALID"
        assert all(check.remedy for check in verdict.failed)
        return {check.name for check in verdict.failed}


@pytest.fixture
def runs(valid: Path, tmp_path: Path) -> Runs:
    """Return valid runs of the Interactive scenario, to be changed."""
    shutil.copytree(valid / NAME, tmp_path / "results" / NAME)
    return Runs(tmp_path / "results")


@pytest.mark.parametrize("name", list(ROUND.scenarios))
def test_valid_runs_of_each_scenario_are_valid_with_its_figures(valid: Path, name: str) -> None:
    verdict = Runs(valid, name).judged()
    assert [(check.run, check.name, check.value) for check in (*verdict.failed, *verdict.unknown)] == []
    summary = json.loads((valid / name / "performance" / CLIENT_FOLDER / RESULT_SUMMARY).read_text())
    assert verdict.rate == summary["qps"]
    assert verdict.p99_latency_s == summary["latency"]["percentiles"]["99.0"] / 1e9
    assert verdict.queries == _ISSUED
    assert verdict.client_commit == ROUND.endpoints_rules.commits[0]
    assert (verdict.ttft is None) == (name == "offline")
    assert verdict.rate_error is not None
    assert verdict.work is not None
    assert [found.outcome for found in judge_logs(valid / name, ROUND).verdicts] == ["UNPROVEN"]


def test_a_tenth_of_failures_is_invalid_though_the_client_says_complete(runs: Runs) -> None:
    runs.fail(10)
    assert {"failed", "failed requests"} <= runs.failed()


def test_a_server_that_was_killed_is_invalid(runs: Runs) -> None:
    runs.fail(1)
    assert {"failed", "failed requests", "every request accounted for"} <= runs.failed()


def test_an_interrupted_run_is_invalid_though_it_says_complete(runs: Runs) -> None:
    """SIGINT at sample 100: exit code 0, state complete, complete true."""
    kept = {f"performance-{place}" for place in range(100)}

    def cut(lines: list[Values]) -> list[Values]:
        of_phase = [line for line in lines if str(line["sample_uuid"]).startswith("performance-")]
        cut_off = [line for line in of_phase if line["sample_uuid"] not in kept]
        return [line for line in lines if line not in cut_off]

    runs.change(
        SAMPLE_MAP,
        lambda values: [values["performance"].pop(f"performance-{n}") for n in range(100, _ISSUED)],
    )
    runs.change_events(cut)
    runs.change(RESULT_SUMMARY, lambda values: values.update(n_samples_issued=100, n_samples_completed=100))
    runs.records[Mode.PERFORMANCE]["load"] |= {"issued": 100, "completed": 100}
    assert {"whole passes", "issued as planned", "issued"} <= runs.failed()


def test_a_tokenizer_that_was_not_found_is_invalid(runs: Runs) -> None:
    runs.change(RESULT_SUMMARY, lambda values: values.update(tps=None, tpot={}, output_sequence_lengths={}))
    assert runs.failed() == {"tokens counted", "TPOT measured"}


def test_failures_are_among_the_completed(runs: Runs) -> None:
    """The client counts failed queries as completed; whoever subtracts them is found out."""
    runs.change(RESULT_SUMMARY, lambda values: values.update(n_samples_completed=1080, n_samples_failed=120))
    assert {"completed", "failed", "counters"} <= runs.failed()


@pytest.mark.parametrize("stated", [None, "381d13b"])
def test_a_result_without_the_commit_of_the_proven_client_is_invalid(runs: Runs, stated: str | None) -> None:
    runs.change(RESULT_SUMMARY, lambda values: values.update(git_sha=stated))
    assert runs.failed() == {"commit in the result"}


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        ({"commit": "381d13bbd27d6d52306813a51dc4e44295222d7e"}, {"client's commit", "commit in the result"}),
        ({"modified": True}, {"client unmodified"}),
        ({"exit_code": 1}, {"client's exit code"}),
        ({"exit_code": None}, {"client's exit code"}),
        ({"dataset_rows": 599}, {"rows of the dataset"}),
        ({"dataset_name": "random::text"}, {"preset of the rows"}),
    ],
)
def test_the_client_and_its_rows_are_those_of_the_round(runs: Runs, change: Values, failed: set[str]) -> None:
    for mode in Mode:
        runs.records[mode]["client"] |= change
    assert runs.failed() == failed


def test_a_run_without_proof_of_its_client_is_invalid(runs: Runs) -> None:
    del runs.records[Mode.PERFORMANCE]["client"]
    assert runs.failed() == {"client's commit", "same client"}


def test_both_runs_are_of_one_stack(runs: Runs) -> None:
    runs.records[Mode.ACCURACY]["client"]["packages_sha256"] = "1" * 64
    runs.records[Mode.ACCURACY]["server"]["version"] = "0.13.0"
    assert runs.failed() == {"same client", "same server version"}


def test_prefix_caching_is_off(runs: Runs) -> None:
    for mode in Mode:
        server = runs.records[mode]["server"]
        server["command"] = [each for each in server["command"] if "prefix" not in each]
        server["prefix_caching"] = "on"
    assert runs.failed() == {"prefix caching"}


def test_a_client_that_was_out_of_time_was_the_limit(runs: Runs) -> None:
    runs.records[Mode.PERFORMANCE]["load"]["client"]["busy"] = {"client": 0.97, "worker 0": 0.2}
    assert runs.failed() == {"busiest client process"}
    runs.records[Mode.PERFORMANCE]["load"]["client"]["busy"] = {"client": 0.2, "worker 0": 0.97}
    assert runs.failed() == {"busiest client process"}


def test_the_process_that_issues_an_offline_run_at_once_may_be_busy(valid: Path, tmp_path: Path) -> None:
    shutil.copytree(valid / "offline", tmp_path / "results" / "offline")
    runs = Runs(tmp_path / "results", "offline")
    runs.records[Mode.PERFORMANCE]["load"]["client"]["busy"] = {"client": 0.97, "worker 0": 0.2}
    assert runs.judged().outcome == "VALID"
    runs.records[Mode.PERFORMANCE]["load"]["client"]["busy"] = {"client": 0.97, "worker 0": 0.95}
    assert runs.failed() == {"busiest client process"}


def _runtime(**values: Any) -> Callable[[Values], object]:
    return lambda config: config["settings"]["runtime"].update(values)


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        (
            _runtime(scheduler_random_seed=42, dataloader_random_seed=42),
            {"seed of the schedule", "seed of the order"},
        ),
        (lambda config: config["submission_ref"].update(ruleset="mlperf-inference-v9"), {"round named"}),
        (lambda config: config["model_params"].update(streaming="off"), {"streaming"}),
        (lambda config: config["model_params"].update(top_k=1), {"top_k"}),
        (
            lambda config: config["settings"]["load_pattern"].update(target_qps=21.0),
            {"target rate set", "target rate reached", "issue delay (p99)"},
        ),
        (_runtime(n_samples_to_issue=600), {"issued as planned"}),
    ],
)
def test_the_written_configuration_is_that_of_the_round_and_the_run(
    runs: Runs, change: Callable[[Values], object], failed: set[str]
) -> None:
    runs.change(WRITTEN_CONFIG, change)
    assert runs.failed() == failed


def _shift(lines: list[Values], uuid: str, by_ns: int, *kinds: str) -> list[Values]:
    return [
        line | {"timestamp_ns": line["timestamp_ns"] + by_ns}
        if line["sample_uuid"] == uuid and line["event_type"] in kinds
        else line
        for line in lines
    ]


def test_declared_latencies_and_durations_are_those_of_the_log(runs: Runs) -> None:
    last = f"performance-{_ISSUED - 1}"
    runs.change_events(lambda lines: _shift(lines, last, 400_000_000, "sample.complete"))
    assert runs.failed() == {
        "duration computed again (ns)",
        "window of the rate computed again (ns)",
        "latencies computed again",
    }


def test_samples_come_in_the_order_of_the_seed(runs: Runs) -> None:
    def swap(values: Values) -> None:
        phase = values["performance"]
        phase["performance-0"], phase["performance-1"] = phase["performance-1"], phase["performance-0"]

    runs.change(SAMPLE_MAP, swap)
    derive_from_events(runs.folder(), runs.folder(Mode.ACCURACY))
    assert runs.failed() == {"order of samples"}


def test_queries_that_came_late_to_the_schedule_are_the_clients_fault(runs: Runs) -> None:
    late = {f"performance-{place}" for place in range(100, 200)}

    def delay(lines: list[Values]) -> list[Values]:
        moved = ("sample.issued", "sample.recv_first", "sample.complete")
        return [
            line | {"timestamp_ns": line["timestamp_ns"] + 300_000_000}
            if line["sample_uuid"] in late and line["event_type"] in moved
            else line
            for line in lines
        ]

    runs.change_events(delay)
    assert "issue delay (p99)" in runs.failed()


@pytest.mark.parametrize(
    ("kind", "uuid", "failed"),
    [
        ("error.generic", "", "errors outside of queries"),
        ("sample.complete", "performance-7", "queries that ended twice"),
    ],
)
def test_further_events_are_told(runs: Runs, kind: str, uuid: str, failed: str) -> None:
    text = ["TextModelOutput", "x", None] if uuid else ["ErrorData", "OSError", "no space"]
    line = {"event_type": kind, "timestamp_ns": 10**13, "sample_uuid": uuid, "data": text}
    runs.change_events(lambda lines: [*lines, line])
    assert failed in runs.failed()


def test_a_phase_that_the_client_was_not_asked_for_is_told(runs: Runs) -> None:
    runs.change(SAMPLE_MAP, lambda values: values.update(third={"third-0": 1}))
    assert "phases in the log" in runs.failed()


def test_a_log_without_its_last_mark_is_not_whole(runs: Runs) -> None:
    runs.change_events(lambda lines: [line for line in lines if line["event_type"] != "session.ended"])
    assert runs.failed() == {"log ended"}


def test_an_empty_log_is_a_failed_check_and_no_rate(runs: Runs) -> None:
    runs.change_events(lambda _lines: [])
    assert {"log ended", "ended in the log"} <= runs.failed()


def test_a_published_rate_that_no_run_can_have_is_judged(valid: Path, tmp_path: Path) -> None:
    shutil.copytree(valid / "offline", tmp_path / "results" / "offline")
    runs = Runs(tmp_path / "results", "offline")
    runs.change(RESULT_SUMMARY, lambda values: values.update(duration_ns=1000))
    assert {"duration", "duration computed again (ns)"} <= runs.failed()


def test_a_declared_score_is_that_of_the_answers(runs: Runs) -> None:
    runs.change(ACCURACY_RESULTS, lambda values: values["accuracy_scores"][0].update(score=0.8))
    assert runs.failed() == {"score computed by us"}


def test_answers_are_those_of_the_log(runs: Runs) -> None:
    path = runs.folder(Mode.ACCURACY) / PHASE_ANSWERS
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:-1], json.dumps(json.loads(lines[-1]) | {"text": "y"})]) + "\n")
    assert "answers as in the log" in runs.failed()


def test_a_file_of_the_client_that_was_changed_after_the_run_is_found(runs: Runs) -> None:
    runs.judged()
    runs.file(RESULT_SUMMARY).write_text(runs.file(RESULT_SUMMARY).read_text() + "\n")
    verdict = judged_runs(runs.results, ROUND, NAME, None)
    assert [check.name for check in verdict.failed] == ["files as the client left them"]


@pytest.mark.parametrize(
    ("name", "unknown"),
    [
        (EVENTS, {"log of events", "order of samples", "issue delay (p99)", "latencies computed again"}),
        (SAMPLE_MAP, {"log of events"}),
    ],
)
def test_without_the_log_of_events_nothing_of_it_passes(runs: Runs, name: Path, unknown: set[str]) -> None:
    runs.file(name).unlink()
    verdict = runs.judged()
    assert unknown <= {check.name for check in verdict.unknown}
    assert verdict.outcome == "UNPROVEN"


def test_runs_that_are_not_there_are_told() -> None:
    round_ = round_of_scenario(ROUND, NAME)
    verdict = judge(
        performance=None, accuracy=None, evaluation=None, round_=round_, scenario=ROUND.scenario(NAME)
    )
    assert verdict.outcome == "UNPROVEN"
    assert [check.run for check in verdict.unknown if check.name == "run"] == ["performance", "accuracy"]


@pytest.mark.parametrize("name", [RESULT_SUMMARY, WRITTEN_CONFIG, ACCURACY_RESULTS])
def test_a_missing_result_is_invalid(runs: Runs, name: Path) -> None:
    runs.file(name).unlink()
    names = {"result written", "configuration written", "datasets with a score"}
    assert runs.failed() & names


def test_an_empty_answer_and_one_that_ends_in_its_middle_are_told_though_the_client_counts_them(
    runs: Runs,
) -> None:
    def spoil(lines: list[Values]) -> list[Values]:
        changed = {
            "performance-3": {"data": ["TextModelOutput", " ", None]},
            "performance-4": {"finish_reason": ""},
        }
        return [
            line | changed.get(line["sample_uuid"], {}) if line["event_type"] == "sample.complete" else line
            for line in lines
        ]

    runs.change_events(spoil)
    assert {"answers without a text", "answers without their end"} <= runs.failed()


def test_answers_that_the_server_ended_before_the_rounds_limit_are_cut_off(runs: Runs) -> None:
    def end_by_length(lines: list[Values]) -> list[Values]:
        return [line | {"finish_reason": "length"} if line["finish_reason"] else line for line in lines]

    runs.change_events(end_by_length)
    assert runs.failed() == {"answers cut off"}
    # Tokens are counted in the texts, so an answer of the longest length may have some more or fewer.
    for mode in Mode:
        path = runs.folder(mode) / REQUESTS_TABLE
        rows = pq.read_table(path)
        tokens = pa.array([140] * len(rows), rows["tokens"].type)
        pq.write_table(rows.set_column(rows.column_names.index("tokens"), "tokens", tokens), path)
    assert runs.judged().outcome == "VALID"


# What each run of the real client lacks by its size: it has few samples and is no run of ten minutes.
_SHORT = {"issued", "duration"}
_NO_ESTIMATE = {"p99 latency, early-stopping estimate"}


@pytest.mark.parametrize(
    ("name", "scenario", "failed"),
    [
        ("interactive", "interactive", _SHORT | _NO_ESTIMATE),
        (
            "cut",
            "interactive",
            _SHORT | _NO_ESTIMATE | {"answers without their end", "answers in the log", "f1"},
        ),
        (
            "offline",
            "offline",
            _SHORT
            | {
                "failed",
                "errors outside of queries",
                "answers without a text",
                "answers scored",
                "answers empty",
                "answers in the log",
                "f1",
            },
        ),
    ],
)
def test_runs_of_the_real_client_agree_with_their_logs(
    tmp_path: Path, name: str, scenario: str, failed: set[str]
) -> None:
    folder = unpack_runs(tmp_path) / name
    round_ = round_of_runs(scenario)
    verdict = judge(
        performance=folder,
        accuracy=folder,
        evaluation=None,
        round_=round_,
        scenario=round_.scenario(scenario),
    )
    assert {check.name for check in verdict.failed} == failed
    again = {check.name: check.passed for check in verdict.checks if "computed again" in check.name}
    assert len(again) == (2 if scenario == "offline" else 4)
    assert all(again.values())
    if name == "cut":
        of_run = [check.run for check in verdict.failed if check.name == "answers without their end"]
        assert of_run == ["performance", "accuracy"]


def _rows(client: Values, inputs: Inputs) -> ClientRows:
    assert inputs.dataset is not None
    return ClientRows(
        preset=client["dataset_name"],
        path="x.parquet",
        rows=client["dataset_rows"],
        sha256=client["dataset_sha256"],
        dataset_sha256=inputs.dataset.manifest_digest,
        client_commit=client["commit"],
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, None),
        ({"sha256": "1" * 64}, "the client read others"),
        ({"client_commit": "1" * 40}, "made by another client"),
        ({"preset": "random::text"}, "of another preset"),
        ({"dataset_sha256": "1" * 64}, "made from another dataset"),
    ],
)
def test_rows_are_proven_to_be_made_from_the_dataset(runs: Runs, change: Values, said: str | None) -> None:
    inputs = with_products(NO_INPUTS, runs.results.parent / "products", runs.of_scenario.samples)
    client = runs.records[Mode.PERFORMANCE]["client"]
    rows = _rows(client, inputs).model_copy(update=change)
    runs.judged()
    verdict = judged_runs(runs.results, ROUND, NAME, None, replace(inputs, rows=rows))
    [check] = [each for each in verdict.checks if each.name == "rows made from the dataset"]
    assert (check.passed, check.value) == (said is None, said or client["dataset_sha256"][:12])


def test_a_round_whose_rules_hold_asks_for_all_proofs_and_no_more(tmp_path: Path) -> None:
    results, of_scenario = tmp_path / "results", round_of_scenario(HELD, NAME)
    write_client_run(results, HELD, NAME)
    evaluation = client_evaluation(of_scenario, results / NAME / Mode.ACCURACY / PHASE_ANSWERS)
    inputs = with_products(NO_INPUTS, tmp_path / "products", of_scenario.samples)
    verdict = judged_runs(results, HELD, NAME, evaluation, inputs)
    assert [check.name for check in verdict.unknown] == ["rows made from the dataset"]
    client = client_record(of_scenario, HELD.scenario(NAME), Mode.PERFORMANCE)["client"]
    verdict = judged_runs(results, HELD, NAME, evaluation, replace(inputs, rows=_rows(client, inputs)))
    assert (verdict.outcome, verdict.failed, verdict.unknown) == ("VALID", (), ())
    path = results / NAME / Mode.PERFORMANCE / RUN_RECORD
    record = json.loads(path.read_text())
    record["load"]["client"]["busy"] = {}
    del record["logs"][SAMPLED_ANSWERS]
    path.write_text(json.dumps(record))
    verdict = judged_runs(results, HELD, NAME, evaluation, replace(inputs, rows=_rows(client, inputs)))
    assert "busiest client process" in {check.name for check in verdict.unknown}
    assert SAMPLED_ANSWERS in " ".join(str(check.value) for check in (*verdict.failed, *verdict.unknown))
