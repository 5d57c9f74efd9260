"""A rate that cannot pass: told by a probe before a long run, and by the run itself while it lasts."""

import subprocess
import sys
from pathlib import Path

import pytest
from measuring import run_command
from simulating import simulated

from weighbridge.benchmarks.rounds import load_round
from weighbridge.gates import judge
from weighbridge.gates.verdict_line import verdict_line
from weighbridge.records.progress_record import PROGRESS_FILE, Phase, State
from weighbridge.records.run_record import RUN_RECORD, RunRecord
from weighbridge.records.search_record import Probe
from weighbridge.simulate.behaviour import Behaviour

SAMPLES = 200


def run(
    folder: Path, url: str, target_qps: float, duration_s: float, probe_s: float, *options: str
) -> tuple[int, str]:
    command = run_command(
        folder, url, samples=SAMPLES, target_qps=target_qps, duration_s=duration_s, out=folder / "run"
    )
    round_file = folder / "round.yaml"
    limit = "\n    limits: {latency: {limit_s: 0.25, percentile: 0.9}}"
    text = round_file.read_text()
    assert "min_query_count: 200" in text
    round_file.write_text(text.replace("min_query_count: 200", f"min_query_count: 200{limit}"))
    done = subprocess.run(
        [sys.executable, "-m", "weighbridge", *command, "--probe-s", str(probe_s), *options],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def test_a_rate_above_what_the_server_can_do_ends_before_the_run(tmp_path: Path) -> None:
    # 20 queries/s are served; a run at 100 would last 100 s.
    with simulated(Behaviour(servers=2, mean_s=0.1)) as url:
        code, said = run(tmp_path, url, 100, 100, probe_s=1)
    assert code == 4
    last = said.splitlines()[-1]
    assert "a probe of 1 s at 100 queries/s shows that the run of 1 min" in last
    assert "would not pass: " in last
    # An overload is detected within it only where the machine is so busy that it lasts 5 s.
    assert "queries took longer than" in last or "queries waited, and at the" in last
    assert "scenarios.server.target_qps, or set it to 'auto'" in last
    assert "scenarios.server.probe_s: 0" in last
    probe = Probe.read(tmp_path / "run" / "probe" / "probe.json")
    assert not probe.passed
    assert probe.reason in last
    assert not (tmp_path / "run" / RUN_RECORD).exists()


@pytest.mark.parametrize(("duration_s", "probed"), [(4, True), (1, False)], ids=["long run", "short run"])
def test_a_rate_that_may_pass_is_measured_after_a_probe_that_is_short_against_the_run(
    tmp_path: Path, duration_s: float, probed: bool
) -> None:
    with simulated(Behaviour(servers=8, mean_s=0.02)) as url:
        code, said = run(tmp_path, url, 200 / duration_s, duration_s, probe_s=0.15)
    assert code == 0, said
    assert (tmp_path / "run" / "probe" / "probe.json").is_file() == probed
    assert ("at 50 queries/s: the run may pass" in said) == probed


@pytest.mark.parametrize("ended", [True, False], ids=["it ends", "it goes on"])
def test_a_run_that_cannot_pass_any_more_says_so_once_and_ends_where_that_is_asked_for(
    tmp_path: Path, ended: bool
) -> None:
    # 20 queries/s are served. A run that is ended issues a small part of its 6,000 queries.
    options = ["--stop-when-lost"] if ended else []
    with simulated(Behaviour(servers=2, mean_s=0.1)) as url:
        code, said = run(tmp_path, url, 100, 60 if ended else 3, 0, *options)
    assert code == 0, said
    assert said.count("the run cannot pass any more") == 1
    assert ("it is ended" if ended else "it goes on to its end, and does not count") in said
    assert "Lower scenarios.server.target_qps from 100 (try 1" in said
    out = tmp_path / "run"
    record, shown = RunRecord.read(out / RUN_RECORD), State.read(out / PROGRESS_FILE)
    assert record.load.lost is not None
    assert record.load.lost.reason in shown.lost
    assert record.ended_as_lost == ended
    assert (record.load.aborted is None) != ended
    assert record.load.issued < 3000
    assert shown.phase is (Phase.ABORTED if ended else Phase.DONE)
    round_ = load_round(str(tmp_path / "round.yaml"))
    verdict = judge(
        performance=out,
        accuracy=None,
        evaluation=None,
        round_=round_,
        scenario=round_.scenario("server"),
        not_made={"accuracy": "there is no sense in it"},
    )
    assert verdict.outcome == "INVALID"
    line = verdict_line(verdict)
    assert line.startswith("server: INVALID at ")
    assert "target 100" in line
    assert "Lower scenarios" in line or "lower scenarios" in line
    assert (verdict.rate is None) == ended
    assert [check.limit for check in verdict.checks if check.value == "not made"] == ["present"]
