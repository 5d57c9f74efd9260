"""A compliance test through LoadGen: its audit.config is followed in its own run, and nowhere else."""

import json
from pathlib import Path

import pytest
from driving import small_round, small_store
from simulating import simulated

from weighbridge.client.issuer import Target
from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.compliance_rules import ComplianceRules
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode, RunRules
from weighbridge.core.errors import InputError, SetupError
from weighbridge.loadgen.compliance_run import ComplianceRun
from weighbridge.loadgen.loadgen_issuer import LoadGenIssuer
from weighbridge.loadgen.logs import read_detail
from weighbridge.records.run_record import ANSWERS, AUDIT_CONFIG, DETAIL
from weighbridge.requests.store import RequestStore
from weighbridge.simulate.behaviour import Behaviour

SAMPLES = 16  # fewer than the test's 100, which LoadGen draws with replacement
AUDIT = {
    "mode": 2,
    "accuracy_log_rng_seed": 720381539243781796,
    "accuracy_log_sampling_target": 100,
    "min_query_count": 100,
    "min_duration": 0,
    "sample_concatenate_permutation": 0,
}


def round_with_test() -> Round:
    round_ = small_round(SAMPLES, duration_s=600)
    test = RunRules(mode=Mode.PERFORMANCE, compliance_test="TEST06")
    scenarios = {
        name: rules.model_copy(update={"runs": rules.runs | {"TEST06": test}})
        for name, rules in round_.scenarios.items()
    }
    tests = {"TEST06": ComplianceRules.parse({"audit": AUDIT}, "the test")}
    return round_.model_copy(update={"scenarios": scenarios, "compliance_tests": tests})


@pytest.mark.parametrize("scenario", ["offline", "server"])
def test_the_run_has_as_many_samples_as_its_audit_config_says_and_logs_their_answers(
    scenario: str, tmp_path: Path
) -> None:
    round_ = round_with_test()
    compliance = ComplianceRun.of(round_, scenario, "TEST06", None)
    rules, out = round_.scenario(scenario), tmp_path / "TEST06"
    issuer = LoadGenIssuer(round_, rules, Mode.PERFORMANCE, 200, compliance=compliance)
    assert (issuer.plan.label, issuer.plan.kind, issuer.plan.expected) == (
        f"{scenario} TEST06",
        "TEST06",
        100,
    )
    assert issuer.plan.schedule_s < 2  # without the test it would be 600 s
    with simulated(Behaviour(servers=32, mean_s=0.02)) as url:
        requests = RequestStore.open(small_store(tmp_path / "store", SAMPLES))
        target = Target((url,), requests, ClientSettings(connections=32))
        report = issuer.issue(target, out)
        ordinary = LoadGenIssuer(small_round(SAMPLES), rules, Mode.ACCURACY, 200)
        ordinary.issue(target, tmp_path / "accuracy")
    assert (report.issued, report.failed, report.aborted) == (100, {}, None)
    answers = json.loads((out / ANSWERS).read_text())
    assert len(answers) == 100
    assert all(bytes.fromhex(answer["data"]) for answer in answers)
    assert round_.compliance_tests["TEST06"].audit.matches((out / AUDIT_CONFIG).read_text())
    log = read_detail(out / DETAIL)
    assert log.text("effective_test_mode") == "PerformanceOnly"
    assert log.integer("effective_accuracy_log_sampling_target") == 100
    assert log.flag("effective_sample_concatenate_permutation") is False
    assert not list(Path().glob(AUDIT_CONFIG))
    assert not (tmp_path / "accuracy" / AUDIT_CONFIG).exists()
    after = read_detail(tmp_path / "accuracy" / DETAIL)
    assert after.integer("effective_accuracy_log_sampling_target") == 0


def test_the_official_file_is_taken_byte_for_byte_and_no_other(tmp_path: Path) -> None:
    round_ = round_with_test()
    with pytest.raises(SetupError, match="is missing; fetch the reference again"):
        ComplianceRun.of(round_, "offline", "TEST06", tmp_path)
    official = tmp_path / "compliance" / "TEST06" / AUDIT_CONFIG
    official.parent.mkdir(parents=True)
    text = "# a comment\n\n" + round_.compliance_tests["TEST06"].audit.text
    official.write_text(text)
    assert ComplianceRun.of(round_, "offline", "TEST06", tmp_path).audit == text
    for other in (text.replace("= 100", "= 10"), f"{text}*.*.max_duration = 1\n", text.replace("*.*", "x.*")):
        official.write_text(other)
        with pytest.raises(SetupError, match=r"is not the file of round .* settings for TEST06"):
            ComplianceRun.of(round_, "offline", "TEST06", tmp_path)
    official.write_text(text)
    pinned = round_.compliance_tests["TEST06"].model_copy(update={"audit_sha256": "0" * 64})
    with pytest.raises(SetupError, match="is not the file"):
        ComplianceRun.of(
            round_.model_copy(update={"compliance_tests": {"TEST06": pinned}}), "offline", "TEST06", tmp_path
        )


def test_a_test_that_the_scenario_does_not_have_is_refused() -> None:
    with pytest.raises(InputError, match="offline has no run of the compliance test TEST01"):
        ComplianceRun.of(round_with_test(), "offline", "TEST01", None)
