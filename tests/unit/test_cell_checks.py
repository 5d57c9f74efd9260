"""Each reason for which a run is not compared: the check that finds it, what it says, and what it blanks."""

from typing import Any

import pytest
from run_tables import load_report
from sweep_cells import cell_figures, percentiles, sweep_settings

from weighbridge.config.load_level import LoadLevel
from weighbridge.config.sweep_settings import SweepSettings
from weighbridge.config.workload import ForceLength
from weighbridge.records.run_record import LoadReport, Waits
from weighbridge.records.sweep_run import CellFigures, Reuse
from weighbridge.records.verdict import Check
from weighbridge.sweep.cell_checks import RunFacts, cell_checks
from weighbridge.sweep.delivery_checks import CLIENT_CHECKS

CLOSED, OPEN = LoadLevel(closed=32), LoadLevel(poisson=40.0)
FACTS = {
    "alive": True,
    "same_process": True,
    "version_before": "0.12.0",
    "version_after": "0.12.0",
    "store_sha256": "1" * 64,
    "sent_sha256": "1" * 64,
    "probed": "honoured",
}


def figures_with(level: LoadLevel = CLOSED, **changed: Any) -> CellFigures:
    return cell_figures(level, 80.0, 1.0).model_copy(update=changed)


def checked(
    figures: CellFigures | None,
    level: LoadLevel = CLOSED,
    load: LoadReport | None = None,
    settings: SweepSettings | None = None,
    force: ForceLength = ForceLength.IGNORE_EOS,
    **facts: Any,
) -> tuple[Check, ...]:
    used = settings or sweep_settings()
    workload = used.workloads[0].model_copy(update={"force_length": force})
    return cell_checks(figures, load or load_report(), workload, level, used, RunFacts(**{**FACTS, **facts}))


def refused(checks: tuple[Check, ...]) -> dict[str, Check]:
    """Return what forbids a comparison, as CellRecord.refused has it."""
    return {check.name: check for check in checks if check.asked and check.passed is not True}


@pytest.mark.parametrize("level", [CLOSED, OPEN])
def test_a_good_run_passes_every_check(level: LoadLevel) -> None:
    checks = checked(figures_with(level), level)
    assert not refused(checks)
    assert all(check.remedy is None for check in checks)


SHORT = percentiles(0.05)


@pytest.mark.parametrize(
    ("changed", "level", "name", "remedy"),
    [
        ({"failed": 1}, CLOSED, "failed requests", "errors.jsonl"),
        ({"other_length_share": 0.0101}, CLOSED, "answers of another length", "force_length"),
        ({"other_length_share": None}, CLOSED, "answers of another length", "force_length"),
        (
            {"reuse": Reuse(share=0.121, expected=0.1, source="usage")},
            CLOSED,
            "prompt tokens from caches",
            "Contaminated",
        ),
        ({"concurrency": 0.979 * 32}, CLOSED, "conversations in progress (mean)", "client.workers"),
        ({"sent_qps": 39.5, "offered_qps": 40.0}, OPEN, "requests/s sent", "client.workers"),
        ({"schedule_delay_p99_s": 0.0051, "e2e": SHORT}, CLOSED, "schedule delay (p99)", "other work"),
        ({"schedule_delay_p99_s": 0.0051, "e2e": SHORT}, OPEN, "schedule delay (p99)", "other work"),
        ({"schedule_delay_p99_s": 0.0101, "e2e": percentiles(0.9)}, OPEN, "schedule delay (p99)", "cores"),
        (
            {"schedule_delay_p99_s": 0.0011, "e2e": percentiles(0.002)},
            CLOSED,
            "schedule delay (p99)",
            "cores",
        ),
        ({"client_busy": 0.71}, CLOSED, "busiest client process", "more cores"),
        ({"client_busy": None}, CLOSED, "busiest client process", "measure again"),
        ({"out_of_order": 1}, CLOSED, "requests with times out of order", "clock"),
    ],
)
def test_each_fault_of_a_run_is_named_with_its_remedy(
    changed: dict[str, Any], level: LoadLevel, name: str, remedy: str
) -> None:
    found = refused(checked(figures_with(level, **changed), level))
    assert list(found) == [name]
    assert found[name].remedy is not None
    assert remedy in found[name].remedy


@pytest.mark.parametrize(
    ("changed", "level"),
    [
        ({"other_length_share": 0.01}, CLOSED),
        ({"reuse": Reuse(share=0.119, expected=0.1, source="usage")}, CLOSED),
        ({"concurrency": 0.981 * 32}, CLOSED),
        ({"sent_qps": 39.7, "offered_qps": 40.0}, OPEN),
        ({"sent_qps": 29 / 3, "offered_qps": 10.0, "window_s": 3.0}, OPEN),  # one request less
        ({"schedule_delay_p99_s": 0.0049, "e2e": SHORT}, CLOSED),  # a tenth of the median
        ({"schedule_delay_p99_s": 0.0049, "e2e": SHORT}, OPEN),
        ({"schedule_delay_p99_s": 0.089, "e2e": percentiles(0.9)}, CLOSED),
        ({"schedule_delay_p99_s": 0.0099, "e2e": percentiles(0.9)}, OPEN),  # jitter
        ({"schedule_delay_p99_s": 0.029, "e2e": percentiles(3.0)}, OPEN),  # 1 % of the median
        ({"schedule_delay_p99_s": 0.00099, "e2e": percentiles(0.002)}, CLOSED),
        ({"client_busy": 0.69}, CLOSED),
    ],
)
def test_what_lies_within_the_limits_passes(changed: dict[str, Any], level: LoadLevel) -> None:
    assert not refused(checked(figures_with(level, **changed), level))


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        ({"alive": False}, "gone"),
        ({"same_process": False}, "another one"),
        ({"version_after": "0.13.0"}, "0.13.0, before the run 0.12.0"),
    ],
)
def test_a_server_that_is_not_the_same_at_the_end_is_named(facts: dict[str, Any], found: str) -> None:
    blanked = refused(checked(figures_with(), **facts))
    assert [(check.name, check.value) for check in blanked.values()] == [("server after the run", found)]


def test_the_processes_of_a_users_server_are_not_asked_for() -> None:
    assert not refused(checked(figures_with(), same_process=None, version_before=None, version_after=None))


@pytest.mark.parametrize("sent", ["3" * 64, None])
def test_bytes_that_changed_during_the_run_blank_it(sent: str | None) -> None:
    assert list(refused(checked(figures_with(), sent_sha256=sent))) == ["bytes that were sent"]


def test_failures_of_fillers_count_too_and_a_share_may_be_allowed() -> None:
    load = load_report(completed=297, failed={"timeout": 2, "reset": 1})
    found = refused(checked(figures_with(), load=load))["failed requests"]
    assert found.value == "1.000% (2 timeout, 1 reset)"
    tolerant = sweep_settings(stop={"max_error_share": 0.01})
    assert not refused(checked(figures_with(), load=load, settings=tolerant))
    worse = figures_with(failed=31)  # of 3,000 measured ones
    assert list(refused(checked(worse, load=load, settings=tolerant))) == ["failed requests"]


def test_a_run_that_ended_early_says_why_and_nothing_else() -> None:
    load = load_report(aborted="20 requests in a row failed", failed={"connect": 20})
    found = refused(checked(None, load=load))
    assert list(found) == ["run ended early", "failed requests"]
    assert found["run ended early"].value == "20 requests in a row failed"
    assert list(refused(checked(None))) == ["measured requests"]


def test_how_the_probe_went_is_said_where_lengths_are_not_honoured() -> None:
    found = refused(checked(figures_with(other_length_share=1.0), probed="ignored"))
    assert "ignored a forced length" in str(found["answers of another length"].remedy)


def test_lengths_that_are_not_forced_or_may_differ_are_not_asked() -> None:
    odd = figures_with(other_length_share=1.0)
    assert not refused(checked(odd, force=ForceLength.NONE))
    assert not refused(checked(odd, settings=sweep_settings(allow_unequal_work=True)))


def test_reuse_that_is_not_known_is_a_note_and_not_zero() -> None:
    checks = checked(
        figures_with(reuse=Reuse(share=None, expected=0.0, source="not known: it tells nothing"))
    )
    assert not refused(checks)
    note = next(check for check in checks if check.name == "prompt tokens from caches")
    assert (note.value, note.asked) == ("unknown", False)


def test_unsteady_and_overloaded_runs_are_notes() -> None:
    checks = checked(figures_with(OPEN, steady=False, trend=0.2, overloaded=True), OPEN)
    assert not refused(checks)
    notes = {check.name: check for check in checks if not check.asked}
    assert "+20.0%" in notes["steady"].limit
    assert "latencies may not" in notes["overloaded"].limit


def test_delays_that_are_not_refused_are_told() -> None:
    told = "client's delays (p99)"
    late = {"schedule_delay_p99_s": 0.0049, "ttft": percentiles(0.4)}
    assert told in {check.name for check in checked(figures_with(e2e=SHORT, **late))}
    assert told not in {check.name for check in checked(figures_with(e2e=percentiles(0.5), **late))}
    # An open loop's delays are beside its first tokens.
    assert told in {check.name for check in checked(figures_with(OPEN, e2e=SHORT, **late), OPEN)}
    late["ttft"] = percentiles(0.5)
    assert told not in {check.name for check in checked(figures_with(OPEN, e2e=SHORT, **late), OPEN)}


@pytest.mark.parametrize("name", ["receive backlog", "delay at a timer"])
@pytest.mark.parametrize(
    ("level", "kind", "mean_s", "p99_s", "good"),
    [
        (OPEN, "(p99)", 0.001, 0.0049, True),
        (OPEN, "(p99)", 0.001, 0.0051, False),
        (CLOSED, "(mean)", 0.0009, 0.04, True),
        (CLOSED, "(mean)", 0.0011, 0.002, False),
    ],
)
def test_a_client_that_read_late_is_refused(
    name: str, level: LoadLevel, kind: str, mean_s: float, p99_s: float, good: bool
) -> None:
    client = load_report().client
    assert client is not None
    waits = Waits(samples=100, mean_s=mean_s, p50_s=0.0, p99_s=p99_s, max_s=p99_s)
    field = {"receive backlog": "receive_backlog", "delay at a timer": "wake_delay"}[name]
    late = load_report(client=client.model_copy(update={field: waits}))
    found = refused(checked(figures_with(level, e2e=SHORT, ttft=SHORT), level, load=late))
    assert list(found) == ([] if good else [f"{name} {kind}"])
    assert all("client.workers" in str(check.remedy) for check in found.values())
    assert set(found) <= set(CLIENT_CHECKS)


def test_an_answer_in_one_piece_is_compared_with_its_whole_time() -> None:
    late = {"schedule_delay_p99_s": 0.0049, "ttft": None}
    assert not refused(checked(figures_with(OPEN, e2e=SHORT, **late), OPEN))
    assert refused(checked(figures_with(OPEN, e2e=percentiles(0.04), **late), OPEN))


def test_one_request_at_the_edge_of_a_short_window_is_no_fault() -> None:
    edge = {"window_s": 1.0, "offered_qps": 20.0}
    assert not refused(checked(figures_with(OPEN, sent_qps=19.0, **edge), OPEN))
    assert refused(checked(figures_with(OPEN, sent_qps=18.0, **edge), OPEN))
