"""What a user's or a result's file may not hold: each ends in one sentence, and none takes time or memory."""

import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import Field

from weighbridge.core.errors import InputError
from weighbridge.core.models import Model, check_data, read_data, read_json, read_yaml

_LAUGHS = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)
_MERGED_LAUGHS = "a0: &a0 {x: 1, y: 2}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{','.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 12)
)
BAD_JSON = {
    "nothing": "",
    "a double key": '{"a": 1, "a": 2}',
    "a double key inside": '{"b": [{"a": 1, "a": 1}]}',
    "no number": "[NaN]",
    "infinity": "[-Infinity]",
    "beyond a float": "[1e999]",
    "10^400": f"[{10**400}]",
    "more digits than Python reads": "9" * 5000,
    "open brackets": "[" * 10_000,
    "brackets": "[" * 10_000 + "]" * 10_000,
    "101 levels": "[" * 101 + "]" * 101,
    "400 MB of lists": f"[{'[],' * 5_000_000}0]",
    "half a character": r'"\ud800"',
    "half a character in a key": r'{"\ud800": 1}',
    "a NUL": r'"\u0000"',
    "a byte order mark": "\ufeff{}",
}
BAD_YAML = {
    "a double key": "a: 1\na: 2",
    "a double key inside": "b: [{a: 1, a: 1}]",
    "no number": "a: .nan",
    "infinity": "a: -.inf",
    "10^400": f"a: {10**400}",
    "hexadecimal": f"a: 0x{'f' * 1000}",
    "base 60": "a: 1:30",
    "endless base 60": "a: 1" + ":59" * 100_000,
    "open brackets": "[" * 10_000,
    "its own part": "a: &a [*a]",
    "a billion laughs": _LAUGHS,
    "a billion merged laughs": _MERGED_LAUGHS,
    "too large": "a: b\n" * 200_000,
    "a date": "a: 2026-01-01",
    "no date": "a: 2026-99-99",
    "bytes": "a: !!binary aGVsbG8=",
    "a set": "a: !!set {b}",
    "code": "!!python/object/apply:os.system [true]",
    "a tag that does not fit": "!!int x",
    "another": '!!int ""',
    "a third": "!!timestamp x",
    "a number for a key": "1: a",
    "two documents": "---\na\n---\nb",
    "a NUL": "a: \x00",
    "a quoted NUL": r'a: "\0"',
    "half a character": r'a: "\ud800"',
    "a tab": "\ta: b",
}


@contextmanager
def _little_memory(more_bytes: int) -> Iterator[None]:
    """Let this process take so much more address space and no more."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + more_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize("text", BAD_JSON.values(), ids=BAD_JSON)
def test_json_that_is_refused(text: str) -> None:
    with _little_memory(200 << 20), pytest.raises(InputError, match=r"^the file: cannot be used \(.*\)\.$"):
        read_json(text, "the file")


@pytest.mark.parametrize("text", BAD_YAML.values(), ids=BAD_YAML)
def test_yaml_that_is_refused(text: str) -> None:
    started = time.process_time()
    with _little_memory(200 << 20), pytest.raises(InputError, match=r"^the file: cannot be used \(.*\)\.$"):
        read_yaml(text, "the file")
    assert time.process_time() - started < 10


def test_anchors_and_merge_keys_mean_what_they_did() -> None:
    text = (
        "\ufeffa: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\nc: &c {<<: *a, z: 1}\nd: {<<: [*c, *a]}\ne: *a\nf: 1e-7"
    )
    a = {"x": 1, "y": 2}
    expected = {"a": a, "b": a | {"x": 3}, "c": a | {"z": 1}, "d": a | {"z": 1}, "e": a, "f": "1e-7"}
    assert read_yaml(text, "the file") == expected


def test_data_that_another_program_read_are_held_to_the_same() -> None:
    check_data({"a": [1, 2.5, "x", None, True]}, "configuration")
    for wrong in ({"a": float("nan")}, {1: "a"}, {"a": 10**400}, {"a": b"x"}):
        with pytest.raises(InputError, match=r"^configuration: cannot be used \("):
            check_data(wrong, "configuration")


@pytest.mark.parametrize("name", ["a.json", "a.yaml"])
@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "zeros", "binary", "huge", "NUL", "long"])
def test_a_file_that_is_none(tmp_path: Path, kind: str, name: str) -> None:
    path = tmp_path / name
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "zeros":
        path.symlink_to("/dev/zero")
    elif kind == "binary":
        path.write_bytes(b"\xff\xfe{}")
    elif kind == "huge":
        with path.open("wb") as stream:
            stream.truncate(10 << 30)
    elif kind == "NUL":
        path = tmp_path / f"a\0{name}"
    elif kind == "long":
        path = tmp_path / ("x" * 300 + name)
    with pytest.raises(InputError, match=r"cannot be read|not a text file"):
        read_data(path)


class Numbers(Model):
    """Each kind of number."""

    count: int = Field(default=1, gt=0)
    share: float | None = None
    switch: bool = False
    pairs: tuple[tuple[float, int], ...] = ()
    inner: dict[str, float | int | str | bool] = Field(default={})
    below: "Numbers | None" = None


@pytest.mark.parametrize(
    "wrong",
    [
        {"count": True},
        {"count": 2.0},
        {"count": "2.0"},
        {"count": "inf"},
        {"count": -1},
        {"share": True},
        {"share": "inf"},
        {"share": "nan"},
        {"share": float("inf")},
        {"switch": 1},
        {"switch": 0.0},
        {"pairs": [[True, 1]]},
        {"pairs": [[1, 1.0]]},
        {"below": {"below": {"count": 2.0}}},
    ],
    ids=str,
)
def test_numbers_are_strict(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError, match=r"^the file: '[\w.]+' is .*\.$"):
        Numbers.parse(wrong, "the file")


def test_numbers_that_are_right_stay_what_they_were() -> None:
    right = {"count": "7", "share": "1e-07", "switch": "true", "pairs": [[1, 2]]}
    found = Numbers.parse(right | {"inner": {"a": True, "b": 1, "c": 1.5, "d": "x"}}, "the file")
    assert (found.count, found.share, found.switch, found.pairs) == (7, 1e-07, True, ((1.0, 2),))
    assert [type(value) for value in found.inner.values()] == [bool, int, float, str]


def test_a_wrong_value_is_shown_shortened() -> None:
    with pytest.raises(InputError) as caught:
        Numbers.parse({"count": "x" * 10_000_000}, "the file")
    assert len(str(caught.value)) < 400
