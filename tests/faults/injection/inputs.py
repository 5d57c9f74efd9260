"""Inputs that no command may take: each is refused in one sentence with exit 2 or 3."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from injection.bench import Bench
from injection.matrix import Row
from injection.oracle import complaints_of_ended, complaints_of_files
from injection.world import build_command, well

GROUP = "bad inputs"
_EXPECTED = "exit 2 or 3 after one sentence"
_HUGE = 400_000


@dataclass(frozen=True)
class BadInput:
    """A command line, made with a bench and a folder."""

    name: str
    command: Callable[[Bench, Path], list[str]]


def _changed(option: str, value: str) -> Callable[[Bench, Path], list[str]]:
    """Return a run's command line with one option's value replaced."""

    def command(bench: Bench, out: Path) -> list[str]:
        words = bench.world.run(out)
        words[words.index(f"--{option}") + 1] = value
        return words

    return command


def _file(option: str, content: bytes) -> Callable[[Bench, Path], list[str]]:
    """Return a run's command line that reads a file with this content."""

    def command(bench: Bench, out: Path) -> list[str]:
        path = out.with_name("input.yaml" if option == "round" else "input.json")
        path.write_bytes(content)
        return _changed(option, str(path))(bench, out)

    return command


def _round(text: str) -> BadInput:
    return BadInput(
        f"round: {' '.join(text.split())[:70]}", _file("round", f"extends: demo\n{text}".encode())
    )


def _endpoint(url: str) -> BadInput:
    server = json.dumps({"model_name": "tiny", "endpoints": [url]})
    return BadInput(f"endpoint {url}", _changed("server", server))


def _client(text: str) -> BadInput:
    return BadInput(f"client {text[:70]}", _changed("client", text))


def _out_is_a_file(bench: Bench, out: Path) -> list[str]:
    out.write_text("x")
    return bench.world.run(out)


def _out_below_a_file(bench: Bench, out: Path) -> list[str]:
    out.write_text("x")
    return bench.world.run(out / "run")


def _damaged(how: str) -> Callable[[Bench, Path], list[str]]:
    """Return a command that builds requests from a dataset damaged after its proof."""

    def command(bench: Bench, out: Path) -> list[str]:
        folder = out.with_name("damaged")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(bench.world.folder / "dataset-synthetic", folder / "dataset")
        shutil.copy(bench.world.folder / "round.yaml", folder)
        proof = json.loads((bench.world.folder / "dataset.json").read_text())
        (folder / "dataset.json").write_text(json.dumps(proof | {"folder": str(folder / "dataset")}))
        victim = next((folder / "dataset").rglob("*.parquet"))
        data = victim.read_bytes()
        middle = len(data) // 2
        victim.write_bytes(
            {
                "cut": data[:middle],
                "empty": b"",
                "head": b"XXXX" + data[4:],
                "middle": data[: middle - 32] + bytes(64) + data[middle + 32 :],
                "footer": data[:-40] + bytes(32) + data[-8:],
            }[how]
        )
        return build_command(folder, out)

    return command


_NUMBERS = ("inf", "NaN", "-1", "true", "1e400", "10" * 200, "null", "[]", "{}")
BAD_INPUTS: tuple[BadInput, ...] = (
    *(_round(f"samples: {value}") for value in (".inf", ".nan", "-1", "0", "2.5", "true", "1" * 400, "[]")),
    *(
        _round(f"scenarios: {{server: {{min_duration_s: {value}}}}}")
        for value in (".inf", ".nan", "-1", "true")
    ),
    _round("samples: 32\nsamples: 64"),
    _round("name: ../../etc"),
    _round("splits: [../../etc/passwd]"),
    _round("splits: &a [*a]"),
    _round("x: " + "[" * 3000 + "]" * 3000),
    _round(
        "a: &a [1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c]"
    ),
    _round("metrics: {f1: {floor: .nan}}"),
    _round("metrics: {f1: {floor: -.inf}}"),
    BadInput("round: not UTF-8", _file("round", b"extends: demo\nname: \xff\xfe")),
    BadInput("round: a null byte", _file("round", b"extends: demo\nname: a\0b")),
    BadInput("round: a folder", lambda bench, out: _changed("round", str(bench.folder))(bench, out)),
    BadInput("round: extends itself", _file("round", b"extends: input.yaml\nname: x")),
    BadInput("round: empty", _file("round", b"")),
    *(
        _endpoint(url)
        for url in (
            "h:abc",
            "http://[::1",
            "http://127.0.0.1:99999",
            "ftp://h",
            "http://",
            "http://h:0x50",
            "",
        )
    ),
    *(_client(f'{{"workers": {value}}}') for value in _NUMBERS),
    *(
        _client(f'{{"request_timeout_s": {value}}}')
        for value in ("Infinity", "NaN", "-1", "true", "1e400", '"x"')
    ),
    _client('{"workers": 1, "workers": 2}'),
    _client('{"wrokers": 1}'),
    _client("[" * 100_000),
    _client('{"workers": ' + "1" * _HUGE + "}"),
    _client("{"),
    _client('{"api_key_env": "NOT SET"}'),
    *(
        BadInput(f"target rate {value}", _changed("target-qps", value))
        for value in ("inf", "nan", "-1", "0", "1e400")
    ),
    BadInput("scenario ../..", _changed("scenario", "../..")),
    BadInput("out is a file", _out_is_a_file),
    BadInput("out is below a file", _out_below_a_file),
    BadInput("out has a null device's name", lambda b, _: b.world.run(Path("/dev/null/run"))),
    BadInput("out has a name too long", lambda b, out: b.world.run(out / ("x" * 300))),
    BadInput("no store", _changed("store", "/nonexistent")),
    BadInput("no model", _changed("model", "/nonexistent.json")),
    BadInput("model: not JSON", _file("model", b"{")),
    BadInput("model: a list", _file("model", b"[]")),
    BadInput("model: nested", _file("model", b"[" * 100_000)),
    BadInput("model: duplicate keys", _file("model", b'{"kind": "model", "kind": "model"}')),
    *(
        BadInput(f"a Parquet file of the dataset: {how}", _damaged(how))
        for how in ("cut", "empty", "head", "middle", "footer")
    ),
)


def try_input(bench: Bench, bad: BadInput) -> Row:
    """Give a bad input to its command."""
    out = bench.fresh()
    out.unlink(missing_ok=True)
    bench.world.server.begin(well)
    ended = bench.zygote.run(bad.command(bench, out))
    found = complaints_of_ended(ended, (2, 3)) + complaints_of_files(out)
    if bench.world.server.log:
        found.append("a run was started")
    if out.is_file():
        out.unlink()
    return Row(GROUP, bad.name, _EXPECTED, ended.seen, tuple(found))
