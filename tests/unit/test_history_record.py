"""What is recorded of finished results: figures, settings, once, without secrets, and losing no result."""

import json
import logging
import os
import resource
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from history_entries import digest, history_entry, speed
from recorded_results import change_json, write_scored, write_sweep, write_verdicts

from weighbridge.config.scenario_rules import Mode
from weighbridge.core.files import sha256_of
from weighbridge.history import entry_files
from weighbridge.history.entry_files import add_entry, newest_file
from weighbridge.history.record import record_comparison, record_quality, record_verdict
from weighbridge.records.history_entry import LATEST, HistoryEntry, HistoryKind


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("finished")
    write_verdicts(run)
    write_sweep(run)
    write_scored(run)
    return run


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def _read(file: Path | None) -> HistoryEntry:
    assert file is not None
    return HistoryEntry.read(file)


def _values(entry: HistoryEntry) -> dict[str, float]:
    return {measure.name: measure.value for measure in entry.measures}


def test_a_verdict_s_entry_has_its_figures_settings_and_system(run: Path) -> None:
    verdict = run / "results" / "server" / "verdict.json"
    entry = _read(record_verdict(verdict, run / "history"))
    data = json.loads(verdict.read_text())
    assert (entry.kind, entry.name, entry.round) == (HistoryKind.VERDICT, "server", "small")
    assert (entry.outcome, entry.where) == (data["outcome"], "results/server/verdict.json")
    assert entry.result_sha256 == sha256_of(verdict)
    assert _values(entry) == {
        "rate": data["rate"],
        "latency p50": data["p50_latency_s"],
        "latency p99": data["p99_latency_s"],
        "F1": data["accuracy"],
    }
    assert {(each.name, each.aspect, each.better) for each in entry.measures} >= {
        ("rate", "speed", "higher"),
        ("latency p99", "speed", "lower"),
        ("F1", "score", "higher"),
    }
    expected = {"server.args.--dtype": "float32", "server.env.VLLM_CPU_KVCACHE_SPACE": "1"}
    expected |= {"pins.model": "a" * 64, "host.name": "node", "weighbridge.revision": "0" * 40}
    assert entry.settings.items() >= {**expected, "server.args": "vllm serve model"}.items()
    assert entry.system.server == "0.12.0"
    assert entry.note is not None
    assert entry.note.startswith("DEMONSTRATION")


def test_of_several_performance_runs_that_is_recorded_which_is_the_result(run: Path) -> None:
    folder = run / "results" / "offline"
    (folder / "performance").rename(folder / "performance-2")
    several = {"chosen": "performance-2", "rule": "the median run", "runs": [], "spread": {}}
    change_json(folder / "verdict.json", lambda verdict: verdict.update(performance_runs=several))
    entry = _read(record_verdict(folder / "verdict.json", run / "history"))
    [rate] = [each for each in entry.measures if each.name == "rate"]
    assert rate.measured_by == sha256_of(folder / "performance-2" / "run.json")


def test_what_differs_from_run_to_run_by_its_nature_is_no_setting(run: Path) -> None:
    # Both runs have a port of their own, and their endpoints name it.
    entry = _read(record_verdict(run / "results" / "offline" / "verdict.json", run / "history"))
    assert not [name for name in entry.settings if "port" in name or "endpoint" in name]
    assert not [name for name in entry.settings if name.startswith("accuracy run")]


def test_runs_with_other_settings_are_told_apart(run: Path) -> None:
    change_json(
        run / "results" / "offline" / "accuracy" / "run.json",
        lambda record: record["server"]["command"].append("--seed=7"),
    )
    entry = _read(record_verdict(run / "results" / "offline" / "verdict.json", run / "history"))
    assert entry.settings["accuracy run: server.args.--seed"] == "7"


def test_the_port_and_place_of_a_server_make_no_other_system_and_its_arguments_do(run: Path) -> None:
    verdict = run / "results" / "offline" / "verdict.json"

    def fingerprint(*words: str) -> str:
        for mode in Mode:
            path = verdict.parent / mode / "run.json"
            change_json(path, lambda record: record["server"].update(command=list(words)))
        entry = _read(record_verdict(verdict, run / "history" / digest(str(words))))
        return entry.system.fingerprint

    first = fingerprint("/a/vllm", "serve", "/models/m", "--port=1", "--max-num-seqs=64")
    assert fingerprint("/b/vllm", "serve", "/other/m", "--port=2", "--max-num-seqs=64") == first
    assert fingerprint("/a/vllm", "serve", "/models/m", "--port=1", "--max-num-seqs=8") != first


def test_a_failed_gate_and_runs_without_records_are_recorded_too(run: Path) -> None:
    verdict = run / "results" / "offline" / "verdict.json"
    change_json(verdict, lambda data: data.update(outcome="INVALID", rate=None))
    for mode in Mode:
        (verdict.parent / mode / "run.json").unlink()
    entry = _read(record_verdict(verdict, run / "history"))
    assert entry.outcome == "INVALID"
    assert list(_values(entry)) == ["F1"]
    assert entry.settings == {}


def test_the_runs_of_a_verdict_may_lie_elsewhere(run: Path) -> None:
    moved = {str(mode): run / f"moved-{mode}" for mode in Mode}
    for name, folder in moved.items():
        (run / "results" / "offline" / name).rename(folder)
    verdict = run / "results" / "offline" / "verdict.json"
    assert "server.args" in _read(record_verdict(verdict, run / "history", **moved)).settings


def test_of_an_error_rate_lower_is_better_and_a_latency_may_be_the_result(run: Path) -> None:
    def change(data: dict[str, Any]) -> None:
        data.update(metric="wer", metrics={"wer": 0.1}, accuracy=0.1, rate=0.5, rate_unit="s (p90)")
        data["checks"] = [data["checks"][0] | {"name": "wer", "limit": "<= 0.2"}]

    verdict = run / "results" / "offline" / "verdict.json"
    change_json(verdict, change)
    measures = {each.name: each for each in _read(record_verdict(verdict, run / "history")).measures}
    assert (measures["WER"].better, measures["WER"].aspect) == ("lower", "score")
    assert (measures["latency p90"].better, measures["latency p90"].unit) == ("lower", "s")


def test_a_comparison_s_entry_has_speed_ups_and_throughputs_with_intervals(run: Path) -> None:
    entry = _read(record_comparison(run / "results/sweeps/demo-sweep/comparison.json", run / "history"))
    measures = {measure.name: measure for measure in entry.measures}
    assert list(measures) == [
        "speed-up of B at chat, closed-32",
        "throughput of A at chat, closed-32",
        "throughput of B at chat, closed-32",
    ]
    faster = measures["speed-up of B at chat, closed-32"]
    assert faster.low is not None
    assert faster.high is not None
    assert faster.low < faster.value < faster.high
    assert entry.outcome.startswith("B is faster than A")
    assert entry.settings["systems.B.server.args.--enable-prefix-caching"] == "given"
    assert entry.settings["workloads.chat.turns.const"] == "3"
    assert (entry.name, entry.system.model) == ("demo-sweep", "demo")


def test_what_the_client_decided_is_no_figure_of_a_system(run: Path) -> None:
    file = run / "results/sweeps/demo-sweep/comparison.json"
    refused = {"run": "b1", "name": "x", "value": 1, "limit": "0", "passed": False, "remedy": "Repeat."}
    change_json(file, lambda data: data["cells"][0]["systems"]["A"].update(refused=[refused]))
    assert "throughput of A at chat, closed-32" not in _values(
        _read(record_comparison(file, run / "history"))
    )


def test_accuracies_of_compared_systems_are_scores_of_the_comparison(run: Path) -> None:
    of_a = {"accuracy": 0.6, "stderr": 0.05, "low": 0.5, "high": 0.7, "n": 100, "correct": 60}
    of_a |= {"model_name": "m", "protocol": "log-likelihood", "shots": 5, "limited": None, "note": None}
    asked = {"baseline": "A", "margin": 0.01, "systems": {"A": of_a}, "rows": []}
    file = run / "results/sweeps/demo-sweep/comparison.json"
    change_json(file, lambda data: data.update(quality=asked))
    [accuracy] = [
        each for each in _read(record_comparison(file, run / "history")).measures if each.aspect == "score"
    ]
    assert (accuracy.name, accuracy.value, accuracy.low) == ("accuracy of A", 0.6, 0.5)


def test_a_quality_s_entry_has_the_accuracy_in_all_and_by_domain(run: Path) -> None:
    entry = _read(record_quality(run / "results/quality/mmlu/overall.json", run / "history"))
    assert entry.kind is HistoryKind.QUALITY
    assert _values(entry)["accuracy (made up)"] == 0.5
    assert set(_values(entry)) == {
        "accuracy (made up)",
        *(f"accuracy in {name} (made up)" for name in ("STEM", "Humanities", "Social Sciences", "Other")),
    }
    assert all(each.low is not None and each.aspect == "score" for each in entry.measures)
    assert entry.settings["quality.shots"] == "5"
    assert entry.settings["model.digest"] == "a" * 64


def test_accuracies_of_questions_asked_otherwise_are_figures_of_their_own(run: Path) -> None:
    overall = run / "results/quality/mmlu/overall.json"
    change_json(overall, lambda data: data.update(protocol="chat", shots=0, limited="10 of each subject"))
    names = _values(_read(record_quality(overall, run / "history")))
    asked = "(made up, chat, 0-shot, limited to 10 of each subject)"
    assert {f"accuracy {asked}", f"accuracy in STEM {asked}"} < set(names)


def test_an_accuracy_of_questions_asked_as_usual_is_called_so(run: Path) -> None:
    overall = run / "results/quality/mmlu/overall.json"
    change_json(overall, lambda data: data["source"].update(name="mmlu"))
    assert _values(_read(record_quality(overall, run / "history")))["accuracy"] == 0.5


def test_the_same_result_is_recorded_once_and_another_again(run: Path) -> None:
    verdict, history = run / "results" / "offline" / "verdict.json", run / "history"
    first = record_verdict(verdict, history)
    assert record_verdict(verdict, history) is None
    change_json(verdict, lambda data: data.update(rate=1.0))
    second = record_verdict(verdict, history)
    assert sorted(history.iterdir()) == sorted([first, second, history / LATEST])
    assert (history / LATEST).readlink().name == second.name


# A history is written by several commands at once, and on file systems of all kinds.


def _add(folder: Path, number: int) -> Path | None:
    return add_entry(folder, history_entry(number, speed(number)))


def test_commands_at_once_all_succeed(tmp_path: Path) -> None:
    with ThreadPoolExecutor(12) as pool:
        files = list(pool.map(lambda number: _add(tmp_path, number), range(12)))
    assert len({HistoryEntry.read(file).result_sha256 for file in files if file}) == 12
    assert newest_file(tmp_path) == max(file for file in files if file)
    assert len(list(tmp_path.iterdir())) == 13, "nothing but entries and the link stays"
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: _add(tmp_path, 3), range(4))) == [None] * 4


@pytest.fixture(params=["locks", "hard links", "symbolic links"])
def without(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(95, "Operation not supported")

    owner, name = {
        "locks": (entry_files.fcntl, "flock"),
        "hard links": (os, "link"),
        "symbolic links": (Path, "symlink_to"),
    }[request.param]
    monkeypatch.setattr(owner, name, refuse)
    return request.param


def test_a_poor_file_system_is_enough(without: str, tmp_path: Path) -> None:
    files = [_add(tmp_path, number) for number in range(3)]
    assert newest_file(tmp_path) == files[-1]
    assert (tmp_path / LATEST).is_symlink() == (without != "symbolic links")
    assert HistoryEntry.read(tmp_path / LATEST) == HistoryEntry.read(files[-1])
    assert len(list(tmp_path.iterdir())) == 4


def test_entries_of_one_millisecond_do_not_overwrite_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(entry_files.datetime):
        """A clock that stands still."""

        @classmethod
        def now(cls, _: object = None) -> Any:
            return history_entry(0).time

    monkeypatch.setattr(entry_files, "datetime", Stopped)
    files = [_add(tmp_path, number) for number in range(3)]
    assert [file.name[:19] for file in files if file] == [f"20261101T090000.00{n}" for n in range(3)]


def test_a_clock_that_has_gone_backwards_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    later = tmp_path / "29990101T000000.000Z-verdict-offline.json"
    first = _add(tmp_path, 1)
    assert first
    first.rename(later)
    assert not caplog.messages
    assert _add(tmp_path, 2)
    assert newest_file(tmp_path) == later
    [warning] = caplog.messages
    assert f"behind that of {later.name}" in warning


@pytest.mark.parametrize("trouble", ["no folder", "damaged run", "full"])
def test_a_history_that_cannot_be_written_is_one_warning(
    trouble: str, run: Path, caplog: pytest.LogCaptureFixture
) -> None:
    verdict, history = run / "results" / "offline" / "verdict.json", run / "history"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    if trouble == "no folder":
        history.write_text("")
    elif trouble == "damaged run":
        (verdict.parent / "performance" / "run.json").write_text("{")
    else:
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, limits[1]))
    try:
        with caplog.at_level(logging.WARNING):
            assert record_verdict(verdict, history) is None
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    [warning] = caplog.messages
    assert warning.startswith(f"{verdict} is not recorded in the history: ")
    assert warning.endswith(".")
    assert "\n" not in warning
    assert not history.is_dir() or not list(history.iterdir())


# Secrets, wherever somebody may have put them.

PLANTED = {
    "token": "hf_" + "aB3dE6gH9kLmNoPqRs",
    "argument": "argumentsecret1",
    "next word": "nextwordsecret2",
    "variable": "variablesecret3",
    "password": "passwordsecret4",
    "user": "usersecret5",
    "query": "querysecret6",
    "json": "jsonsecret7",
    "header": "headersecret8",
    "shell": "shellsecret9",
    "exported": "exportedsecret10",
    "second key": "secondkeysecret11",
    "basic": "basicsecret12",
    "signature": "signaturesecret13",
    "spaced": "spaced secret14",
    "listed": "listedsecret15",
    "key": "sk-" + "Zz9" * 8,
}


def _plant(server: dict[str, Any]) -> None:
    server["command"] += [
        f"--api-key={PLANTED['argument']}",
        "--hf-token",
        PLANTED["next word"],
        f"--override={{'token': '{PLANTED['json']}'}}",
        f"--header=X-Api-Key: {PLANTED['header']}",
        f"--note={PLANTED['exported']}",
        *("--api-key", "one", PLANTED["second key"]),
        *("--header", f"Authorization: Basic {PLANTED['basic']}"),
        f"--mirror=https://host/m?X-Amz-Signature={PLANTED['signature']}",
        f"sh -c 'HF_TOKEN=\"{PLANTED['spaced']}\" vllm --api-key=a,{PLANTED['listed']}'",
        f"--{PLANTED['key']}=1",
        f"bash -c 'vllm --api-key {PLANTED['shell']}'",
    ]
    server["environment"] |= {"DB_PASSWORD": PLANTED["variable"], "A": PLANTED["token"]}
    server["inherited"] = {"URL": f"https://me:{PLANTED['password']}@host/x", PLANTED["token"]: "x"}
    server["launcher"] = [f"HF_TOKEN={PLANTED['variable']}", "srun"]
    server["version"] = f"0.12 {PLANTED['token']}"
    server["model_name"] = f"m {PLANTED['key']}"


def _attach(server: dict[str, Any]) -> None:
    _plant(server)
    server["command"] = []
    server["endpoints"] = [f"https://{PLANTED['user']}@host/v1?api_key={PLANTED['query']}"]
    server["reported_arguments"] = {"api_key": PLANTED["argument"], "note": PLANTED["exported"]}


def test_no_byte_of_a_history_holds_a_secret(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_API_KEY", PLANTED["exported"])
    results, history = run / "results", run / "history"
    for scenario, plant in (("offline", _plant), ("server", _attach)):
        for mode in Mode:
            change_json(
                results / scenario / mode / "run.json", lambda record, plant=plant: plant(record["server"])
            )
        change_json(
            results / scenario / "verdict.json",
            lambda data: data.update(
                server_version=PLANTED["token"], not_submittable_because=PLANTED["key"], submittable=False
            ),
        )
        assert record_verdict(results / scenario / "verdict.json", history)
    quality = results / "quality" / "mmlu"
    change_json(quality / "measured.json", lambda data: _plant(data["server"]))
    change_json(quality / "overall.json", lambda data: data.update(note=f"Bearer {PLANTED['exported']}"))
    assert record_quality(quality / "overall.json", history)
    sweep = results / "sweeps" / "demo-sweep"

    def of_systems(data: dict[str, Any]) -> None:
        data["systems"]["A"] |= {
            "options": PLANTED["token"],
            "command": ["serve", "--api-key", PLANTED["argument"]],
            "reset_cmd": ["curl", f"https://me:{PLANTED['password']}@host?token={PLANTED['query']}"],
        }
        data["systems"]["A"]["server"]["env"] = {"API_KEY": PLANTED["variable"]}

    change_json(sweep / "settings.json", of_systems)
    change_json(sweep / "comparison.json", lambda data: data.update(warnings=[PLANTED["key"]]))
    assert record_comparison(sweep / "comparison.json", history)
    written = [path for path in history.iterdir() if path.name != LATEST]
    assert len(written) == 4
    for path in history.rglob("*"):
        found = [name for name, secret in PLANTED.items() if secret in path.name + path.read_text()]
        assert not found, path.name
    assert all("***" in path.read_text() for path in written)
    assert all(path.stat().st_mode & 0o077 == 0 for path in written), "as run.json, for its owner alone"
