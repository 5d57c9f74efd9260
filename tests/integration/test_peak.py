"""The peak search, as a command against simulated servers whose true peak the oracle computes."""

import json
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml
from driving import small_store
from simulating import simulated

from weighbridge.artifacts.proof import Proof
from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.scenario_rules import Mode
from weighbridge.config.server_settings import ServerSettings
from weighbridge.loadgen.loadgen_issuer import LoadGenIssuer
from weighbridge.records.search_record import Peak, Probe
from weighbridge.run.execute import execute
from weighbridge.run.session import Setup
from weighbridge.simulate.behaviour import Behaviour
from weighbridge.simulate.oracle import peak_qps

SAMPLES = 1024
LIMIT_S = 1.0
BEHAVIOURS = (
    Behaviour(servers=8, mean_s=0.04),
    Behaviour(servers=6, mean_s=0.06, distribution="lognormal", sigma=0.3),
    Behaviour(servers=40, mean_s=0.125, distribution="lognormal", sigma=0.3, seed=7),
)
SEARCH = {"probe_s": 2.5, "tolerance": 0.02}


def write_round(folder: Path, samples: int = SAMPLES, limit_s: float = LIMIT_S) -> Path:
    rules = {"min_duration_s": 1, "min_query_count": samples}
    path = folder / "round.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "extends": "demo",
                "name": "small",
                "samples": samples,
                "scenarios": {
                    "offline": rules,
                    "server": {**rules, "limits": {"latency": {"limit_s": limit_s}}},
                },
            }
        )
    )
    return path


class System:
    """A simulated server, its store, and the Offline run that a search starts from."""

    def __init__(self, folder: Path, url: str, samples: int = SAMPLES, limit_s: float = LIMIT_S) -> None:
        folder.mkdir(parents=True)
        self.folder, self.round_file = folder, write_round(folder, samples, limit_s)
        self.store = small_store(folder / "store", samples)
        self.server = ServerSettings(model_name="tiny", endpoints=(url,), warmup_requests=2)
        self.client = ClientSettings(connections=2048)
        proof = Proof(
            kind="model", folder=folder, repo=None, revision=None, manifest_digest="0" * 64, files=()
        )
        (folder / "model.json").write_text(proof.model_dump_json())
        self.setup = Setup(load_round(str(self.round_file)), self.server, self.client, proof, self.store)

    def measure_offline(self) -> None:
        round_ = self.setup.round_
        issuer = LoadGenIssuer(round_, round_.scenarios["offline"], Mode.PERFORMANCE, 100)
        execute(self.setup, issuer, self.folder / "offline")

    def search(
        self,
        name: str = "peak",
        user_conf: dict[str, object] | None = None,
        scenario: str = "server",
        stop_when_lost: bool = True,
        **search: object,
    ) -> subprocess.Popen[str]:
        options = {
            "scenario": scenario,
            "settings": json.dumps({"user_conf": user_conf or {}}),
            "round": self.round_file,
            "server": self.server.model_dump_json(),
            "client": self.client.model_dump_json(),
            "search": json.dumps({**SEARCH, **search}),
            "model": self.folder / "model.json",
            "store": self.store,
            "offline": self.folder / "offline" / "run.json",
            "output": self.folder / f"{name}.json",
        }
        words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
        words += [] if stop_when_lost else ["--no-stop-when-lost"]
        command = [sys.executable, "-m", "weighbridge", "search-qps", *words]
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=self.folder)

    def find(self, name: str = "peak") -> Peak:
        return Peak.read(self.folder / f"{name}.json")

    def probes(self) -> list[Path]:
        return sorted(self.folder.glob("peak/*/*/probe.json"))


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, said = process.communicate(timeout=250)
    return process.returncode, said


def test_the_true_peak_is_found_for_three_capacities(tmp_path: Path) -> None:
    with ExitStack() as stack:
        systems = [
            System(tmp_path / str(number), stack.enter_context(simulated(behaviour)))
            for number, behaviour in enumerate(BEHAVIOURS)
        ]
        for system in systems:
            system.measure_offline()
        # A machine that stalls for a second is no error of the search; two in a row are.
        for attempt in ("peak", "second"):
            searches = [system.search(attempt) for system in systems]
            for search in searches:
                code, said = finish(search)
                assert code == 0, said
            errors = []
            for system, behaviour in zip(systems, BEHAVIOURS, strict=True):
                peak = system.find(attempt)
                run = system.folder / peak.confirmed_by
                true_qps = peak_qps(run, system.store, behaviour, system.setup.round_, "server")
                errors.append(peak.peak_qps / true_qps - 1)
                assert sum(probe.kind == "probe" for probe in peak.probes) <= 10
            print("relative errors:", errors)
            if max(map(abs, errors)) <= 0.03:
                return
    pytest.fail(f"the peaks found are off by {errors}")


def test_an_interrupted_search_goes_on_and_repeats_no_probe(tmp_path: Path) -> None:
    with simulated(Behaviour(servers=8, mean_s=0.04)) as url:
        system = System(tmp_path / "system", url)
        system.measure_offline()
        search = system.search(probe_s=1.5)
        while len(system.probes()) < 2:
            assert search.poll() is None
            time.sleep(0.1)
        time.sleep(1)  # into the third probe
        search.send_signal(signal.SIGINT)
        code, said = finish(search)
        assert code != 0
        assert "Traceback" not in said
        kept = {path: path.stat().st_mtime_ns for path in system.probes()}
        assert len(kept) == 2
        assert not (system.folder / "peak.json").exists()

        code, said = finish(system.search(probe_s=1.5, tolerance=0.2))
        assert code == 0, said
        assert "2 probes of an earlier search" in said
        assert {path: path.stat().st_mtime_ns for path in system.probes()[:2]} == kept
        assert [probe.number for probe in system.find().probes] == [*range(1, len(system.probes()) + 1)]


def test_a_search_measures_with_the_user_s_user_conf(tmp_path: Path) -> None:
    with simulated(Behaviour(servers=8, mean_s=0.04)) as url:
        system = System(tmp_path / "system", url)
        system.measure_offline()
        longer: dict[str, object] = {"min_duration": 8000, "coalesce_queries": True}
        code, said = finish(system.search(user_conf=longer, probe_s=1.5, tolerance=0.2))
        assert code == 0, said
        confirming = (system.folder / system.find().confirmed_by / "user.conf").read_text()
        confs = [path.read_text() for path in system.folder.glob("peak/*/*/user.conf")]
        assert all("Server.coalesce_queries = 1" in conf for conf in confs)
        assert "Server.min_duration = 8000" in confirming
        assert any("Server.min_duration = 1\n" in conf for conf in confs), "a short probe keeps its length"
        # A search without it is another one, and uses none of these probes.
        _, said = finish(system.search(probe_s=1.5, tolerance=0.2, max_probes=1, max_confirmations=1))
        assert "probes of an earlier search" not in said


def test_a_search_that_finds_none_says_why_and_keeps_its_probes(tmp_path: Path) -> None:
    # With this seed sample 0, which is sent before and after each probe, does not fail.
    behaviour = Behaviour(servers=8, mean_s=0.04, failures={"status_500": 0.2}, seed=2)
    with simulated(Behaviour(servers=8, mean_s=0.04)) as url:
        System(tmp_path / "well", url, 64).measure_offline()
    with simulated(behaviour) as url:
        system = System(tmp_path / "faulty", url, 64)
        system.server = ServerSettings(model_name="tiny", endpoints=(url,), warmup_requests=0)
        (system.folder / "offline").symlink_to(tmp_path / "well" / "offline")
        code, said = finish(system.search(max_probes=2, probe_s=0.2))
    assert (code, said.splitlines()[-1].split("no peak was found: ")[1].split(",")[0]) == (
        4,
        "no rate passed in 2 probes",
    )
    assert len(system.probes()) == 2
    assert "requests failed" in system.probes()[0].read_text()
    assert Probe.read(system.probes()[0]).p99_latency_s is None


@pytest.mark.parametrize(
    ("stop_when_lost", "reason"), [(True, "the run cannot pass any more"), (False, "queries waited")]
)
def test_a_probe_that_drowns_is_cut_off(stop_when_lost: bool, reason: str, tmp_path: Path) -> None:
    with simulated(Behaviour(servers=8, mean_s=0.05)) as url:
        system = System(tmp_path / "system", url, limit_s=0.5)
        system.measure_offline()
        search = system.search(
            start=2, probe_s=6, max_probes=2, max_confirmations=1, stop_when_lost=stop_when_lost
        )
        _, said = finish(search)
    first = Probe.read(system.probes()[0])
    assert first.cut_off, said
    assert not first.passed
    assert first.duration_s < 10  # at twice the server's rate, 6 s of queries take 12
    assert reason in first.reason
    # What it left in the server's queue is not the next one's.
    assert Probe.read(system.probes()[1]).p50_latency_s == pytest.approx(0.05, abs=0.2)
