"""Defects of the system description, the measurements, accuracy.txt and the truncated accuracy log."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from mutations.base import SCENARIOS
from mutations.edits import (
    ANSWERS,
    SYSTEM,
    Mutation,
    changed,
    copy,
    json_values,
    remove,
    replaced,
    scenario_file,
    write,
)
from weighbridge.benchmarks.registry import load_benchmark
from weighbridge.submission.measurements import examples_of
from weighbridge.submission.system_description import required_fields

_FIELD_VALUES: tuple[tuple[str, Any], ...] = (
    ("empty", ""),
    ("blank", " "),
    ("0", 0),
    ("a number", 7),
    ("null", None),
    ("false", False),
    ("an object", {"x": 1}),
)
_WORDS = {
    "division": ("Closed", "CLOSED", "open", "network", "closed "),
    "submitter": ("me", "ME", "You", "Me "),
    "status": ("AVAILABLE", "Preview", "rdi", "research", "available "),
    "system_type": (
        "edge",
        "datacenter,edge",
        "edge,datacenter",
        "Datacenter",
        "datacenter, edge",
        "network",
    ),
    "is_network": ("true", "True", "False", "FALSE", "no", "yes"),
    "number_of_nodes": ("two", "-1", "1.5", "1e3", "\u0661", "1,000", "0x1", " 1 ", "1_000", "+1"),
    "accelerators_per_node": ("eight", "-1", "0", "0.5", "²", "N/A"),
    "host_processors_per_node": ("two", "0", "0.5"),
    "host_processor_core_count": ("many", "0", "0.5"),
    "system_name": ("Me,You", 'a "name"', "x" * 5000, "a\nb"),
}


def statement_mutations() -> Iterator[Mutation]:
    """Return the defects of all JSON statements."""
    known = required_fields()
    for name in dict.fromkeys([*known, "hw_notes", "sw_notes", "system_power_capacity"]):
        if name in known:
            yield Mutation(f"system: {name} removed", json_values(SYSTEM, _removing(name)))
        for what, value in _FIELD_VALUES:
            yield Mutation(f"system: {name} {what}", json_values(SYSTEM, _setting(name, value)))
        for word in _WORDS.get(name, ()):
            yield Mutation(
                f"system: {name} is {json.dumps(word[:20])}", json_values(SYSTEM, _setting(name, word))
            )
    yield from _whole_files("system", SYSTEM)
    for scenario in SCENARIOS:
        path = scenario_file(scenario, "measurements.json")
        for name in examples_of(load_benchmark("qwen3-vl-235b-a22b")):
            yield Mutation(f"{scenario} measurements: {name} removed", json_values(path, _removing(name)))
            for what, value in _FIELD_VALUES:
                yield Mutation(
                    f"{scenario} measurements: {name} {what}", json_values(path, _setting(name, value))
                )
        yield from _whole_files(f"{scenario} measurements", path)


def _setting(name: str, value: Any) -> Callable[[dict[str, Any]], object]:
    return lambda values: values.update({name: value})


def _removing(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda values: values.pop(name)


def _whole_files(kind: str, path: str) -> Iterator[Mutation]:
    yield Mutation(f"{kind}: file removed", remove(path))
    yield Mutation(f"{kind}: file empty", write(path, ""))
    yield Mutation(f"{kind}: file blank", write(path, "\n"))
    yield Mutation(f"{kind}: no JSON", write(path, "{"))
    yield Mutation(f"{kind}: a list", write(path, "[]"))
    yield Mutation(f"{kind}: a text", write(path, '"x"'))
    yield Mutation(f"{kind}: null", write(path, "null"))
    yield Mutation(f"{kind}: an empty object", write(path, "{}"))
    yield Mutation(f"{kind}: byte-order mark", changed(path, lambda content: b"\xef\xbb\xbf" + content))
    yield Mutation(f"{kind}: UTF-16", changed(path, lambda content: content.decode().encode("utf-16")))
    yield Mutation(f"{kind}: Latin-1", changed(path, lambda content: content[:-2] + b',"x": "\xe9"}'))
    yield Mutation(f"{kind}: NUL at its end", changed(path, lambda content: content + b"\0"))
    yield Mutation(f"{kind}: text after the object", changed(path, lambda content: content + b"x"))
    yield Mutation(f"{kind}: trailing comma", changed(path, lambda content: content.rstrip()[:-1] + b",}"))
    yield Mutation(f"{kind}: a comment", changed(path, lambda content: b"// x\n" + content))
    yield Mutation(
        f"{kind}: a key twice",
        changed(path, lambda content: content.rstrip()[:-1] + b',"status":"","retraining":""}'),
    )
    yield Mutation(f"{kind}: an unknown key", json_values(path, _setting("x", "y")))
    yield Mutation(f"{kind}: NaN", json_values(path, _setting("x", float("nan"))))
    yield Mutation(f"{kind}: CRLF", changed(path, lambda content: content.replace(b"\n", b"\r\n")))
    yield Mutation(f"{kind}: nested too deep", write(path, "[" * 100_000))
    yield Mutation(f"{kind}: a number of many digits", write(path, '{"x": ' + "9" * 5000 + "}"))
    yield Mutation(f"{kind}: a lone surrogate", json_values(path, _setting("framework", "\ud800")))


_HASH = "a" * 64
_TEXTS = {
    "empty": "",
    "blank": "\n",
    "score alone": '{"f1": 0.79}\n',
    "hash alone": f"hash={_HASH}\n",
    "hash before the score": f'hash={_HASH}\n{{"f1": 0.79}}\n',
    "no newline at the end": f'{{"f1": 0.79}}\nhash={_HASH}',
    "hash on the line of the score": f'{{"f1": 0.79}} hash={_HASH}\n',
    "hash in capitals": f'{{"f1": 0.79}}\nHASH={_HASH}\n',
    "hash with a colon": f'{{"f1": 0.79}}\nhash: {_HASH}\n',
    "hash after a space": f'{{"f1": 0.79}}\n hash={_HASH}\n',
    "space after the hash": f'{{"f1": 0.79}}\nhash={_HASH} \n',
    "spaces around the equal sign": f'{{"f1": 0.79}}\nhash = {_HASH}\n',
    "carriage return after the hash": f'{{"f1": 0.79}}\nhash={_HASH}\r\n',
    "old Mac line ends": f'{{"f1": 0.79}}\rhash={_HASH}\r',
    "form feed as a line end": f'{{"f1": 0.79}}\fhash={_HASH}\n',
    "line separator as a line end": f'{{"f1": 0.79}}\u2028hash={_HASH}\n',
    "hash empty": '{"f1": 0.79}\nhash=\n',
    "hash with a dash": '{"f1": 0.79}\nhash=ab-cd\n',
    "hash of one letter": '{"f1": 0.79}\nhash=a\n',
    "two hashes": f'{{"f1": 0.79}}\nhash={_HASH}\nhash={"b" * 64}\n',
    "the same hash twice": f'{{"f1": 0.79}}\nhash={_HASH}\nhash={_HASH}\n',
    "score below": f'{{"f1": 0.78}}\nhash={_HASH}\n',
    "score just below": f'{{"f1": 0.782396}}\nhash={_HASH}\n',
    "score at the checker's bound": f'{{"f1": 0.782397}}\nhash={_HASH}\n',
    "score between the readings": f'{{"f1": 0.7823985}}\nhash={_HASH}\n',
    "score at the strictest bound": f'{{"f1": 0.782400663}}\nhash={_HASH}\n',
    "score 1": f'{{"f1": 1}}\nhash={_HASH}\n',
    "score 0": f'{{"f1": 0}}\nhash={_HASH}\n',
    "score above 1": f'{{"f1": 1.01}}\nhash={_HASH}\n',
    "score in per cent": f'{{"f1": 79.0}}\nhash={_HASH}\n',
    "score negative": f'{{"f1": -0.79}}\nhash={_HASH}\n',
    "score with a plus": f'{{"f1": +0.79}}\nhash={_HASH}\n',
    "score with an exponent": f'{{"f1": 7.9e-01}}\nhash={_HASH}\n',
    "score with a decimal comma": f'{{"f1": 0,79}}\nhash={_HASH}\n',
    "score without the leading zero": f'{{"f1": .79}}\nhash={_HASH}\n',
    "score without digits after the point": f'{{"f1": 1.}}\nhash={_HASH}\n',
    "score with two points": f'{{"f1": 0.7.9}}\nhash={_HASH}\n',
    "score a point alone": f'{{"f1": .}}\nhash={_HASH}\n',
    "score NaN": f'{{"f1": NaN}}\nhash={_HASH}\n',
    "score infinite": f'{{"f1": Infinity}}\nhash={_HASH}\n',
    "score null": f'{{"f1": null}}\nhash={_HASH}\n',
    "score a text": f'{{"f1": "0.79"}}\nhash={_HASH}\n',
    "score in Arabic digits": f'{{"f1": \u0660.\u0667\u0669}}\nhash={_HASH}\n',
    "score in single quotes": f"{{'f1': 0.79}}\nhash={_HASH}\n",
    "score in capitals": f'{{"F1": 0.79}}\nhash={_HASH}\n',
    "score without braces": f'"f1": 0.79\nhash={_HASH}\n',
    "score without the closing brace": f'{{"f1": 0.79\nhash={_HASH}\n',
    "score after a space": f' {{"f1": 0.79}}\nhash={_HASH}\n',
    "score after text": f'Results {{"f1": 0.79}}\nhash={_HASH}\n',
    "score over two lines": f'{{"f1":\n0.79}}\nhash={_HASH}\n',
    "score without a space": f'{{"f1":0.79}}\nhash={_HASH}\n',
    "score with a space before the colon": f'{{"f1" : 0.79}}\nhash={_HASH}\n',
    "score with a space before the brace": f'{{"f1": 0.79 }}\nhash={_HASH}\n',
    "score among others": f'{{"samples": 48289, "f1": 0.79, "other": 1}}\nhash={_HASH}\n',
    "another metric": f'{{"accuracy": 0.79}}\nhash={_HASH}\n',
    "two scores, the first low": f'{{"f1": 0.7}}\n{{"f1": 0.79}}\nhash={_HASH}\n',
    "two scores, the last low": f'{{"f1": 0.79}}\n{{"f1": 0.7}}\nhash={_HASH}\n',
    "low score after the hash": f'{{"f1": 0.79}}\nhash={_HASH}\n{{"f1": 0.7}}\n',
    "two scores on a line, the first low": f'{{"f1": 0.7, "f1": 0.79}}\nhash={_HASH}\n',
    "two scores on a line, the last low": f'{{"f1": 0.79, "f1": 0.7}}\nhash={_HASH}\n',
}


def score_mutations() -> Iterator[Mutation]:
    """Return the defects of accuracy.txt and of the truncated accuracy log."""
    for scenario in SCENARIOS:
        path = scenario_file(scenario, "accuracy/accuracy.txt")
        for what, text in _TEXTS.items():
            yield Mutation(f"{scenario} accuracy.txt: {what}", write(path, text))
    path = scenario_file("Server", "accuracy/accuracy.txt")
    yield Mutation("Server accuracy.txt: removed", remove(path))
    yield Mutation("Server accuracy.txt: byte-order mark", changed(path, lambda text: b"\xef\xbb\xbf" + text))
    yield Mutation("Server accuracy.txt: UTF-16", changed(path, lambda text: text.decode().encode("utf-16")))
    yield Mutation(
        "Server accuracy.txt: a byte that is no UTF-8", changed(path, lambda text: b"\xff\n" + text)
    )
    yield Mutation("Server accuracy.txt: NUL before the score", replaced(path, '{"f1"', '\0{"f1"'))
    yield Mutation(
        "Server accuracy.txt: very long line", changed(path, lambda text: b"x" * 100_000 + b"\n" + text)
    )
    log = scenario_file("Server", f"accuracy/{ANSWERS}")
    yield Mutation("Server accuracy log: removed", remove(log))
    yield Mutation("Server accuracy log: empty", write(log, ""))
    yield Mutation("Server accuracy log: an empty list", write(log, "[\n]\n"))
    for size in (1, 4096, 8199, 10_239, 10_240, 10_241, 100_000):
        yield Mutation(f"Server accuracy log: {size} bytes", write(log, b"x" * size))
    yield Mutation(
        "Server accuracy log: that of Offline", copy(scenario_file("Offline", f"accuracy/{ANSWERS}"), log)
    )
    yield Mutation("Server accuracy log: its last byte missing", changed(log, lambda text: text[:-1]))
    yield Mutation("Server accuracy log: not truncated", changed(log, lambda text: text * 2))
