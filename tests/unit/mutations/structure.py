"""Defects of a tree's structure: files and folders missing, empty, renamed, moved, added or linked."""

import os
from collections.abc import Iterator
from pathlib import Path

from mutations.base import SCENARIOS
from mutations.edits import (
    ANSWERS,
    DETAIL,
    PREFIX,
    RESULTS,
    SUBMITTER,
    SUMMARY,
    SYSTEM,
    Edit,
    Mutation,
    both,
    changed,
    copy,
    folder,
    json_values,
    link,
    log_entries,
    move,
    remove,
    replaced,
    scenario_file,
    write,
)

_SERVER = f"{RESULTS}/Server"
_BOX = f"{SUBMITTER}/results/box"
_RUN = f"{_SERVER}/performance/run_1"
_LOG = f"{_RUN}/{DETAIL}"
_ACCURACY_LOG = f"{_SERVER}/accuracy/{DETAIL}"
_LIMIT_BYTES = 50 * 2**20
_SCENARIO_FILES = (
    "user.conf",
    "README.md",
    "measurements.json",
    f"performance/run_1/{DETAIL}",
    f"performance/run_1/{SUMMARY}",
    f"accuracy/{DETAIL}",
    f"accuracy/{SUMMARY}",
    f"accuracy/{ANSWERS}",
    "accuracy/accuracy.txt",
)
_CRLF = (b"\n", b"\r\n")


def structure_mutations() -> Iterator[Mutation]:
    """Return all defects of the structure."""
    for scenario in SCENARIOS:
        for inner in _SCENARIO_FILES:
            path = scenario_file(scenario, inner)
            name = f"structure: {scenario}/{inner}"
            yield Mutation(f"{name} missing", remove(path))
            yield Mutation(f"{name} empty", write(path, ""))
            if scenario == "Offline":
                continue
            yield Mutation(f"{name} blank", write(path, " \n"))
            yield Mutation(f"{name} not UTF-8", changed(path, lambda text: b"\xff\xfe" + text))
            yield Mutation(
                f"{name} with a byte-order mark", changed(path, lambda text: b"\xef\xbb\xbf" + text)
            )
            yield Mutation(f"{name} with CRLF", changed(path, lambda text: text.replace(*_CRLF) + b"\r\n"))
            yield Mutation(f"{name} a folder", both(remove(path), folder(path)))
            yield Mutation(f"{name} a folder with a file", both(remove(path), write(f"{path}/x", "x")))
            yield Mutation(f"{name} a broken link", both(remove(path), link(path, "absent")))
            yield Mutation(f"{name} a link to itself", both(remove(path), link(path, Path(path).name)))
            yield Mutation(
                f"{name} a link to a copy", both(move(path, f"{path}.x"), link(path, f"{Path(path).name}.x"))
            )
            yield Mutation(
                f"{name} in capitals", move(path, str(Path(path).with_name(Path(path).name.swapcase())))
            )
            yield Mutation(f"{name} with .bak", move(path, f"{path}.bak"))
    for name, edit in _NAMED.items():
        yield Mutation(f"structure: {name}", edit)
    for where, path in _PLACES.items():
        yield from _extras(where, path)
    for name, edit in _LOG_DEFECTS.items():
        for where, path in (("performance", _LOG), ("accuracy", _ACCURACY_LOG)):
            yield Mutation(f"structure: Server {where} detail {name}", edit(path))


def _extras(where: str, path: str) -> Iterator[Mutation]:
    """Return what may lie in a folder and should not."""
    prefix = f"{path}/" if path else ""
    yield Mutation(f"structure: a text file in {where}", write(f"{prefix}notes.txt", "x"))
    yield Mutation(f"structure: a Markdown file in {where}", write(f"{prefix}NOTES.md", "x"))
    yield Mutation(f"structure: a dot file in {where}", write(f"{prefix}.hidden", "x"))
    yield Mutation(f"structure: a file with a space in {where}", write(f"{prefix}two words", "x"))
    yield Mutation(f"structure: a file with a newline in {where}", write(f"{prefix}two\nlines", "x"))
    yield Mutation(f"structure: an empty folder in {where}", folder(f"{prefix}extra"))
    yield Mutation(f"structure: a folder with a file in {where}", write(f"{prefix}extra/x", "x"))
    yield Mutation(f"structure: __pycache__ in {where}", write(f"{prefix}__pycache__/x.pyc", "x"))
    yield Mutation(f"structure: a broken link in {where}", link(f"{prefix}link", "absent"))
    yield Mutation(f"structure: a file above 50 MB in {where}", _large(f"{prefix}large", _LIMIT_BYTES + 1))
    if where not in _MOST:
        return
    yield Mutation(f"structure: a JSON file in {where}", write(f"{prefix}other.json", "{}"))
    yield Mutation(f"structure: a PDF file in {where}", write(f"{prefix}x.pdf", "x"))
    yield Mutation(f"structure: an empty file in {where}", write(f"{prefix}nothing", ""))
    yield Mutation(f"structure: .gitkeep in {where}", write(f"{prefix}.gitkeep", ""))
    yield Mutation(f"structure: .DS_Store in {where}", write(f"{prefix}.DS_Store", "x"))
    yield Mutation(f"structure: a file with a tab in {where}", write(f"{prefix}two\ttabs", "x"))
    yield Mutation(f"structure: a file with a quote in {where}", write(f"{prefix}it's", "x"))
    yield Mutation(f"structure: a file with a backslash in {where}", write(f"{prefix}a\\b", "x"))
    yield Mutation(f"structure: a file with an accent in {where}", write(f"{prefix}caf\u00e9", "x"))
    yield Mutation(f"structure: a file that is no UTF-8 name in {where}", _bytes_name(path))
    yield Mutation(f"structure: a dot folder in {where}", write(f"{prefix}.git/x", "x"))
    yield Mutation(f"structure: a folder with a space in {where}", write(f"{prefix}two words/x", "x"))
    yield Mutation(f"structure: a link out of the tree in {where}", link(f"{prefix}link", "/etc/hostname"))
    yield Mutation(f"structure: a link to a folder in {where}", link(f"{prefix}link", "."))


def _large(name: str, size: int) -> Edit:
    def edit(tree: Path) -> None:
        with (tree / name).open("wb") as file:
            file.truncate(size)

    return edit


def _bytes_name(path: str) -> Edit:
    def edit(tree: Path) -> None:
        Path(os.fsdecode(os.fsencode(tree / path) + b"/\xff\xfe")).write_text("x")

    return edit


_PLACES = {
    "the root": "",
    "the division": "closed",
    "the submitter's folder": SUBMITTER,
    "results": f"{SUBMITTER}/results",
    "systems": f"{SUBMITTER}/systems",
    "src": f"{SUBMITTER}/src",
    "documentation": f"{SUBMITTER}/documentation",
    "the system's folder": _BOX,
    "the benchmark's folder": RESULTS,
    "a scenario's folder": _SERVER,
    "performance": f"{_SERVER}/performance",
    "run_1": _RUN,
    "accuracy": f"{_SERVER}/accuracy",
}

_MOST = ("the root", "src", "systems", "a scenario's folder", "run_1", "accuracy")

_NAMED: dict[str, Edit] = {
    # Divisions and submitters
    "the root is empty": remove("closed"),
    "closed is renamed open": move("closed", "open"),
    "closed is renamed network": move("closed", "network"),
    "closed is renamed Closed": move("closed", "Closed"),
    "closed is a level deeper": move("closed", "submission/closed"),
    "the submitter's level is missing": both(move(SUBMITTER, "x"), remove("closed"), move("x", "closed")),
    "an open division with an empty submitter": folder("open/Me"),
    "an open division with a submitter's notes": write("open/Me/notes.md", "x"),
    "an open division beside it, without results": write("open/Me/results/x", "x"),
    "a network division with notes": write("network/Me/notes.md", "x"),
    "a second submitter without results": write("closed/You/notes.md", "x"),
    "a second submitter, a copy": copy(SUBMITTER, "closed/You"),
    "a second submitter with empty results": folder("closed/You/results"),
    "the submitter in other case": move(SUBMITTER, "closed/ME"),
    "the submitter under another name": move(SUBMITTER, "closed/You"),
    "the submitter with a space": move(SUBMITTER, "closed/Me Two"),
    "the submitter with a newline": move(SUBMITTER, "closed/Me\nTwo"),
    "the submitter with a comma": both(
        move(SUBMITTER, "closed/Me,Two"),
        json_values("closed/Me,Two/systems/box.json", lambda values: values.update(submitter="Me,Two")),
    ),
    "assets in the root": write("assets/x", "x"),
    ".github in the root": write(".github/x", "x"),
    # Folders of the submitter
    "results missing": remove(f"{SUBMITTER}/results"),
    "results empty": both(remove(f"{SUBMITTER}/results"), folder(f"{SUBMITTER}/results")),
    "results renamed": move(f"{SUBMITTER}/results", f"{SUBMITTER}/Results"),
    "systems missing": remove(f"{SUBMITTER}/systems"),
    "systems empty": both(remove(f"{SUBMITTER}/systems"), folder(f"{SUBMITTER}/systems")),
    "systems renamed": move(f"{SUBMITTER}/systems", f"{SUBMITTER}/system"),
    "src missing": remove(f"{SUBMITTER}/src"),
    "src empty": both(remove(f"{SUBMITTER}/src"), folder(f"{SUBMITTER}/src")),
    "src a file": both(remove(f"{SUBMITTER}/src"), write(f"{SUBMITTER}/src", "x")),
    "src is code": move(f"{SUBMITTER}/src", f"{SUBMITTER}/code"),
    "src of another model": move(f"{SUBMITTER}/src/qwen3-vl-235b-a22b", f"{SUBMITTER}/src/other"),
    "src with files alone": both(
        remove(f"{SUBMITTER}/src/qwen3-vl-235b-a22b"), write(f"{SUBMITTER}/src/main.py", "x")
    ),
    "documentation missing": remove(f"{SUBMITTER}/documentation"),
    "documentation empty": both(remove(f"{SUBMITTER}/documentation"), folder(f"{SUBMITTER}/documentation")),
    "documentation renamed": move(f"{SUBMITTER}/documentation", f"{SUBMITTER}/docs"),
    "calibration under another name": move(
        f"{SUBMITTER}/documentation/calibration.md", f"{SUBMITTER}/documentation/weights.md"
    ),
    "calibration as a text file": move(
        f"{SUBMITTER}/documentation/calibration.md", f"{SUBMITTER}/documentation/calibration.txt"
    ),
    "calibration in the submitter's folder": both(
        move(f"{SUBMITTER}/documentation/calibration.md", f"{SUBMITTER}/calibration.md"),
        remove(f"{SUBMITTER}/documentation"),
    ),
    "calibration in capitals": move(
        f"{SUBMITTER}/documentation/calibration.md", f"{SUBMITTER}/documentation/CALIBRATION.md"
    ),
    "calibration empty": write(f"{SUBMITTER}/documentation/calibration.md", ""),
    "measurements folder of an older round": write(f"{SUBMITTER}/measurements/box/x", "x"),
    "compliance folder of an older round": write(f"{SUBMITTER}/compliance/box/x", "x"),
    # Systems
    "system description renamed": move(SYSTEM, f"{SUBMITTER}/systems/other.json"),
    "system description in other case": move(SYSTEM, f"{SUBMITTER}/systems/Box.json"),
    "system description with another suffix": move(SYSTEM, f"{SUBMITTER}/systems/box.JSON"),
    "system description without suffix": move(SYSTEM, f"{SUBMITTER}/systems/box"),
    "system description twice": copy(SYSTEM, f"{SUBMITTER}/systems/other.json"),
    "system description in a folder": move(SYSTEM, f"{SUBMITTER}/systems/box/box.json"),
    "system results renamed": move(_BOX, f"{SUBMITTER}/results/other"),
    "system results in other case": move(_BOX, f"{SUBMITTER}/results/Box"),
    "a second system, a copy": both(
        copy(_BOX, f"{SUBMITTER}/results/two"), copy(SYSTEM, f"{SUBMITTER}/systems/two.json")
    ),
    "a second system without description": copy(_BOX, f"{SUBMITTER}/results/two"),
    "a second system without results": copy(SYSTEM, f"{SUBMITTER}/systems/two.json"),
    "a second system with an empty folder": both(
        folder(f"{SUBMITTER}/results/two"), copy(SYSTEM, f"{SUBMITTER}/systems/two.json")
    ),
    "a system with a space": both(
        move(_BOX, f"{SUBMITTER}/results/box 2"), move(SYSTEM, f"{SUBMITTER}/systems/box 2.json")
    ),
    "a system with a comma": both(
        move(_BOX, f"{SUBMITTER}/results/box,2"), move(SYSTEM, f"{SUBMITTER}/systems/box,2.json")
    ),
    "a system with .json in its name": both(
        move(_BOX, f"{SUBMITTER}/results/b.json.x"), move(SYSTEM, f"{SUBMITTER}/systems/b.json.x.json")
    ),
    "a link to the system's folder": link(f"{SUBMITTER}/results/two", "box"),
    # Benchmarks
    "benchmark renamed": move(RESULTS, f"{_BOX}/qwen3-vl"),
    "benchmark in other case": move(RESULTS, f"{_BOX}/Qwen3-VL-235B-A22B"),
    "benchmark another known one": move(RESULTS, f"{_BOX}/resnet"),
    "benchmark llama2-70b-99": move(RESULTS, f"{_BOX}/llama2-70b-99"),
    "a second benchmark, a copy": copy(RESULTS, f"{_BOX}/resnet"),
    "a second benchmark, unknown": copy(RESULTS, f"{_BOX}/mine"),
    "a second benchmark, empty": folder(f"{_BOX}/mine"),
    "the benchmark's level is missing": both(move(RESULTS, "x"), remove(_BOX), move("x", _BOX)),
    "benchmark empty": both(remove(RESULTS), folder(RESULTS)),
    # Scenarios
    "Server missing": remove(_SERVER),
    "Offline missing": remove(f"{RESULTS}/Offline"),
    "Server in lower case": move(_SERVER, f"{RESULTS}/server"),
    "Offline in lower case": move(f"{RESULTS}/Offline", f"{RESULTS}/offline"),
    "both in lower case": both(
        move(_SERVER, f"{RESULTS}/server"), move(f"{RESULTS}/Offline", f"{RESULTS}/offline")
    ),
    "Server in capitals": move(_SERVER, f"{RESULTS}/SERVER"),
    "Server called Interactive": move(_SERVER, f"{RESULTS}/Interactive"),
    "Server called SingleStream": move(_SERVER, f"{RESULTS}/SingleStream"),
    "Interactive added, a copy": copy(_SERVER, f"{RESULTS}/Interactive"),
    "SingleStream added, a copy": copy(_SERVER, f"{RESULTS}/SingleStream"),
    "server added, a copy": copy(_SERVER, f"{RESULTS}/server"),
    "an unknown scenario added": copy(_SERVER, f"{RESULTS}/Mine"),
    "an empty scenario added": folder(f"{RESULTS}/Mine"),
    "the scenarios exchanged": both(
        move(_SERVER, f"{RESULTS}/x"),
        move(f"{RESULTS}/Offline", _SERVER),
        move(f"{RESULTS}/x", f"{RESULTS}/Offline"),
    ),
    "Offline a copy of Server": both(remove(f"{RESULTS}/Offline"), copy(_SERVER, f"{RESULTS}/Offline")),
    "Server a copy of Offline": both(remove(_SERVER), copy(f"{RESULTS}/Offline", _SERVER)),
    "Server a link to Offline": both(remove(_SERVER), link(_SERVER, "Offline")),
    "Server empty": both(remove(_SERVER), folder(_SERVER)),
    # Runs
    "performance missing": remove(f"{_SERVER}/performance"),
    "performance empty": both(remove(f"{_SERVER}/performance"), folder(f"{_SERVER}/performance")),
    "performance renamed": move(f"{_SERVER}/performance", f"{_SERVER}/Performance"),
    "run_1 missing": both(remove(_RUN), write(f"{_SERVER}/performance/x", "x")),
    "run_1 empty": both(remove(_RUN), folder(_RUN)),
    "run_1 renamed run_2": move(_RUN, f"{_SERVER}/performance/run_2"),
    "run_2 added, a copy": copy(_RUN, f"{_SERVER}/performance/run_2"),
    "run_2 added, empty": folder(f"{_SERVER}/performance/run_2"),
    "the logs directly in performance": both(
        move(_RUN, f"{_SERVER}/x"),
        remove(f"{_SERVER}/performance"),
        move(f"{_SERVER}/x", f"{_SERVER}/performance"),
    ),
    "accuracy missing": remove(f"{_SERVER}/accuracy"),
    "accuracy empty": both(remove(f"{_SERVER}/accuracy"), folder(f"{_SERVER}/accuracy")),
    "accuracy renamed": move(f"{_SERVER}/accuracy", f"{_SERVER}/Accuracy"),
    "the accuracy logs in run_1": both(
        move(f"{_SERVER}/accuracy", f"{_SERVER}/x"),
        move(f"{_SERVER}/x", f"{_SERVER}/accuracy/run_1"),
    ),
    "power folder empty": folder(f"{_SERVER}/performance/power"),
    "power folder with a log": write(f"{_SERVER}/performance/power/client.log", "x"),
    "power folder with all files": both(
        *(
            write(f"{_SERVER}/performance/power/{name}", "{}")
            for name in ("client.json", "client.log", "ptd_logs.txt", "server.json", "server.log")
        )
    ),
    "power a file": write(f"{_SERVER}/performance/power", "x"),
    "ranging folder": write(f"{_SERVER}/performance/ranging/spl.txt", "x"),
    "spl.txt in run_1": write(f"{_RUN}/spl.txt", "x"),
    "results.json in run_1": write(f"{_RUN}/results.json", "{}"),
    "results.json in accuracy": write(f"{_SERVER}/accuracy/results.json", "{}"),
    "a trace in run_1": write(f"{_RUN}/mlperf_log_trace.json", "[]"),
    "a trace in accuracy": write(f"{_SERVER}/accuracy/mlperf_log_trace.json", "[]"),
    "answers in run_1": write(f"{_RUN}/{ANSWERS}", "[\n]\n"),
    "large answers in run_1": write(f"{_RUN}/{ANSWERS}", b"x" * 20_000),
    "metadata.json in run_1": write(f"{_RUN}/metadata.json", "{}"),
    "metadata.json in accuracy": write(f"{_SERVER}/accuracy/metadata.json", "{}"),
    "metadata.json in the scenario": write(f"{_SERVER}/metadata.json", "{}"),
    "mlperf.conf in the scenario": write(f"{_SERVER}/mlperf.conf", "x"),
    "TEST01 in the scenario": write(f"{_SERVER}/TEST01/verify_accuracy.txt", "TEST PASS"),
    "compliance in the scenario": write(f"{_SERVER}/compliance/TEST01/x", "x"),
    "config.yaml in the scenario": write(f"{_SERVER}/config.yaml", "x: 1\n"),
    "a second measurements file": copy(f"{_SERVER}/measurements.json", f"{_SERVER}/box_Server.json"),
    "Measurements.json in other case beside it": write(f"{_SERVER}/Measurements.json", "{}"),
    "measurements named by the system": move(f"{_SERVER}/measurements.json", f"{_SERVER}/box.json"),
    "measurements named by system and scenario": move(
        f"{_SERVER}/measurements.json", f"{_SERVER}/box_Server.json"
    ),
    # Logs exchanged
    "performance log is the accuracy log": copy(_ACCURACY_LOG, _LOG),
    "accuracy log is the performance log": copy(_LOG, _ACCURACY_LOG),
    "both logs of Offline": both(
        copy(scenario_file("Offline", f"performance/run_1/{DETAIL}"), _LOG),
        copy(scenario_file("Offline", f"accuracy/{DETAIL}"), _ACCURACY_LOG),
    ),
    "performance summary is the accuracy summary": copy(f"{_SERVER}/accuracy/{SUMMARY}", f"{_RUN}/{SUMMARY}"),
    "summary is the detail log": copy(_LOG, f"{_RUN}/{SUMMARY}"),
    "detail is the summary": copy(f"{_RUN}/{SUMMARY}", _LOG),
    "both detail logs missing": both(remove(_LOG), remove(_ACCURACY_LOG)),
    "both detail logs missing in both scenarios": both(
        *(
            remove(scenario_file(scenario, f"{inner}/{DETAIL}"))
            for scenario in SCENARIOS
            for inner in ("performance/run_1", "accuracy")
        )
    ),
    "user.conf of another scenario": copy(scenario_file("Offline", "user.conf"), f"{_SERVER}/user.conf"),
    "user.conf with another rate": replaced(f"{_SERVER}/user.conf", "20", "21"),
}


def _lines(path: str, start: int, end: int | None) -> Edit:
    return changed(path, lambda content: b"".join(content.splitlines(keepends=True)[start:end]))


_LOG_DEFECTS = {
    "without its first line": lambda path: _lines(path, 1, None),
    "without its last line": lambda path: _lines(path, 0, -1),
    "of its first half": lambda path: _lines(path, 0, 40),
    "of one line": lambda path: _lines(path, 0, 1),
    "cut within a line": lambda path: changed(path, lambda content: content[: len(content) // 2]),
    "without its last newline": lambda path: changed(path, lambda content: content[:-1]),
    "twice in one file": lambda path: changed(path, lambda content: content * 2),
    "with a blank line first": lambda path: changed(path, lambda content: b"\n" + content),
    "with text first": lambda path: changed(path, lambda content: b"x\n" + content),
    "with text in between": lambda path: changed(path, lambda content: content.replace(b"\n", b"\nx\n", 3)),
    "with a blank line in between": lambda path: changed(path, lambda text: text.replace(b"\n", b"\n\n", 3)),
    "with text last": lambda path: changed(path, lambda content: content + b"x\n"),
    "with another marker": lambda path: changed(path, lambda content: content.replace(b"MLLOG", b"MLOG")),
    "with the endpoints marker": lambda path: changed(path, lambda text: text.replace(b"MLLOG", b"ENDPTS")),
    "with the endpoints marker in its first line": lambda path: changed(
        path, lambda content: content.replace(b"MLLOG", b"ENDPTS", 1)
    ),
    "with spaces before the marker": lambda path: changed(path, lambda text: text.replace(b":::", b" :::")),
    "without a space after the marker": lambda path: changed(
        path, lambda content: content.replace(PREFIX.encode(), b":::MLLOG")
    ),
    "with a tab after the marker": lambda path: changed(
        path, lambda content: content.replace(PREFIX.encode(), b":::MLLOG\t")
    ),
    "with a marker and nothing": lambda path: changed(path, lambda content: content + b":::MLLOG \n"),
    "with a marker without a space and nothing": lambda path: changed(
        path, lambda text: text + b":::MLLOG\n"
    ),
    "with a marker and a list": lambda path: changed(path, lambda content: content + b":::MLLOG []\n"),
    "with a marker and bad JSON": lambda path: changed(path, lambda content: content + b":::MLLOG {x}\n"),
    "with a line without its key": lambda path: log_entries(path, lambda entries: entries[9].pop("key")),
    "with a line without its value": lambda path: log_entries(path, lambda entries: entries[9].pop("value")),
    "with a line without its metadata": lambda path: log_entries(
        path, lambda entries: entries[9].pop("metadata")
    ),
    "with a line whose metadata is null": lambda path: log_entries(
        path, lambda entries: entries[9].update(metadata=None)
    ),
    "with a line whose metadata is empty": lambda path: log_entries(
        path, lambda entries: entries[9].update(metadata={})
    ),
    "with a line whose is_error is a text": lambda path: log_entries(
        path, lambda entries: entries[9]["metadata"].update(is_error="no")
    ),
    "with a line whose is_error is 0": lambda path: log_entries(
        path, lambda entries: entries[9]["metadata"].update(is_error=0)
    ),
    "with a line whose is_error is null": lambda path: log_entries(
        path, lambda entries: entries[9]["metadata"].update(is_error=None)
    ),
    "with lines without metadata": lambda path: log_entries(
        path, lambda entries: [entry.pop("metadata") for entry in entries]
    ),
    "with a line whose key is a number": lambda path: log_entries(
        path, lambda entries: entries[9].update(key=7)
    ),
    "with a line whose key is a list": lambda path: log_entries(
        path, lambda entries: entries[9].update(key=[])
    ),
    "with the key twice in a line": lambda path: changed(
        path, lambda content: content.replace(b'"key": "sut_name"', b'"key": "x", "key": "sut_name"')
    ),
    "with NaN as a value": lambda path: log_entries(
        path, lambda entries: entries[9].update(value=float("nan"))
    ),
    "with an unknown key": lambda path: log_entries(
        path, lambda entries: entries.append(entries[9] | {"key": "x"})
    ),
    "with an error added": lambda path: log_entries(
        path,
        lambda entries: entries.append(
            entries[9] | {"key": "error", "value": "x", "metadata": {"is_error": True, "is_warning": False}}
        ),
    ),
    "with an error that is no text": lambda path: log_entries(
        path,
        lambda entries: entries.append(
            entries[9] | {"key": "error", "value": 7, "metadata": {"is_error": True, "is_warning": False}}
        ),
    ),
    "with a warning added": lambda path: log_entries(
        path,
        lambda entries: entries.append(
            entries[9] | {"key": "warning", "value": "x", "metadata": {"is_error": False, "is_warning": True}}
        ),
    ),
    "in reverse order": lambda path: log_entries(path, lambda entries: entries.reverse()),
    "with its lines on one line": lambda path: changed(path, lambda content: content.replace(b"\n", b" ")),
    "with its lines ended by form feeds": lambda path: changed(
        path, lambda text: text.replace(b"\n", b"\f\n")
    ),
    "with a line separator in a text": lambda path: changed(
        path, lambda content: content.replace(b'"PySUT"', '"Py\u2028SUT"'.encode())
    ),
    "with NUL at its end": lambda path: changed(path, lambda content: content + b"\0"),
}
