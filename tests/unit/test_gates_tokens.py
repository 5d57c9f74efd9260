"""Gates of token latencies: recorded runs of LoadGen pass, and each single defect fails its own check."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from request_files import request_log, tokens_of
from token_runs.recorded import MODEL, SAMPLES, recorded, recorded_log, token_round, write_recorded

from weighbridge.client.frames import RequestOutcome
from weighbridge.client.request_log import write_parquet
from weighbridge.config.request_settings import RequestSettings, Sampling
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode
from weighbridge.core.openai_api import AnswerKind
from weighbridge.gates import judge, judge_logs
from weighbridge.gates.answer_token_checks import answer_token_checks
from weighbridge.gates.request_rows import RequestRows
from weighbridge.records.verdict import Verdict

ROUND = token_round()
ALL = ("offline", "server", "interactive", "single-stream")
SERVERS = ("server", "interactive")
Judged = Callable[..., Verdict]


@pytest.fixture
def judged(tmp_path: Path) -> Judged:
    """Write a recorded performance run, altered, and judge it alone."""
    number = 0

    def judged_run(
        scenario: str,
        values: dict[str, Any] | None = None,
        change: Callable[[Any], Any] | None = None,
        errors: tuple[str, ...] = (),
        round_: Round = ROUND,
    ) -> Verdict:
        nonlocal number
        number += 1
        log = recorded_log(scenario)
        if change is not None:
            change(log)
        found = recorded(scenario)["values"] | (values or {})
        found = {key: value for key, value in found.items() if value is not ...}
        folder = write_recorded(tmp_path / str(number), round_, scenario, found, log, errors)
        return judge(
            performance=folder,
            accuracy=None,
            evaluation=None,
            round_=round_,
            scenario=round_.scenarios[scenario],
        )

    return judged_run


def failed(verdict: Verdict) -> set[str]:
    assert all(check.remedy for check in verdict.failed)
    return {check.name for check in verdict.failed}


@pytest.mark.parametrize("scenario", ALL)
def test_a_recorded_run_fails_no_check(judged: Judged, scenario: str) -> None:
    verdict = judged(scenario)
    assert failed(verdict) == set()
    assert verdict.tokens_per_s == recorded(scenario)["values"].get(
        "result_tokens_per_second" if scenario == "offline" else "result_completed_tokens_per_second"
    )


@pytest.mark.parametrize("scenario", SERVERS)
def test_each_limit_is_judged_by_figures_of_the_log_and_of_the_requests(
    judged: Judged, scenario: str
) -> None:
    names = {check.name for check in judged(scenario).checks}
    for title in ("time to first token", "time per output token"):
        assert {
            f"99th percentile {title}",
            f"{title} limit set",
            f"early stopping of {title}",
            f"early stopping of {title} as recorded",
            f"50th percentile {title} as recorded",
            f"99th percentile {title} as recorded",
        } <= names


@pytest.mark.parametrize(("scenario", "ttft_s", "tpot_s"), [("server", 2, 0.1), ("interactive", 0.5, 0.03)])
def test_a_verdict_holds_both_latencies_with_their_limits(
    judged: Judged, scenario: str, ttft_s: float, tpot_s: float
) -> None:
    verdict, values = judged(scenario), recorded(scenario)["values"]
    assert verdict.ttft is not None
    assert verdict.tpot is not None
    assert (verdict.ttft.limit_s, verdict.tpot.limit_s) == (ttft_s, tpot_s)
    assert verdict.ttft.p99_s == values["result_first_token_99.00_percentile_latency_ns"] / 1e9
    assert verdict.tpot.p90_s == values["result_time_per_output_token_90.00_percentile_ns"] / 1e9
    assert (verdict.ttft.over, verdict.ttft.over_allowed, verdict.ttft.queries_needed) == (0, 4, 459)
    assert (verdict.over_latency, verdict.over_latency_allowed) == (None, None)


def test_latencies_without_a_limit_are_told_and_those_that_nobody_measured_are_not(judged: Judged) -> None:
    single, offline = judged("single-stream"), judged("offline")
    assert single.ttft is not None
    assert (single.ttft.limit_s, single.ttft.over) == (None, None)
    assert (offline.ttft, offline.tpot) == (None, None)


FIRST, OUTPUT = "time to first token", "time per output token"
ESTIMATE = f"early stopping's estimate of {FIRST} as recorded"
LOG_DEFECTS: list[tuple[str, dict[str, Any], set[str]]] = [
    ("server", {"requested_use_token_latencies": ...}, {"token latencies measured"}),
    ("offline", {"requested_use_token_latencies": False}, {"token latencies measured"}),
    ("single-stream", {"requested_use_token_latencies": ...}, {"token latencies measured"}),
    (
        "server",
        {"result_first_token_99.00_percentile_latency_ns": 2_000_000_000},
        {f"99th percentile {FIRST}", f"99th percentile {FIRST} as recorded", f"{FIRST} added by LoadGen"},
    ),
    (
        "server",
        {"result_first_token_99.00_percentile_latency_ns": ...},
        {f"99th percentile {FIRST}", f"99th percentile {FIRST} as recorded"},
    ),
    (
        "server",
        {"result_time_per_output_token_99.00_percentile_ns": 100_000_000},
        {f"99th percentile {OUTPUT}", f"{OUTPUT} added by LoadGen"},
    ),
    (
        "interactive",
        {"result_time_per_output_token_99.00_percentile_ns": 30_000_000},
        {f"99th percentile {OUTPUT}", f"{OUTPUT} added by LoadGen"},
    ),
    (
        "server",
        {"result_time_per_output_token_99.00_percentile_ns": ...},
        {f"99th percentile {OUTPUT}", f"99th percentile {OUTPUT} as recorded"},
    ),
    ("server", {"requested_server_ttft_latency": 2_000_000_001}, {f"{FIRST} limit set"}),
    ("server", {"requested_server_tpot_latency": 100_000_001}, {f"{OUTPUT} limit set"}),
    # What LoadGen calls Server may have been run with the limits of Server.
    ("interactive", {"requested_server_ttft_latency": 2_000_000_000}, {f"{FIRST} limit set"}),
    ("interactive", {"requested_server_tpot_latency": 100_000_000}, {f"{OUTPUT} limit set"}),
    ("interactive", {"requested_server_tpot_latency": ...}, {f"{OUTPUT} limit set"}),
    ("server", {"effective_target_latency_percentile": 0.9}, {"latency percentile set"}),
    ("server", {"early_stopping_ttft_result": ""}, {f"early stopping of {FIRST}"}),
    ("server", {"early_stopping_tpot_result": ...}, {f"early stopping of {OUTPUT}"}),
    ("server", {"result_perf_constraints_met": False}, {"result_perf_constraints_met"}),
    ("server", {"early_stopping_met": False}, {"early_stopping_met"}),
    ("single-stream", {"early_stopping_met": False}, {"early_stopping_met"}),
    ("single-stream", {"early_stopping_met": ...}, {"early_stopping_met"}),
    ("single-stream", {"early_stopping_latency_ss": ...}, {ESTIMATE}),
    ("single-stream", {"early_stopping_latency_ss": 1}, {ESTIMATE}),
    ("single-stream", {"early_stopping_latency_ss": 200_000_000}, {ESTIMATE}),
    ("server", {"num_errors": 1}, {"LoadGen errors"}),
    ("server", {"effective_performance_sample_count": SAMPLES - 1}, {"performance sample count"}),
    ("single-stream", {"effective_performance_sample_count": SAMPLES - 1}, {"performance sample count"}),
    (
        "offline",
        {"result_tokens_per_second": 1000.0},
        {"mean tokens of an answer", "tokens counted by LoadGen"},
    ),
    (
        "offline",
        {"result_tokens_per_second": ...},
        {"result logged", "mean tokens of an answer", "tokens counted by LoadGen"},
    ),
    (
        "single-stream",
        {"result_90.00_percentile_latency_ns": ...},
        {"result logged", "90th percentile as recorded"},
    ),
]


@pytest.mark.parametrize(("scenario", "defect", "names"), LOG_DEFECTS)
def test_each_defect_of_a_log_fails_its_own_checks(
    judged: Judged, scenario: str, defect: dict[str, Any], names: set[str]
) -> None:
    assert failed(judged(scenario, defect)) == names


@pytest.mark.parametrize("key", ["result_completed_tokens_per_second", "result_tokens_per_second"])
@pytest.mark.parametrize("factor", [0.999, 1.001])
def test_a_rate_of_tokens_that_was_altered_contradicts_the_requests(
    judged: Judged, key: str, factor: float
) -> None:
    scenario = "offline" if key == "result_tokens_per_second" else "server"
    rate = recorded(scenario)["values"][key]
    assert failed(judged(scenario, {key: rate * factor})) == {"tokens counted by LoadGen"}


@pytest.mark.parametrize(
    ("scenario", "name"), [("offline", "result as computed"), ("server", "result as scheduled")]
)
def test_both_rates_altered_alike_contradict_the_times(judged: Judged, scenario: str, name: str) -> None:
    values = recorded(scenario)["values"]
    samples = "result_samples_per_second" if scenario == "offline" else "result_completed_samples_per_sec"
    tokens = "result_tokens_per_second" if scenario == "offline" else "result_completed_tokens_per_second"
    defect = {key: 1.2 * values[key] for key in (samples, tokens)}
    assert failed(judged(scenario, defect)) == {name, "rate as recorded"}


@pytest.mark.parametrize(
    "said",
    [
        "n_tokens argument missing or attempted to record 0 as number of tokens",
        "Number of tokens need to be greater than 1",
        "Attempted to record a sample latency before it's first token latency",
    ],
)
def test_what_loadgen_calls_valid_with_errors_of_token_counts_is_not(judged: Judged, said: str) -> None:
    verdict = judged("server", errors=(said,))
    assert failed(verdict) == {"LoadGen errors"}
    assert said in (verdict.failed[0].remedy or "")


def test_early_stopping_that_failed_says_how_many_queries_are_missing(judged: Judged) -> None:
    said = " * Run unsuccessful.  * Processed 1200 queries.  * Would need to run at least 1234 more queries,"
    verdict = judged("server", {"early_stopping_tpot_result": said, "early_stopping_ttft_result": ""})
    remedies = {check.name: check.remedy or "" for check in verdict.failed}
    assert set(remedies) == {f"early stopping of {FIRST}", f"early stopping of {OUTPUT}"}
    assert "1,234 further queries within 0.1 s" in remedies[f"early stopping of {OUTPUT}"]
    assert verdict.suggested_target_qps == pytest.approx(0.95 * 400)


# The requests: what the client recorded must be what LoadGen measured.


def _first_later(log: Any) -> None:
    """Make the client read first tokens after LoadGen was told of them."""
    log["first_ns"] = np.minimum(log["first_ns"] + 3_000_000, log["end_ns"])


def _first_much_earlier(log: Any) -> None:
    """Make the client read all first tokens long before it told LoadGen."""
    log["planned_ns"] -= 300_000_000
    log["first_ns"] -= 300_000_000


def _ends_later(log: Any) -> None:
    log["end_ns"] += 1_000_000_000


def _no_first(log: Any) -> None:
    log["first_ns"][7] = 0


def _first_after_the_end(log: Any) -> None:
    log["first_ns"][7] = log["end_ns"][7] + 1


def _more_tokens(log: Any) -> None:
    log["tokens"] += 1


def _one_token(log: Any) -> None:
    log["tokens"][7] = 1


def _late(column: str, count: int, by_ns: int) -> Callable[[Any], None]:
    def change(log: Any) -> None:
        log["first_ns"][:count] += by_ns * (column == "first_ns")
        log["end_ns"][:count] += by_ns

    return change


REQUEST_DEFECTS: list[tuple[str, Callable[[Any], Any], set[str]]] = [
    ("server", _no_first, {"answers without a first token"}),
    ("single-stream", _no_first, {"answers without a first token"}),
    ("server", _first_after_the_end, {"answers without a first token"}),
    ("offline", _more_tokens, {"tokens counted by LoadGen"}),
    ("single-stream", _more_tokens, {"tokens counted by LoadGen"}),
    ("server", _more_tokens, {"tokens counted by LoadGen"}),
    ("server", _one_token, {"fewest tokens of an answer", "tokens counted by LoadGen"}),
]


@pytest.mark.parametrize(("scenario", "change", "names"), REQUEST_DEFECTS)
def test_each_defect_of_the_requests_fails_its_own_checks(
    judged: Judged, scenario: str, change: Callable[[Any], Any], names: set[str]
) -> None:
    assert failed(judged(scenario, change=change)) >= names


def test_first_tokens_told_before_they_were_read_are_seen(judged: Judged) -> None:
    found = failed(judged("server", change=_first_later))
    assert f"50th percentile {FIRST} as recorded" in found


def test_first_tokens_told_long_after_they_were_read_are_seen(judged: Judged) -> None:
    def change(log: Any) -> None:
        log["first_ns"] = log["planned_ns"] + 1000

    values = {
        f"result_first_token_{percentile}_percentile_latency_ns": 500_000_000
        for percentile in ("50.00", "99.00")
    }
    found = failed(judged("server", values, change))
    assert {f"50th percentile {FIRST} as recorded", f"{FIRST} added by LoadGen"} <= found


def test_tokens_that_came_slower_than_loadgen_measured_are_seen(judged: Judged) -> None:
    found = failed(judged("server", change=_ends_later))
    assert {f"50th percentile {OUTPUT} as recorded", "50th percentile as recorded"} <= found


@pytest.mark.parametrize(("late", "passes"), [(4, True), (5, False)])
@pytest.mark.parametrize(("column", "title"), [("first_ns", FIRST), ("end_ns", OUTPUT)])
def test_late_queries_are_counted_in_the_requests(
    judged: Judged, late: int, passes: bool, column: str, title: str
) -> None:
    verdict = judged("server", change=_late(column, late, 2_100_000_000))
    check = next(each for each in verdict.checks if each.name == f"early stopping of {title} as recorded")
    assert (check.value, check.limit, check.passed) == (
        late,
        f"<= 4 of 1200 over {2 if title == FIRST else 0.1} s",
        passes,
    )
    figures = verdict.ttft if title == FIRST else verdict.tpot
    assert figures is not None
    assert figures.over == late


@pytest.mark.parametrize("scenario", SERVERS)
def test_early_stopping_is_not_asked_of_runs_that_are_too_short_for_it(judged: Judged, scenario: str) -> None:
    loadgen = ROUND.loadgen_rules.model_copy(update={"early_stopping": False})
    round_ = ROUND.model_copy(update={"loadgen": loadgen})

    change = _late("first_ns", 5, 2_100_000_000)
    assert f"early stopping of {FIRST} as recorded" in failed(judged(scenario, change=change))
    named = {check.name for check in judged(scenario, change=change, round_=round_).checks}
    assert not {name for name in named if name.startswith("early stopping of")}


def test_failed_requests_are_late_ones(judged: Judged) -> None:
    def change(log: Any) -> None:
        log["outcome"][:5] = RequestOutcome.RESET

    assert {f"early stopping of {FIRST} as recorded"} <= failed(judged("server", change=change))


# Work, rates and the next run.


def test_single_stream_needs_as_many_queries_as_early_stopping_does(judged: Judged) -> None:
    verdict = judged("single-stream", {"result_query_count": 60})
    check = next(each for each in verdict.checks if each.name == "queries for early stopping")
    assert (check.value, check.limit, check.passed) == (60, ">= 64 queries", False)
    assert verdict.rate_unit == "s (p90)"


def test_offline_proposes_a_rate_of_samples_though_its_result_is_one_of_tokens(judged: Judged) -> None:
    verdict, values = judged("offline", {"effective_target_qps": 2000}), recorded("offline")["values"]
    assert verdict.rate == values["result_tokens_per_second"]
    samples_per_s = values["result_samples_per_second"]
    assert verdict.rate > 5 * samples_per_s
    # Two passes last long enough, and four were asked for.
    assert verdict.suggested_target_qps == pytest.approx(2 * SAMPLES / 1.1, abs=0.001)
    assert "2400 samples, 4 whole passes" in (verdict.work or "")


def test_a_server_far_from_its_limits_is_told_a_higher_rate_and_a_slow_one_a_lower(judged: Judged) -> None:
    higher = judged("server").suggested_target_qps
    assert higher is not None
    assert higher > 400
    slow = {"result_first_token_99.00_percentile_latency_ns": 2_100_000_000}
    assert judged("server", slow).suggested_target_qps == pytest.approx(380)
    near = {"result_first_token_99.00_percentile_latency_ns": 1_700_000_000}
    assert judged("server", near).suggested_target_qps is None
    behind = slow | {"result_completed_samples_per_sec": 100.0}
    assert judged("server", behind).suggested_target_qps == pytest.approx(95)


def test_an_answer_longer_than_the_closed_division_allows_is_seen(judged: Judged) -> None:
    # Answers have 2 to 10 tokens, and 6 on average; logs of others count the token that ends one apart.
    for most, names in (
        (10, set()),
        (9, {"most tokens of an answer"}),
        (6, {"most tokens of an answer"}),
        (4, {"most tokens of an answer", "mean tokens of an answer"}),
    ):
        requests = RequestSettings(sampling=Sampling(max_tokens=most))
        closed = ROUND.closed.model_copy(update={"requests": requests})
        verdict = judged("server", round_=ROUND.model_copy(update={"closed": closed}))
        assert {"most tokens of an answer", "mean tokens of an answer"} & failed(verdict) == names


def test_a_round_without_token_latencies_has_none_of_these_checks(judged: Judged) -> None:
    loadgen = ROUND.loadgen_rules.model_copy(update={"token_latencies": False})
    names = {
        check.name for check in judged("offline", round_=ROUND.model_copy(update={"loadgen": loadgen})).checks
    }
    assert names.isdisjoint(
        {
            "token latencies measured",
            "mean tokens of an answer",
            "tokens counted by LoadGen",
            "fewest tokens of an answer",
        }
    )


@pytest.mark.parametrize("scenario", SERVERS)
def test_what_loadgen_calls_server_is_known_by_its_limits_where_no_folder_says_it(
    tmp_path: Path, scenario: str
) -> None:
    folder, values = tmp_path / "logs", recorded(scenario)["values"]
    write_recorded(folder / "some" / "where", ROUND, scenario, values, recorded_log(scenario))
    [verdict] = judge_logs(folder, ROUND).verdicts
    assert (verdict.scenario, failed(verdict)) == (scenario, set())


def test_a_folder_that_names_a_scenario_is_held_to_that_ones_limits(tmp_path: Path) -> None:
    folder, values = tmp_path / "logs", recorded("server")["values"]
    write_recorded(folder / "Interactive" / "performance", ROUND, "server", values, recorded_log("server"))
    [verdict] = judge_logs(folder, ROUND).verdicts
    assert verdict.scenario == "interactive"
    assert {f"{FIRST} limit set", f"{OUTPUT} limit set"} <= failed(verdict)


def test_a_tree_may_name_the_benchmark_as_loadgen_does(tmp_path: Path) -> None:
    tree, values = tmp_path / "closed" / "Me" / "results", recorded("server")["values"]
    for benchmark, system in ((MODEL, "one"), (ROUND.folder, "two"), ("other", "three")):
        folder = tree / system / benchmark / "Server" / "performance" / "run_1"
        write_recorded(folder, ROUND, "server", values | {"time": system}, recorded_log("server"))
    judged = judge_logs(tmp_path / "closed", ROUND)
    assert list(judged.systems) == ["Me/one", "Me/two"]
    assert judged.skipped == ("not judged: logs of other benchmarks, other",)


# The accuracy log: LoadGen's count of each answer's tokens, the client's, and the length of its data.


def accuracy_run(folder: Path, entries: list[tuple[int, int, int]]) -> RequestRows:
    """Write an accuracy log of (sample, tokens in its data, tokens counted), and requests of a good run."""
    lines = (
        f'{{ "qsl_idx" : {sample}, "data" : "{held * "0A000000"}", "token_count" : {count} }}'
        for sample, held, count in entries
    )
    folder.mkdir()
    (folder / "mlperf_log_accuracy.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")
    write_parquet(request_log(SAMPLES, Mode.ACCURACY), folder / "requests.parquet")
    rows = RequestRows.read(folder)
    assert rows is not None
    return rows


COUNTED, AS_LONG = "tokens of answers as received", "tokens of answers as long as their data"
GOOD = [(sample, tokens_of(sample), tokens_of(sample)) for sample in range(SAMPLES)]


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        ({}, {}),
        ({0: (0, 20, 21)}, {COUNTED: "2 differ", AS_LONG: "1 differ"}),
        ({0: (0, 19, 20)}, {AS_LONG: "1 differ"}),
        ({0: (0, 21, 21)}, {COUNTED: "2 differ"}),
        ({0: (1, 20, 20)}, {COUNTED: "2 differ"}),
    ],
)
def test_tokens_of_logged_answers_are_those_received(
    tmp_path: Path, change: dict[int, tuple[int, int, int]], failed: dict[str, str]
) -> None:
    entries = [change.get(sample, entry) for sample, entry in enumerate(GOOD)]
    rows = accuracy_run(tmp_path / "run", entries)
    found = answer_token_checks(tmp_path / "run", rows, AnswerKind.TOKENS, ROUND)
    assert {check.name for check in found} == {COUNTED, AS_LONG}
    assert {check.name: check.value for check in found if not check.passed} == failed


def test_answers_that_are_texts_have_any_length(tmp_path: Path) -> None:
    rows = accuracy_run(tmp_path / "run", [(sample, 7, count) for sample, _, count in GOOD])
    [check] = answer_token_checks(tmp_path / "run", rows, AnswerKind.TEXT, ROUND)
    assert (check.name, check.passed) == (COUNTED, True)


def test_an_accuracy_log_that_cannot_be_read_fails_and_a_truncated_one_is_told_elsewhere(
    tmp_path: Path,
) -> None:
    rows, path = accuracy_run(tmp_path / "run", GOOD), tmp_path / "run" / "mlperf_log_accuracy.json"
    path.write_text("[{")
    [check] = answer_token_checks(tmp_path / "run", rows, AnswerKind.TOKENS, ROUND)
    assert (check.value, check.passed) == ("not readable", False)
    path.write_text("[{\n\n...\n\n}]")
    assert answer_token_checks(tmp_path / "run", rows, AnswerKind.TOKENS, ROUND) == []
    loadgen = ROUND.loadgen_rules.model_copy(update={"token_latencies": False})
    other = ROUND.model_copy(update={"loadgen": loadgen})
    path.write_text("[{")
    assert answer_token_checks(tmp_path / "run", rows, AnswerKind.TOKENS, other) == []
