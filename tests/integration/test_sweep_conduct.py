"""Sweeps end to end on simulated servers: what is measured, in which order, and what a later call adds."""

import errno
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
from simulating import any_length
from sweeping import MODEL, Seen, quick_sweep

from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.sweep_settings import SweepSettings
from weighbridge.core.errors import InputError, SetupError
from weighbridge.records.sweep_plan import SweepPlan
from weighbridge.records.sweep_run import CELL_RECORD, CellRecord
from weighbridge.requests.workload_store import WorkloadStore
from weighbridge.simulate.behaviour import Behaviour
from weighbridge.sweep.cell_key import identities_of
from weighbridge.sweep.conduct import conduct, hold_session, prepare, read_cells
from weighbridge.sweep.expected_sessions import expected_sessions
from weighbridge.sweep.sweep_folder import SweepFolder

SLOW = Behaviour(servers=4, mean_s=0.1, distribution="constant", seed=1)
FAST = SLOW.model_copy(update={"speed": 2.0})


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[str, str]]:
    with any_length(SLOW, MODEL) as slow, any_length(FAST, MODEL) as fast:
        yield {"A": slow, "B": fast}


def measured(settings: SweepSettings, folder: Path, **options: Any) -> Seen:
    seen = Seen()
    conduct(settings, folder, model=None, observer=seen, **options)
    return seen


@pytest.fixture(scope="module")
def finished(urls: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Seen]:
    """A finished sweep of four blocks."""
    folder = tmp_path_factory.mktemp("sweep") / "four"
    return folder, measured(quick_sweep(urls, blocks=4, min_requests=16), folder)


def test_blocks_alternate_the_systems(finished: tuple[Path, Seen]) -> None:
    _, seen = finished
    assert [(key.block, key.system) for key in seen.sessions] == [
        *((1, "A"), (1, "B"), (2, "B"), (2, "A")),
        *((3, "A"), (3, "B"), (4, "B"), (4, "A")),
    ]
    assert seen.numbers == [(number, 8) for number in range(1, 9)]
    started = [record.load.started for record in seen.records]
    assert started == sorted(started)


def test_no_run_is_faster_than_its_server_can_be(finished: tuple[Path, Seen]) -> None:
    """A busy machine makes runs slower, never faster; what verdicts say is tested without a network."""
    _, seen = finished
    for record in seen.records:
        service_s = SLOW.mean_s if record.system == "A" else SLOW.mean_s / FAST.speed
        assert record.load.aborted is None
        assert record.figures is not None
        assert record.figures.e2e is not None
        assert record.figures.e2e.p50 > 0.98 * service_s
        assert 0 < record.figures.qps_whole_run < 1.02 * SLOW.servers / service_s


def test_all_systems_of_a_block_get_the_same_requests_and_no_two_blocks_do(
    finished: tuple[Path, Seen],
) -> None:
    folder, seen = finished
    sent = {}
    for record in seen.records:
        run = folder / f"w1/b{record.block}/{record.system}/w/closed-4"
        table = pd.read_parquet(run / "requests.parquet")
        counts, slice_ = record.counts, (record.block - 1) * record.counts.total
        asked = set(range(slice_, slice_ + counts.warmup + counts.measured))
        assert asked <= set(table["sample"])
        sent[record.block, record.system] = set(table["sample"])
        assert record.store_sha256 == WorkloadStore.open(folder / "requests/w1/w").manifest.digest
    for block in range(1, 5):
        assert sent[block, "A"] & sent[block, "B"]
        assert not any(sent[block, "A"] & sent[other, "B"] for other in range(1, 5) if other != block)


def test_caches_are_emptied_before_each_run_and_the_record_says_how(finished: tuple[Path, Seen]) -> None:
    _, seen = finished
    assert {record.reset for record in seen.records} == {
        "by /reset_prefix_cache, /reset_mm_cache, /reset_encoder_cache"
    }


def test_a_finished_sweep_is_not_measured_again(finished: tuple[Path, Seen], urls: dict[str, str]) -> None:
    folder, seen = finished
    again = measured(quick_sweep(urls, blocks=4, min_requests=16), folder)
    assert (again.records, again.stages) == ([], [])
    assert read_cells(folder, again.plans[0]) == tuple(sorted(seen.records, key=lambda each: each.slot))


def test_another_sweep_takes_the_counts_of_an_earlier_one(
    finished: tuple[Path, Seen], urls: dict[str, str], tmp_path: Path
) -> None:
    folder, seen = finished
    other = prepare(
        quick_sweep(urls, blocks=4, min_requests=99),
        tmp_path / "other",
        model=None,
        observer=Seen(),
        like=folder,
    )
    assert [cell.counts for cell in other.waves[0].cells] == [
        cell.counts for cell in seen.plans[0].waves[0].cells
    ]


def test_more_is_a_wave_of_only_what_is_new(urls: dict[str, str], tmp_path: Path) -> None:
    """A further load is measured on all systems, and more blocks beside a baseline of their own."""
    folder = tmp_path / "sweep"
    first = measured(quick_sweep(urls, blocks=1), folder)
    assert first.runs == [(1, 1, "A", "closed-4"), (1, 1, "B", "closed-4")]
    kept = {path: path.stat().st_mtime_ns for path in folder.glob("w1/**/run.json")}

    wider = measured(quick_sweep(urls, blocks=1, levels={"closed": [2, 4]}), folder)
    assert wider.runs == [(2, 1, "A", "closed-2"), (2, 1, "B", "closed-2")]

    longer = measured(quick_sweep(urls, blocks=2, levels={"closed": [4]}), folder)
    assert longer.runs == [(3, 1, "A", "closed-4"), (3, 1, "B", "closed-4")]
    assert "sizing w closed-4" not in dict(longer.stages).values()

    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    # With less asked for, what is not finished of the rest is left.
    for file in (*folder.glob("w3/**/run.json"), *folder.glob("w2/**/run.json")):
        file.unlink()
    kept = {path: when for path, when in kept.items() if path.exists()}
    assert measured(quick_sweep(urls, blocks=1), folder).runs == []
    alone = quick_sweep({"A": urls["A"]}, blocks=2, levels={"closed": [2, 4]})
    assert measured(alone, folder).runs == [
        (2, 1, "A", "closed-2"),
        (3, 1, "A", "closed-4"),
        (4, 1, "A", "closed-2"),
    ]

    stores = [WorkloadStore.open(folder / f"requests/w{wave}/w") for wave in (1, 2, 3)]
    bodies = [{bytes(store.body(index)) for index in range(len(store))} for store in stores]
    assert len(set.union(*bodies)) == sum(map(len, stores))


ENDED = """
import json, pathlib, sys
from sweeping import Seen
from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.sweep_settings import SweepSettings
from weighbridge.core.interruption import end_on_signals
from weighbridge.sweep.conduct import conduct
settings, folder = json.loads(sys.stdin.read())
end_on_signals()
seen = Seen(at_cell=lambda key: print(key.slot, flush=True))
conduct(SweepSettings.parse(settings, "test"), pathlib.Path(folder), model=None, observer=seen)
"""


def ended_in(slot: int, number: signal.Signals, settings: SweepSettings, folder: Path) -> int:
    """Let a process measure until a run has begun, end it by a signal, and return its exit code."""
    process = subprocess.Popen(
        [sys.executable, "-c", ENDED],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin as stdin:
        json.dump([settings.model_dump(mode="json", exclude_defaults=True), str(folder)], stdin)
    try:
        while int(process.stdout.readline()) < slot:
            pass
    finally:
        process.send_signal(number)
        process.wait()
        process.stdout.close()
    return process.returncode


def test_a_sweep_that_was_ended_goes_on_with_the_run_that_it_was_at(
    urls: dict[str, str], tmp_path: Path
) -> None:
    settings, folder = quick_sweep(urls), tmp_path / "sweep"
    assert ended_in(2, signal.SIGINT, settings, folder) == 128 + signal.SIGINT
    assert len(list(folder.glob("w1/**/run.json"))) == 1
    assert ended_in(3, signal.SIGKILL, settings, folder) == -signal.SIGKILL
    assert len(list(folder.glob("w1/**/run.json"))) == 2
    (unfinished := folder / "requests/w1/.w.unfinished").mkdir()
    rest = measured(settings, folder)
    assert rest.runs == [(1, 2, "B", "closed-4"), (1, 2, "A", "closed-4")]
    assert rest.numbers == [(3, 4), (4, 4)]
    assert len(list(folder.glob("w1/**/run.json"))) == 4
    assert not list(folder.glob(".sizing-*"))
    assert not unfinished.exists()


def test_what_does_not_count_is_set_aside_and_measured_again(urls: dict[str, str], tmp_path: Path) -> None:
    """A run of other settings, and one that ended early."""
    folder, settings = tmp_path / "sweep", quick_sweep({"A": urls["B"]}, blocks=1)
    path = folder / "w1/b1/A/w/closed-4" / CELL_RECORD
    measured(settings, folder)
    other = path.read_bytes()

    settings = settings.model_copy(update={"client": ClientSettings(workers=2, request_timeout_s=60)})
    assert measured(settings, folder).runs == [(1, 1, "A", "closed-4")]
    record = CellRecord.read(path)
    load = record.load.model_copy(update={"aborted": "20 requests in a row failed"})
    path.write_text(record.model_copy(update={"load": load, "figures": None}).model_dump_json())
    ended = path.read_bytes()

    assert measured(settings, folder).runs == [(1, 1, "A", "closed-4")]
    assert measured(settings, folder).runs == []
    assert {path.read_bytes() for path in folder.glob("replaced/*/run.json")} == {other, ended}


def test_sessions_can_be_held_one_by_one_as_they_are_known_before(
    urls: dict[str, str], tmp_path: Path
) -> None:
    settings, folder = quick_sweep({"A": urls["B"]}, runs_per_session=2), tmp_path / "sweep"
    identities = identities_of(settings, None)
    known = expected_sessions(settings, None, identities).sessions
    assert [key.folder for key in known] == ["w1/b1/A", "w1/b2/A"]
    plan = prepare(settings, folder, model=None, observer=Seen())
    assert expected_sessions(settings, plan, identities).sessions == known
    seen = Seen()
    hold_session(settings, folder, known[1], model=None, observer=seen)
    assert [record.repeat for record in seen.records] == [1, 2]
    assert seen.numbers == [(3, 4), (4, 4)]
    assert (folder / "w1/b2/A/w/closed-4.2/run.json").exists()
    assert not (folder / "w1/b1").exists()


def test_auto_finds_the_capacity_and_loads_below_it(tmp_path: Path) -> None:
    behaviour = SLOW.model_copy(update={"servers": 2, "mean_s": 0.05})
    with any_length(behaviour, MODEL) as url:
        settings = quick_sweep({"A": url}, levels={"auto": True}, blocks=1)
        plan = prepare(settings, tmp_path / "sweep", model=None, observer=Seen())
        again = prepare(settings, tmp_path / "sweep", model=None, observer=(seen := Seen()))
    assert (again, seen.stages) == (plan, [])
    closed = [level.closed for level in plan.auto["w"] if level.closed]
    rates = np.array([level.poisson for level in plan.auto["w"] if level.poisson])
    assert closed[:2] == [1, 2]
    assert closed == [2**power for power in range(len(closed))]
    np.testing.assert_allclose(rates / rates[-1], [0.25, 0.5, 0.75, 1.0], atol=0.01)
    assert 0.8 * 40 * 0.6 < rates[-1] < 0.8 * 40 * 1.1
    assert [cell.level for cell in plan.waves[0].cells] == list(plan.auto["w"])


def test_a_system_that_rejects_forced_lengths_is_refused_before_anything_is_measured(
    tmp_path: Path,
) -> None:
    with (
        any_length(SLOW.model_copy(update={"lengths": "rejected"}), MODEL) as url,
        pytest.raises(InputError, match="rejects requests that force their length with ignore_eos"),
    ):
        measured(quick_sweep({"A": url}), tmp_path / "sweep")
    assert SweepFolder(tmp_path / "sweep").read_plan("quick") == SweepPlan(sweep="quick")


def test_a_system_that_is_lost_in_a_run_ends_the_sweep_without_a_record_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    with ExitStack() as running:
        url = running.enter_context(any_length(FAST, MODEL))
        seen = Seen(at_cell=lambda key: running.close() if key.block == 2 else None)
        with pytest.raises(SetupError, match=r"system A was lost in block 2: .* run the same command"):
            conduct(quick_sweep({"A": url}), folder, model=None, observer=seen)
    assert [path.parts[-5] for path in folder.glob("w1/**/run.json")] == ["b1"]
    assert seen.runs == [(1, 1, "A", "closed-4")]


def test_a_command_starts_a_system_which_ends_with_the_sweep(tmp_path: Path) -> None:
    emptied = tmp_path / "emptied"
    command = [sys.executable, "-m", "weighbridge", "simulate", "--model-name", MODEL, "--port", "{port}"]
    system = {
        "server": {"model_name": MODEL, "env": {"PYTHONPATH": str(Path(__file__).parents[2] / "src")}},
        "command": [*command, "--behaviour", FAST.model_dump_json()],
        "reset_cmd": ["touch", str(emptied)],
    }
    seen = measured(
        quick_sweep({}, systems={"A": system}, blocks=1, coexist=True, start_warmup_s=0.3), tmp_path / "sweep"
    )
    (record,) = seen.records
    assert emptied.exists()
    assert record.reset == f"by touch {emptied}"
    assert record.server.command[:3] == tuple(command[:3])
    assert record.server.proven is not None
    assert any(stage.startswith("warm-up") for _, stage in seen.stages)
    address = urlsplit(record.server.endpoints[0])
    with socket.socket() as probe:
        assert probe.connect_ex((address.hostname, address.port)) == errno.ECONNREFUSED


SERVE = """#!{python}
import os, sys
options = dict(word.split("=", 1) for word in sys.argv if "=" in word)
name, port = options["--served-model-name"], options["--port"]
os.environ["PYTHONPATH"] = {source!r}
command = [sys.executable, "-m", "weighbridge", "simulate", "--model-name", name, "--port", port]
os.execv(sys.executable, [*command, "--behaviour", {behaviour!r}])
"""


def test_each_session_starts_a_server_of_its_own(tmp_path: Path) -> None:
    """The system starts once to be looked at and once for its session, and answers to neither afterwards."""
    program, folder = tmp_path / "vllm", tmp_path / "sweep"
    source, model = str(Path(__file__).parents[2] / "src"), tmp_path / "model"
    program.write_text(SERVE.format(python=sys.executable, source=source, behaviour=FAST.model_dump_json()))
    program.chmod(0o755)
    model.mkdir()
    system = {"server": {"model_name": MODEL, "executable": str(program)}}
    settings = quick_sweep({}, systems={"A": system}, blocks=1, start_warmup_s=0.3)
    seen = Seen()
    conduct(settings, folder, model=model, observer=seen)
    (record,) = seen.records
    assert record.server.environment == {"VLLM_SERVER_DEV_MODE": "1"}
    assert record.server.command[-1] == "--enable-prompt-tokens-details"
    assert len([stage for _, stage in seen.stages if stage.startswith("warm-up")]) == 2
    assert {path.parent.relative_to(folder).as_posix() for path in folder.rglob("server.log")} == {
        "servers/A",
        "w1/b1/A",
    }
    address = urlsplit(record.server.endpoints[0])
    with socket.socket() as probe:
        assert probe.connect_ex((address.hostname, address.port)) == errno.ECONNREFUSED
