"""What LoadGen really logs with token latencies: the keys of the recorded runs that gates are tested with."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

RECORDS = Path(__file__).parents[1] / "unit" / "token_runs"


@pytest.mark.parametrize("scenario", ["offline", "server", "single-stream"])
def test_a_run_today_logs_the_keys_that_were_recorded(scenario: str, tmp_path: Path) -> None:
    command = [sys.executable, RECORDS / "record.py", scenario, tmp_path / "log.json"]
    subprocess.run(command, check=True, timeout=120)
    today, recorded = (
        json.loads(path.read_text()) for path in (tmp_path / "log.json", RECORDS / f"{scenario}.json")
    )
    # A run that misses a limit or its duration says so by one key more.
    assert set(today["values"]) - {"result_invalid_reason"} == set(recorded["values"])
    assert {type(value) for value in today["values"].values()} >= {str, int, bool}
    assert {row[0]: row[1] for row in today["requests"]} == {row[0]: row[1] for row in recorded["requests"]}
