"""A share of the Offline run's rate: in samples/s, and of a run that counts alone."""

from pathlib import Path
from typing import Any

import pytest
from loadgen_files import record_values, seal
from token_runs.recorded import recorded, recorded_log, token_round, write_recorded

from weighbridge.artifacts.proof import Proof
from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.scenario_rules import Mode
from weighbridge.config.server_settings import ServerSettings
from weighbridge.core.errors import InputError, InvalidRunError
from weighbridge.run.session import Setup
from weighbridge.search.offline_rate import searched_from, share_of_valid

ROUND = token_round()
VALUES = recorded("offline")["values"]
SAMPLES_PER_S, TOKENS_PER_S = VALUES["result_samples_per_second"], VALUES["result_tokens_per_second"]


def setup_of(folder: Path, digest: str = "a" * 64, name: str = "model") -> Setup:
    proof = Proof(kind="model", folder=folder, repo=None, revision=None, manifest_digest=digest, files=())
    server = ServerSettings(model_name=name, endpoints=("http://127.0.0.1:1",))
    return Setup(ROUND, server, ClientSettings(), proof, folder)


def offline_run(folder: Path, changes: dict[str, Any] | None = None, scenario: str = "offline") -> Path:
    """Write an Offline run with changes of its log; return its run.json."""
    values = recorded(scenario)["values"] | (changes or {})
    return write_recorded(folder / "run", ROUND, scenario, values, recorded_log(scenario)) / "run.json"


def test_a_share_is_one_of_samples_and_says_of_which_tokens(tmp_path: Path) -> None:
    found = share_of_valid(offline_run(tmp_path), 0.8, setup_of(tmp_path))
    assert found.qps == pytest.approx(0.8 * SAMPLES_PER_S, rel=1e-3)
    tokens = TOKENS_PER_S / SAMPLES_PER_S
    assert found.said == (
        f"0.8 x {SAMPLES_PER_S:.4g} samples/s of {tmp_path / 'run'} "
        f"({TOKENS_PER_S:.6g} tokens/s over {tokens:.4g} tokens a sample)"
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"result_validity": "INVALID"}, "LoadGen's result INVALID"),
        ({"num_errors": 3}, "LoadGen errors 3"),
        ({"result_samples_per_second": 2 * SAMPLES_PER_S}, "result as computed"),
        ({"effective_min_duration_ms": 10}, "minimum duration set"),
    ],
)
def test_no_rate_is_taken_from_a_run_that_does_not_count(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidRunError, match="does not count") as raised:
        share_of_valid(offline_run(tmp_path, changes), 0.8, setup_of(tmp_path))
    assert said in str(raised.value)


def test_no_rate_is_taken_from_a_run_with_failed_requests(tmp_path: Path) -> None:
    path = offline_run(tmp_path)
    record = record_values(ROUND, "offline", Mode.PERFORMANCE)
    record["load"]["failed"] = {"reset": 1}
    seal(path.parent, record)
    with pytest.raises(InvalidRunError, match="failed requests"):
        share_of_valid(path, 0.8, setup_of(tmp_path))


@pytest.mark.parametrize("other", [{"digest": "b" * 64}, {"name": "another"}])
def test_no_rate_is_taken_from_another_model(tmp_path: Path, other: dict[str, str]) -> None:
    with pytest.raises(InvalidRunError, match="is a run of another model"):
        share_of_valid(offline_run(tmp_path), 0.8, setup_of(tmp_path, **other))


@pytest.mark.parametrize(
    "changes", [{"mode": "accuracy"}, {"compliance_test": "TEST06"}, {"round": "v6.0"}, {"scenario": "x"}]
)
def test_no_rate_is_taken_from_another_kind_of_run(tmp_path: Path, changes: dict[str, str]) -> None:
    path = offline_run(tmp_path)
    seal(path.parent, record_values(ROUND, "offline", Mode.PERFORMANCE) | changes)
    with pytest.raises(InputError, match="is no performance run of an Offline scenario of round small"):
        share_of_valid(path, 0.8, setup_of(tmp_path))


def test_no_rate_is_taken_from_another_scenario(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no performance run of an Offline scenario"):
        share_of_valid(offline_run(tmp_path, scenario="server"), 0.8, setup_of(tmp_path))


def test_a_search_starts_at_what_the_client_completed(tmp_path: Path) -> None:
    path = offline_run(tmp_path)
    found = searched_from(path)
    assert found.qps == record_values(ROUND, "offline", Mode.PERFORMANCE)["load"]["achieved_qps"]
    assert found.said.startswith(f"{found.qps:.4g} samples/s of {tmp_path / 'run'} (")
    record = record_values(ROUND, "offline", Mode.PERFORMANCE)
    record["load"]["achieved_qps"] = 0.0
    seal(path.parent, record)
    with pytest.raises(InputError, match="completed nothing"):
        searched_from(path)
