"""Defects of a tree with results of the official endpoints client, and our own verdict on each.

The first group is what the official checker is known to refuse, the second what it lets pass; the third has
more of what a run or its files may have.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from published_client_results import ROUND

from mutations.edits import RESULTS, Edit, Mutation, json_values, move, remove, scenario_file, yaml_values
from mutations.forks import in_forks
from weighbridge.core.errors import InputError
from weighbridge.gates import judge_logs
from weighbridge.submission.checker import check_submission

_LIMIT_NS = 1_500_000_000
_FLOORS = {"Interactive": 0.779922, "Offline": 0.782397}
Change = Callable[[dict[str, Any]], object]


@dataclass(frozen=True)
class OurVerdict:
    """What refuses a tree: the first error of `check`, the failed checks of `gate --logs`; "" where none."""

    check: str
    gate: str

    @property
    def refused(self) -> bool:
        """Return whether either refuses it."""
        return bool(self.check or self.gate)


def judge_client_tree(tree: Path, mutations: Sequence[Mutation]) -> Iterator[tuple[Mutation, OurVerdict]]:
    """Yield our own verdicts on each mutation of a tree."""
    return in_forks(_our_verdict, tree, mutations)


def _our_verdict(tree: Path) -> OurVerdict:
    complaints = check_submission(tree, ROUND).complaints
    errors = (f"{each.file}: {each.said}" for each in complaints if each.level == "error")
    return OurVerdict(next(errors, ""), _failed(tree))


def _failed(tree: Path) -> str:
    try:
        verdicts = judge_logs(tree, ROUND).verdicts
    except InputError as error:
        return str(error)
    failed = (check for verdict in verdicts for check in verdict.failed)
    return "; ".join(dict.fromkeys(check.wording for check in failed))


def client_mutations() -> list[Mutation]:
    """Return every mutation, in the order of the table; their names are unique."""
    return [*_refused(), *_let_pass(), *_further()]


def _summary(name: str, change: Change, scenario: str = "Interactive") -> Mutation:
    path = scenario_file(scenario, "performance/result_summary.json")
    return Mutation(f"{scenario} summary: {name}", json_values(path, change))


def _config(name: str, change: Change, scenario: str = "Interactive") -> Mutation:
    return Mutation(
        f"{scenario} configuration: {name}", yaml_values(scenario_file(scenario, "config.yaml"), change)
    )


def _score(name: str, change: Change, scenario: str = "Interactive") -> Mutation:
    path = scenario_file(scenario, "accuracy/accuracy_results.json")
    return Mutation(f"{scenario} scores: {name}", json_values(path, change))


def _set(*keys: str, to: Any) -> Change:
    """Return a change of one value; keys lead to it, and `scores` to the first score."""

    def change(values: dict[str, Any]) -> None:
        for key in keys[:-1]:
            values = values[key] if key != "scores" else values["accuracy_scores"][0]
        values[keys[-1]] = to

    return change


def _drop(*keys: str) -> Change:
    def change(values: dict[str, Any]) -> None:
        for key in keys[:-1]:
            values = values[key] if key != "scores" else values["accuracy_scores"][0]
        del values[keys[-1]]

    return change


def _counts(issued: int, duration_ns: int | None = None) -> Change:
    """Return a change of count and duration; the rates that follow from them agree."""

    def change(values: dict[str, Any]) -> None:
        values["n_samples_issued"] = values["n_samples_completed"] = issued
        if duration_ns is not None:
            values["duration_ns"] = values["legacy_loadgen_window_duration_ns"] = duration_ns
        window_ns = values["legacy_loadgen_window_duration_ns"]
        values["qps"] = (issued - 1) / window_ns * 1e9
        values["latency"]["total"] = values["latency"]["avg"] * issued
        values["output_sequence_lengths"]["total"] = 42 * issued
        values["tps"] = 42 * issued / window_ns * 1e9

    return change


def _seeds(scheduler: int, dataloader: int) -> Change:
    seeds = {"scheduler_random_seed": scheduler, "dataloader_random_seed": dataloader}
    return lambda values: values["settings"]["runtime"].update(seeds)


def _inline_score_first(values: dict[str, Any]) -> None:
    inline = {**values["accuracy_scores"][0], "dataset_type": "performance", "score": 0.1}
    values["accuracy_scores"].insert(0, inline)


def _with_percentile(name: str, value: Any) -> Change:
    return lambda values: values["latency"][name].update({"99.0": value})


def _estimate_twice(values: dict[str, Any]) -> None:
    estimates = values["latency"]["early_stopping_percentiles"]
    values["latency"]["early_stopping_percentiles"] = {"99.00": estimates["99.0"], **estimates, "99.0": 1.7e9}


def _negative_latencies(values: dict[str, Any]) -> None:
    latency = values["latency"]
    for name in ("percentiles", "early_stopping_percentiles"):
        latency[name] = dict.fromkeys(latency[name], -5.0)
    latency["min"] = latency["max"] = -5.0


def _refused() -> Iterator[Mutation]:
    estimates = "early_stopping_percentiles"
    yield _summary("estimate a nanosecond above the limit", _with_percentile(estimates, _LIMIT_NS + 1.0))
    yield _summary("estimate at the limit", _with_percentile(estimates, float(_LIMIT_NS)))
    yield _summary("estimate null", _with_percentile(estimates, None))
    yield _summary("estimate absent", _drop("latency", estimates, "99.0"))
    yield _summary("no estimates", _drop("latency", estimates))
    runtime = ("settings", "runtime")
    yield _config("seeds 42 and 42", _seeds(42, 42))
    yield _config("seeds swapped", _seeds(2747215439041700203, 16159082839903944936))
    yield _config("shortest duration a millisecond less", _set(*runtime, "min_duration_ms", to=599_999))
    yield _config("no shortest duration", _drop(*runtime, "min_duration_ms"))
    for scenario, floor in _FLOORS.items():
        yield _score("below the floor", _set("scores", "score", to=floor - 1e-6), scenario)
        yield _score("at the floor", _set("scores", "score", to=floor), scenario)
        yield _score("one sample less", _set("scores", "total_samples", to=7999), scenario)
    yield _score("an inline one of the performance phase first", _inline_score_first)
    for name in ("README.md", "measurements.json", "config.yaml"):
        yield Mutation(f"tree: Interactive/{name} missing", remove(scenario_file("Interactive", name)))
    yield Mutation("tree: Offline missing", remove(f"{RESULTS}/Offline"))
    yield Mutation("tree: Interactive missing", remove(f"{RESULTS}/Interactive"))
    yield Mutation("tree: folder in lower case", move(f"{RESULTS}/Interactive", f"{RESULTS}/interactive"))
    for name in ("performance/result_summary.json", "accuracy/accuracy_results.json"):
        yield Mutation(f"tree: Interactive/{name} missing", remove(scenario_file("Interactive", name)))
        yield Mutation(f"tree: Interactive/{name} empty", _emptied(scenario_file("Interactive", name)))


def _emptied(name: str) -> Edit:
    return lambda tree: (tree / name).write_text("") and None


def _let_pass() -> Iterator[Mutation]:
    yield _summary("raw p99 of 2 s", _with_percentile("percentiles", 2e9))
    yield _summary("10 failed", _set("n_samples_failed", to=10))
    yield _summary("not complete", _set("complete", to=False))
    yield _summary("interrupted", _set("state", to="interrupted"))
    yield _summary("measured for 10 s", _counts(872_000, 10_000_000_000))
    yield _summary("100 samples", _counts(100))
    yield _summary("871,999 samples", _counts(871_999))
    yield _config("load pattern concurrency", _set("settings", "load_pattern", "type", to="concurrency"))
    yield _config("type offline", _set("type", to="offline"))
    yield _config("type submission", _set("type", to="submission"))
    yield _config("streaming off", _set("model_params", "streaming", to="off"))
    yield _config("answers of 5 tokens", _set("model_params", "max_new_tokens", to=5))
    yield _score("the text nan", _set("scores", "score", to="nan"))
    yield _score("10 of 8,000 scored", _set("scores", "response_counts", "scored", to=10))
    yield _score("not complete", _set("scores", "complete", to=False))
    yield _score("of another dataset", _set("scores", "dataset_name", to="cnn_dailymail::llama3_8b"))
    yield _summary("no rate", _drop("qps"))


def _further() -> Iterator[Mutation]:
    for key in ("issued", "completed", "failed"):
        yield _summary(f"no count of {key}", _drop(f"n_samples_{key}"))
    yield _summary("half completed", _set("n_samples_completed", to=436_000))
    yield _summary("rate doubled", _set("qps", to=2613.2))
    yield _summary("rate of half the target", _counts(872_000, 1_334_000_000_000))
    yield _summary("faster than its schedule", _counts(872_000, 600_000_000_000))
    yield _summary("the estimate under two names", _estimate_twice)
    yield _summary("negative latencies", _negative_latencies)
    yield _summary("estimate below its percentile", _with_percentile("early_stopping_percentiles", 1.2e9))
    yield _summary("no latency", _set("latency", to={}))
    yield _summary("no times to first tokens", _set("ttft", to={}))
    yield _summary("no times per token", _set("tpot", to={}))
    yield _summary("no tokens", _set("tps", to=None))
    yield _summary("no duration", _drop("duration_ns"))
    yield _summary("another commit", _set("git_sha", to="381d13b"))
    yield _summary("no state", _drop("state"))
    yield _config("no round named", _drop("submission_ref"))
    yield _config("another round named", _set("submission_ref", "ruleset", to="mlperf-inference-v6.0"))
    yield _config("a temperature", _set("model_params", "temperature", to=0.0))
    yield _config("a repetition penalty", _set("model_params", "repetition_penalty", to=1.2))
    yield _config("a longest duration", _set("settings", "runtime", "max_duration_ms", to=60_000))
    yield _config("a smaller plan", _set("settings", "runtime", "n_samples_to_issue", to=8000))
    yield _config("a higher target", _set("settings", "load_pattern", "target_qps", to=1500.0))
    yield _config("warm-up not drained", _set("settings", "warmup", "drain", to=False))
    yield _config("another dataset", lambda values: values["datasets"][0].update(name="random::text"))
    override = {"generation_config_override": {"max_new_tokens": 5, "temperature": 0.0}}
    yield _config("a dataset's own sampling", lambda values: values["datasets"][0].update(override))
    yield _config("a dataset's own count", lambda values: values["datasets"][0].update(samples=100))
    yield _config("extras of the scorer", lambda values: _scoring(values).update(extras={"a": 1}))
    yield _config("no accuracy phase", lambda values: values["datasets"].pop())
    yield _config("another scorer", lambda values: _scoring(values).update(eval_method="exact_match"))
    yield _config("other right answers", lambda values: _scoring(values).update(ground_truth="brand"))
    yield _config("three passes scored", lambda values: _scoring(values).update(num_repeats=3))
    yield _score("above 1", _set("scores", "score", to=78.45))
    yield _score("absent", _drop("scores", "score"))
    yield _score("one empty answer", _set("scores", "response_counts", "empty", to=1))
    yield _score("no counts of answers", _drop("scores", "response_counts"))
    yield _score("of the performance phase", _set("scores", "dataset_type", to="performance"))
    yield _score("of another column", _set("scores", "ground_truth_column", to="ground_truth_brand"))
    yield _score("none", _set("accuracy_scores", to=[]))
    yield _config("type online", _set("type", to="online"), "Offline")
    yield _config("Poisson load", _set("settings", "load_pattern", "type", to="poisson"), "Offline")
    yield _config("seeds 42 and 42", _seeds(42, 42), "Offline")
    yield _config("a smaller plan", _set("settings", "runtime", "n_samples_to_issue", to=48_289), "Offline")
    yield _summary("measured for 10 s", _set("duration_ns", to=10_000_000_000), "Offline")
    yield _summary("10 failed", _set("n_samples_failed", to=10), "Offline")
    yield _summary("a sample more", _set("n_samples_issued", to=1_738_405), "Offline")


def _scoring(values: dict[str, Any]) -> dict[str, Any]:
    scoring: dict[str, Any] = values["datasets"][1]["accuracy_config"]
    return scoring
