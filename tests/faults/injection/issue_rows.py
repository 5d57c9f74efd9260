"""Faults that were found by hand once, each made again by the mechanism that fits, or named with its test."""

import errno
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from injection.actions import Action, Answer, End, Fate, act, http
from injection.bench import Bench
from injection.commands import Ended
from injection.history import complaints_of_history
from injection.matrix import Row
from injection.oracle import complaints_of_ended, complaints_of_run, outcome
from injection.scripted import Decide
from injection.shim import CallFault, Kind, Role
from injection.shown_elsewhere import GROUP, NAMED
from injection.world import SAMPLES, well
from weighbridge.benchmarks.rounds import load_round
from weighbridge.records.run_record import ERRORS_FILE, RUN_RECORD, RunRecord

_NOT_VALID = "not VALID, or refused in one sentence"
_REFUSED = "exit 2 or 3 after one sentence"


@dataclass(frozen=True)
class Issue:
    """One of them; `number` is that of its row in the list in which they were collected."""

    number: int
    name: str
    attempt: Callable[[Bench], Row]


def _row(number: int, name: str, expected: str, ended: Ended, found: list[str], more: str = "") -> Row:
    seen = f"{ended.exit}{more}: {ended.last_line}"
    return Row(GROUP, f"{number}: {name}", expected, seen, tuple(dict.fromkeys(found)))


def _full_disk(bench: Bench) -> Row:
    bench.world.server.begin(well)
    out = bench.fresh()
    # The log of requests gets its first block, and then nothing more fits, in any process.
    fault = CallFault(Role.ANY, Kind.WRITE, 5, errno.ENOSPC, lasting=True, under=str(out))
    ended = bench.zygote.run(bench.world.run(out), fault)
    found = complaints_of_run(bench.world, ended, out, "performance")
    if ended.code != 3:
        found.append(f"exit {ended.code} after {ended.took_s:.1f} s")
    return _row(1, "disk full during a run", "exit 3 before the run is over", ended, found)


def _lost_records(bench: Bench) -> Row:
    def decide(sample: int, answer: Answer) -> Action:
        return act("status 429" if sample % 10 == 3 else "plain", answer, bench.draw)

    out = bench.fresh()
    bench.world.server.begin(decide)
    ended = bench.zygote.run(
        bench.world.run(out),
        meanwhile=lambda _main: bench.when(
            lambda: (out / "requests.bin").exists(), lambda: (out / "requests.bin").unlink()
        ),
    )
    found = complaints_of_run(bench.world, ended, out, "performance")
    return _row(2, "HTTP 429 to a tenth, and requests.bin removed", _NOT_VALID, ended, found)


def _second_run(bench: Bench) -> Row:
    out = bench.fresh()
    bench.world.server.begin(lambda _s, answer: Action("slow", Fate.OK, (0.2, http(answer.body()))))
    command = bench.world.run(out)
    first = subprocess.Popen(
        [sys.executable, "-m", "weighbridge", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        bench.when(lambda: len(bench.world.server.log) >= 4, lambda: None)
        ended = bench.zygote.run(command)
        code = first.wait(20)
    finally:
        first.kill()
        first.wait()
    found = complaints_of_ended(ended)
    if ended.code == 0 and len(bench.world.server.log) != 2 * SAMPLES:
        found.append("both ran into one folder at once")
    if ended.code != 0 and str(first.pid) not in ended.text:
        found.append("the refusal does not name the first run")
    if code != 0:
        found.append(f"the first run ended with exit {code}")
    return _row(4, "the same run again while it runs", "the second waits, or names the first", ended, found)


def _answers(name: str, decide: Decide) -> Callable[[Bench], Row]:
    def attempt(bench: Bench) -> Row:
        out = bench.fresh()
        bench.world.server.begin(decide)
        ended = bench.zygote.run(bench.world.run(out))
        found = complaints_of_ended(ended)
        seen = outcome(bench.world, out, "performance") if (out / RUN_RECORD).is_file() else "no run.json"
        if seen == "VALID":
            found.append("VALID")
        return _row(5, name, _NOT_VALID, ended, found, f", {seen}")

    return attempt


def _each(**changes: object) -> Decide:
    return lambda _sample, answer: Action("changed", Fate.EITHER, (http(answer.body(**changes)),))


def _flipped(name: str) -> Callable[[Bench], Row]:
    def attempt(bench: Bench) -> Row:
        out = bench.fresh()
        store = out.with_name("store")
        shutil.rmtree(store, ignore_errors=True)
        shutil.copytree(bench.world.folder / "requests", store)
        data = bytearray((store / name).read_bytes())
        data[len(data) // 2] ^= 1
        (store / name).write_bytes(data)
        bench.world.server.begin(well, 100)
        ended = bench.zygote.run(bench.world.run(out, store=store))
        found = complaints_of_ended(ended, (2, 3))
        if bench.world.server.log:
            found.append("the clock had started")
        return _row(7, f"one bit of {name} flipped", _REFUSED, ended, found)

    return attempt


def _silent(bench: Bench) -> Row:
    out = bench.fresh()
    bench.world.server.begin(
        lambda sample, answer: act("hang" if sample % 2 else "plain", answer, bench.draw)
    )
    client = {"request_timeout_s": 100, "stall_limit_s": 3}
    ended = bench.zygote.run(bench.world.run(out, client=client))
    found = complaints_of_run(bench.world, ended, out, "performance")
    if ended.code != 4:
        found.append(f"exit {ended.code}")
    return _row(8, "the server answers no more", "exit 4 after the stall limit", ended, found)


def _score(name: str, change: Callable[[Path], None]) -> Callable[[Bench], Row]:
    def attempt(bench: Bench) -> Row:
        out = bench.fresh()
        shutil.copytree(bench.world.folder / "good" / "server", out)
        (out / "verdict.json").unlink()
        change(out / "accuracy.json")
        ended = bench.zygote.run(bench.world.gate(out))
        found = complaints_of_ended(ended)
        path = out / "verdict.json"
        seen = json.loads(path.read_text())["outcome"] if path.is_file() else "no verdict"
        if seen == "VALID":
            found.append("VALID")
        return _row(9, f"accuracy.json: {name}", _NOT_VALID, ended, found, f", {seen}")

    return attempt


def _edit(value: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        content = json.loads(path.read_text())
        content["score"]["metrics"] = {"f1": 0.123}
        path.write_text(json.dumps(content).replace("0.123", value))

    return change


def _edited_round(bench: Bench) -> Row:
    path = bench.fresh().with_suffix(".yaml")
    path.write_text("extends: v6.0\nname: v6.0\nsubmittable: true\nmetrics: {f1: {floor: 0.001}}\n")
    try:
        round_ = load_round(str(path))
        found = ["submittable"] if round_.submittable else []
        seen = f"submittable {round_.submittable}: {round_.not_submittable_because}"
    except Exception as error:
        found, seen = [], str(error)
    return Row(GROUP, "10: a round with another floor", "never submittable", seen, tuple(found))


def _proxy(**variables: str) -> Callable[[Bench], Row]:
    def attempt(bench: Bench) -> Row:
        out = bench.fresh()
        bench.world.server.begin(well)
        ended = bench.zygote.run(bench.world.run(out), environment=variables)
        found = complaints_of_run(bench.world, ended, out, "performance")
        if ended.code != 0:
            found.append(f"exit {ended.code}")
        words = " ".join(f"{name}={value}" for name, value in variables.items())
        return _row(13, words, "local servers are asked directly", ended, found)

    return attempt


def _run_with(number: int, name: str, decide: Decide, *, mode: str = "accuracy") -> Callable[[Bench], Row]:
    def attempt(bench: Bench) -> Row:
        out = bench.fresh()
        bench.world.server.begin(decide)
        ended = bench.zygote.run(bench.world.run(out, mode))
        log = list(bench.world.server.log)
        bench.world.server.hang_up()
        found = complaints_of_run(bench.world, ended, out, mode)
        if ended.code != 0:
            found.append(f"exit {ended.code}")
        else:
            found += complaints_of_history(out, log, bench.world.truth, mode == "accuracy")
        failed = RunRecord.read(out / RUN_RECORD).load.failed if (out / RUN_RECORD).is_file() else {}
        expected = "each answer is its request's; what is not fails; nothing is sent twice"
        return _row(number, name, expected, ended, found, f", failed {failed}")

    return attempt


def _edited_consistently(bench: Bench) -> Row:
    out = bench.fresh()
    bench.world.server.begin(
        lambda sample, answer: act("status 500" if sample < 9 else "plain", answer, bench.draw)
    )
    ended = bench.zygote.run(bench.world.run(out))
    record = json.loads((out / RUN_RECORD).read_text())
    lines = len((out / ERRORS_FILE).read_text().splitlines())
    record["load"] |= {"failed": {}, "completed": record["load"]["issued"]}
    (out / RUN_RECORD).write_text(json.dumps(record))
    seen = outcome(bench.world, out, "performance")
    found = complaints_of_ended(ended) + (["VALID"] if seen == "VALID" else [])
    return _row(
        17, f"run.json says failed {{}} with {lines} lines of errors", _NOT_VALID, ended, found, f", {seen}"
    )


def _twice(_sample: int, answer: Answer) -> Action:
    whole = http(answer.body())
    return Action("twice", Fate.EITHER, (whole, whole), stale=True)


def _closing(sample: int, answer: Answer) -> Action:
    whole = http(answer.body())
    wait_s = 0.001 * (sample % 4)
    return Action("late close", Fate.OK, (whole, wait_s, End.CLOSE), stale=True)


ISSUES: tuple[Issue, ...] = (
    Issue(1, "full disk", _full_disk),
    Issue(2, "lost records", _lost_records),
    Issue(4, "second run", _second_run),
    *(
        Issue(5, name, _answers(name, decide))
        for name, decide in (
            ("every answer is x", _each(text="x")),
            ("every answer is cut (finish_reason length)", _each(finish="length")),
            ("another model answers", _each(model="another")),
            ("every answer is blank", _each(text="  \n")),
            ("0 tokens", _each(usage={"completion_tokens": 0})),
            ("-5 tokens", _each(usage={"completion_tokens": -5})),
        )
    ),
    *(Issue(7, name, _flipped(name)) for name in ("bodies.bin", "index.bin")),
    Issue(8, "silent server", _silent),
    *(
        Issue(9, name, _score(name, change))
        for name, change in (
            ("the value edited", _edit("0.95")),
            ("2.0", _edit("2.0")),
            ("Infinity", _edit("Infinity")),
            ("NaN", _edit("NaN")),
            ("emptied", lambda path: path.write_text("")),
        )
    ),
    Issue(10, "edited round", _edited_round),
    Issue(13, "http_proxy", _proxy(http_proxy="http://127.0.0.1:9", HTTP_PROXY="http://127.0.0.1:9")),
    Issue(13, "ALL_PROXY", _proxy(ALL_PROXY="socks5://127.0.0.1:9", all_proxy="socks5://127.0.0.1:9")),
    Issue(
        14,
        "tokens over 32 bits",
        _run_with(
            14,
            "tokens over 32 bits",
            lambda s, a: act(f"tokens {1 << 40}" if s == 5 else "plain", a, random.Random(1)),
        ),
    ),
    *(Issue(named.number, named.fault, named.attempt) for named in NAMED),
    Issue(17, "edited consistently", _edited_consistently),
    Issue(19, "answers twice", _run_with(19, "every answer is sent twice", _twice)),
    Issue(20, "unannounced closes", _run_with(20, "connections closed unannounced", _closing)),
)
