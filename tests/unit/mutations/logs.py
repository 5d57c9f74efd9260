"""Defects of the detail logs, key by key, and of the summaries, line by line."""

from collections.abc import Callable, Iterator
from typing import Any

from mutations.base import SCENARIOS, log_values
from mutations.edits import DETAIL, SUMMARY, Mutation, changed, log_entries, scenario_file
from weighbridge.config.scenario_rules import Mode

Entries = list[dict[str, Any]]

_FOLDERS = {Mode.PERFORMANCE: "performance/run_1", Mode.ACCURACY: "accuracy"}
# Keys of this kind describe the build, the request and the logger: they get fewer defects.
_DESCRIBING = (
    "loadgen_",
    "requested_",
    "logger_",
    "test_",
    "get_",
    "generic_",
    "loaded_",
    "power_",
    "qsl_name",
)


def log_mutations() -> Iterator[Mutation]:
    """Return the defects of all logs; those of the Server performance run are the most."""
    for scenario in SCENARIOS:
        for mode, inner in _FOLDERS.items():
            name = scenario_file(scenario, f"{inner}/{DETAIL}")
            for key, value in log_values(scenario, mode).items():
                changes = dict(_changes(key, value))
                if key.startswith(_DESCRIBING):
                    changes = {what: changes[what] for what in _FEW[: 3 if (scenario, mode) == _FIRST else 1]}
                elif mode is Mode.ACCURACY:
                    changes = {what: changes[what] for what in _SOME if what in changes}
                for what, change in changes.items():
                    yield Mutation(f"{scenario} {mode} detail: {key} {what}", log_entries(name, change))
    yield from _summaries()


_FIRST = ("Server", Mode.PERFORMANCE)
_FEW = ("removed", "null", "doubled with another value first")
_SOME = ("removed", "null", "0", "text", "an error", "turned", "one less", "one more", "in capitals")


def _changes(key: str, value: Any) -> Iterator[tuple[str, Callable[[Entries], object]]]:
    yield "removed", lambda entries: _delete(entries, key)
    yield "null", lambda entries: _set(entries, key, None)
    yield "doubled with another value first", lambda entries: _double(entries, key, _other(value), 0)
    yield "doubled with another value last", lambda entries: _double(entries, key, _other(value), 1)
    yield "0", lambda entries: _set(entries, key, 0)
    yield "text", lambda entries: _set(entries, key, "wrong")
    yield "empty", lambda entries: _set(entries, key, "")
    yield "an error", lambda entries: _find(entries, key)["metadata"].update(is_error=True)
    if isinstance(value, bool):
        yield "turned", lambda entries: _set(entries, key, not value)
    elif isinstance(value, int | float):
        yield "one less", lambda entries: _set(entries, key, value - 1)
        yield "one more", lambda entries: _set(entries, key, value + 1)
        yield "as text", lambda entries: _set(entries, key, str(value))
        yield "negative", lambda entries: _set(entries, key, -value - 1)
        yield "a list", lambda entries: _set(entries, key, [value])
    elif isinstance(value, str):
        yield "in capitals", lambda entries: _set(entries, key, f"{value.upper()} ")


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int | float) else f"other {value}"


def _find(entries: Entries, key: str) -> dict[str, Any]:
    [entry] = [entry for entry in entries if entry["key"] == key]
    return entry


def _set(entries: Entries, key: str, value: Any) -> None:
    _find(entries, key)["value"] = value


def _delete(entries: Entries, key: str) -> None:
    entries.remove(_find(entries, key))


def _double(entries: Entries, key: str, value: Any, after: int) -> None:
    entry = _find(entries, key)
    # Not before the first line, whose form both checkers look at.
    entries.insert(max(1, entries.index(entry) + after), entry | {"value": value})


def _summaries() -> Iterator[Mutation]:
    """Return defects of each line of the performance summaries that has a value, and of whole summaries."""
    for scenario in SCENARIOS:
        name = scenario_file(scenario, f"performance/run_1/{SUMMARY}")
        for key in _SUMMARY_KEYS:
            if scenario == "Offline" and key.strip().startswith(_ONLY_SERVER):
                continue
            for what, change in (
                ("removed", lambda _: b""),
                ("7", lambda line: line.partition(b":")[0] + b": 7\n"),
                ("text", lambda line: line.partition(b":")[0] + b": wrong\n"),
                ("doubled", lambda line: line.partition(b":")[0] + b": wrong\n" + line),
            ):
                edit = changed(name, lambda content, key=key, change=change: _line(content, key, change))
                yield Mutation(f"{scenario} performance summary: {key} {what}", edit)


_ONLY_SERVER = ("Performance constraints", "Completed samples")
_SUMMARY_KEYS = (
    "SUT name",
    "Scenario",
    "Mode",
    "Completed samples per second",
    "Result is",
    "  Performance constraints satisfied",
    "  Min duration satisfied",
    "  Min queries satisfied",
    "  Early stopping satisfied",
    "Mean latency (ns)",
    "99.00 percentile latency (ns)",
    "samples_per_query",
    "target_qps",
    "target_latency (ns)",
    "min_duration (ms)",
    "min_query_count",
    "qsl_rng_seed",
    "sample_index_rng_seed",
    "schedule_rng_seed",
    "performance_sample_count",
    "accuracy_sample_count",
)


def _line(content: bytes, key: str, change: Callable[[bytes], bytes]) -> bytes:
    lines = content.splitlines(keepends=True)
    return b"".join(change(line) if line.startswith(key.encode()) else line for line in lines)
