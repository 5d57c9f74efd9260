"""The peak search under limits of tokens, against a simulated server that streams them at stated times."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from simulating import simulated, token_store
from test_peak import System, finish

from weighbridge.benchmarks.rounds import load_round
from weighbridge.gates import judge
from weighbridge.gates.client_checks import client_checks
from weighbridge.gates.request_rows import RequestRows
from weighbridge.gates.token_figures import tokens_counted
from weighbridge.loadgen.logs import read_detail
from weighbridge.records.run_record import RunRecord
from weighbridge.records.search_record import Probe
from weighbridge.records.verdict import Verdict
from weighbridge.simulate.behaviour import Behaviour
from weighbridge.simulate.oracle import peak_qps

SAMPLES = 512
# Eight answers at once, each of 18 tokens in 0.088 s: 90 a second.
BEHAVIOUR = Behaviour(servers=8, ttft_s=0.02, tpot_s=0.004)


def token_round(folder: Path) -> Path:
    """Write a round with a Server and an Interactive scenario, which LoadGen calls Server too."""
    rules = {"min_duration_s": 1, "min_query_count": SAMPLES, "metric": "tokens/s"}

    def limits(ttft_s: float, tpot_s: float) -> dict[str, object]:
        return {"latency": None, "ttft": {"limit_s": ttft_s}, "tpot": {"limit_s": tpot_s}}

    interactive = {"folder": "Interactive", "loadgen_scenario": "Server", "required": False}
    scenarios = {
        "offline": rules,
        "server": {**rules, "min_query_count": 4 * SAMPLES, "limits": limits(2, 0.1)},
        "interactive": {**rules, **interactive, "limits": limits(0.5, 0.03)},
    }
    path = folder / "tokens.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "extends": "demo",
                "name": "small",
                "samples": SAMPLES,
                "loadgen": {"token_latencies": True},
                "scenarios": scenarios,
            }
        )
    )
    return path


class TokenSystem(System):
    """A simulated server that streams tokens."""

    def __init__(self, folder: Path, url: str) -> None:
        super().__init__(folder, url, SAMPLES)
        self.round_file, self.store = (
            token_round(folder),
            token_store(folder / "tokens", SAMPLES),
        )
        self.setup = replace(self.setup, round_=load_round(str(self.round_file)), store=self.store)

    def judged(self, run: Path, scenario: str) -> Verdict:
        """Judge a performance run alone."""
        rules = self.setup.round_.scenarios[scenario]
        return judge(
            performance=run, accuracy=None, evaluation=None, round_=self.setup.round_, scenario=rules
        )

    def failed(self, run: Path, scenario: str) -> set[str]:
        """Return the failed checks of a run, without those of the client's speed on this machine."""
        round_ = self.setup.round_
        log, record = read_detail(run / "mlperf_log_detail.txt"), RunRecord.read(run / "run.json")
        rules = round_.scenarios[scenario]
        speed = client_checks(log, record.load, RequestRows.read(run), round_, rules)
        failed = self.judged(run, scenario).failed
        # The store's bodies limit their tokens, and the demo's rules leave that unset.
        return {check.name for check in failed} - {check.name for check in speed} - {"sampling"}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory):
    with simulated(BEHAVIOUR) as url:
        system = TokenSystem(tmp_path_factory.mktemp("tokens") / "system", url)
        system.measure_offline()
        yield system


def test_a_real_offline_run_counts_the_tokens_that_the_client_received(system: TokenSystem) -> None:
    run = system.folder / "offline"
    assert system.failed(run, "offline") == set()
    verdict, rules = system.judged(run, "offline"), system.setup.round_.scenarios["offline"]
    assert verdict.rate == verdict.tokens_per_s
    rows = RequestRows.read(run)
    assert rows is not None
    counted = tokens_counted(read_detail(run / "mlperf_log_detail.txt"), rules, verdict.queries)
    assert counted == pytest.approx(rows.tokens.sum(), rel=1e-4)


@pytest.mark.parametrize(("scenario", "ttft_s"), [("interactive", 0.5)])
def test_the_rate_that_limits_of_tokens_allow_is_found(
    system: TokenSystem, scenario: str, ttft_s: float
) -> None:
    code, said = finish(system.search(scenario, scenario=scenario))
    assert code == 0, said
    peak = system.find(scenario)
    offline = RunRecord.read(system.folder / "offline" / "run.json").load.achieved_qps
    assert peak.started_from is not None
    assert peak.started_from.startswith(f"0.8 x {offline:.4g} samples/s of ")
    assert "tokens/s over 18 tokens a sample)" in peak.started_from
    assert peak.probes[0].target_qps == pytest.approx(0.8 * offline, rel=1e-3)
    assert peak.limits_s == {"ttft": ttft_s, "tpot": 0.03}
    assert peak.target_latency_s == ttft_s
    judged = [probe.judged_limits for probe in peak.probes]
    assert all(set(each) == {"ttft", "tpot"} for each in judged)
    run = system.folder / peak.confirmed_by
    assert system.failed(run, scenario) == set()
    verdict = system.judged(run, scenario)
    assert verdict.ttft is not None
    assert verdict.tpot is not None
    assert 0.02 < (verdict.ttft.p50_s or 0) < ttft_s
    assert 0.004 <= (verdict.tpot.p50_s or 0) < 0.03
    true_qps = peak_qps(run, system.store, BEHAVIOUR, system.setup.round_, scenario)
    assert 0.5 * true_qps < peak.peak_qps <= 1.03 * true_qps


def test_a_probe_whose_first_tokens_do_not_come_is_cut_off(system: TokenSystem) -> None:
    once = {"max_probes": 1, "max_confirmations": 1}
    code, said = finish(system.search("flooded", scenario="server", start=2, probe_s=9, **once))
    assert code == 4, said
    [path] = system.folder.glob("flooded/*/01-probe/probe.json")
    first = Probe.read(path)
    assert first.cut_off, said
    assert "would take longer than 2 s" in first.reason
