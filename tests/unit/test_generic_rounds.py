"""What the generic round expresses and refuses, with round files of the test's own."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from loadgen_files import write_detail

from weighbridge.benchmarks import rounds
from weighbridge.benchmarks.rounds import (
    load_round,
    released_text,
    round_digest,
    round_file,
    round_of_samples,
)
from weighbridge.config.round import Round
from weighbridge.config.round_of_scenario import round_of_scenario
from weighbridge.config.round_settings import check_against_round, planned_scenarios
from weighbridge.config.scenario_rules import LatencyMetric, LoadGenScenario, Mode
from weighbridge.config.settings import Settings, portable_settings
from weighbridge.core.errors import InputError
from weighbridge.gates.performance_checks import performance_checks
from weighbridge.loadgen.loadgen_settings import user_conf
from weighbridge.loadgen.logs import read_detail
from weighbridge.records.verdict import Check

QWEN_ROUNDS = Path(rounds.__file__).parent / "qwen3_vl" / "rounds"
# Two categories with other counts and scenarios; three metrics, one with both bounds; limits on tokens.
SUMMARIES = """
name: summaries
submittable: false
benchmark: my-summaries
checker_version: null
client: v6.0
samples: 13368
splits: [validation]
system_types: [datacenter, edge]
server_must_not: [prefix-caching]
loadgen:
  model: my-llm
  versions: [6.0.15]
  seeds: {qsl: 1, sample_index: 2, schedule: 3}
  token_latencies: true
metrics:
  rouge1: {floor: 38.39}
  rougeL: {floor: 24.25}
  gen_len: {floor: 7350301, ceiling: 8983701}
scenarios:
  offline: {folder: Offline, loadgen_scenario: Offline, metric: tokens/s, min_duration_s: 600,
            min_query_count: 13368}
  server: {folder: Server, loadgen_scenario: Server, metric: tokens/s, min_duration_s: 600,
           min_query_count: 13368,
           limits: {ttft: {limit_s: 2}, tpot: {limit_s: 0.1}}}
  interactive: {folder: Interactive, loadgen_scenario: Server, loadgen_model: my-llm-interactive,
                metric: queries/s, min_duration_s: 600, min_query_count: 13368, required: false,
                limits: {ttft: {limit_s: 0.5, percentile: 0.95}, tpot: {limit_s: 0.03, percentile: 0.99}}}
  single-stream: {folder: SingleStream, loadgen_scenario: SingleStream, metric: {latency_percentile: 0.9},
                  min_duration_s: 600, min_query_count: 5000}
categories:
  datacenter:
    scenarios:
      offline: {}
      server: {}
      interactive: {}
  edge:
    samples: 5000
    system_types: [edge]
    scenarios:
      offline: {min_query_count: 5000, loadgen_model: my-llm-edge, metric: samples/s}
      single-stream: {}
"""


@pytest.fixture
def changed(tmp_path: Path) -> Callable[..., Path]:
    """Write the round with changes of the test's own, by dotted key."""

    def write(**changes: Any) -> Path:
        data = yaml.safe_load(SUMMARIES)
        for dotted, value in changes.items():
            *place, key = dotted.split("__")
            section = data
            for name in place:
                section = section.setdefault(name, {})
            section[key] = value
        path = tmp_path / "summaries.yaml"
        path.write_text(yaml.safe_dump(data, sort_keys=False))
        return path

    return write


@pytest.fixture
def summaries(changed: Callable[..., Path]) -> str:
    return str(changed())


def test_names_of_target_folder_driver_and_model_are_apart(summaries: str) -> None:
    rules = load_round(summaries, "datacenter").scenario("interactive")
    assert (rules.name, rules.folder) == ("interactive", "Interactive")
    assert (rules.loadgen_scenario, rules.loadgen_model) == (LoadGenScenario.SERVER, "my-llm-interactive")
    assert not rules.required
    assert rules.has_schedule
    single = load_round(summaries, "edge").scenario("single-stream")
    assert (single.folder, single.loadgen_scenario) == ("SingleStream", LoadGenScenario.SINGLE_STREAM)
    assert single.metric == LatencyMetric(latency_percentile=0.9)
    assert not single.offline
    assert not single.has_schedule


def test_categories_have_other_counts_and_scenarios(summaries: str) -> None:
    datacenter, edge = (load_round(summaries, category) for category in ("datacenter", "edge"))
    assert list(datacenter.scenarios) == ["offline", "server", "interactive"]
    assert list(edge.scenarios) == ["offline", "single-stream"]
    assert (datacenter.samples, edge.samples) == (13368, 5000)
    assert (datacenter.system_types, edge.system_types) == (("datacenter", "edge"), ("edge",))
    offline = [round_.scenarios["offline"] for round_ in (datacenter, edge)]
    assert [(rules.metric, rules.loadgen_model) for rules in offline] == [
        ("tokens/s", "my-llm"),
        ("samples/s", "my-llm-edge"),
    ]
    with pytest.raises(InputError, match="no category is chosen; its categories are: datacenter, edge"):
        load_round(summaries)
    with pytest.raises(InputError, match="no category 'car'"):
        load_round(summaries, "car")


def test_a_store_tells_the_category_by_its_number_of_samples(summaries: str) -> None:
    assert round_of_samples(summaries, 5000).category == "edge"
    assert round_of_samples(f"{summaries}@edge", 13368).category == "edge"
    assert round_of_samples("v6.0", 7) == load_round("v6.0")
    with pytest.raises(InputError, match=r"0 of its categories have 7 samples; write .*@CATEGORY"):
        round_of_samples(summaries, 7)


def test_a_command_is_told_the_category_with_the_file(summaries: str) -> None:
    assert load_round(f"{summaries}@edge") == load_round(summaries, "edge")
    assert load_round(f"{summaries}@edge", "datacenter").category == "datacenter"
    assert round_file(f"{summaries}@edge") == Path(summaries)
    assert round_file("v6.0@edge") == QWEN_ROUNDS / "v6.0.yaml"
    with pytest.raises(InputError, match="there is no category 'edge'; its categories are: none"):
        load_round("v6.0@edge")


def test_several_metrics_gate_and_the_first_is_the_main_one(summaries: str) -> None:
    round_ = load_round(summaries, "datacenter")
    assert round_.main_metric == "rouge1"
    bounds = {name: (rules.floor, rules.ceiling) for name, rules in round_.metrics.items()}
    assert bounds == {
        "rouge1": (38.39, None),
        "rougeL": (24.25, None),
        "gen_len": (7350301, 8983701),
    }


def test_no_prompt_is_pinned_and_the_servers_demands_are_data(summaries: str) -> None:
    round_ = load_round(summaries, "edge")
    assert round_.prompt == {}
    assert round_.server_must_not == ("prefix-caching",)


def test_token_limits_reach_loadgen_and_are_gated_by_its_own_percentiles(
    summaries: str, tmp_path: Path
) -> None:
    round_ = load_round(summaries, "datacenter")
    rules = round_.scenario("interactive")
    conf = user_conf(round_, rules, 5)
    assert "my-llm-interactive.Server.ttft_latency = 500\n" in conf
    assert "my-llm-interactive.Server.tpot_latency = 30\n" in conf
    assert "my-llm-interactive.Server.use_token_latencies = 1\n" in conf

    # Keys as LoadGen 6.0.15 logs them with use_token_latencies.
    values = {
        "result_validity": "VALID",
        "result_first_token_95.00_percentile_latency_ns": 400_000_000,
        "result_first_token_99.00_percentile_latency_ns": 900_000_000,
        "result_time_per_output_token_95.00_percentile_ns": 20_000_000,
        "result_time_per_output_token_99.00_percentile_ns": 31_000_000,
        "requested_server_ttft_latency": 500_000_000,
        "requested_server_tpot_latency": 60_000_000,
    }
    write_detail(tmp_path / "detail.txt", values)
    checks = {
        each.name: each for each in performance_checks(read_detail(tmp_path / "detail.txt"), round_, rules)
    }
    assert _value(checks["95th percentile time to first token"]) == (0.4, "< 0.5 s", True)
    slow = checks["99th percentile time per output token"]
    assert _value(slow) == (0.031, "< 0.03 s", False)
    assert "lower scenarios.interactive.target_qps" in str(slow.remedy)
    assert checks["time to first token limit set"].passed
    assert not checks["time per output token limit set"].passed
    assert not checks["result_perf_constraints_met"].passed  # not logged here: a missing value fails
    assert "lower scenarios.interactive.target_qps" in str(
        checks["99th percentile time per output token"].remedy
    )


def _value(check: Check) -> tuple[object, str, bool | None]:
    return check.value, check.limit, check.passed


def test_an_answer_without_a_percentile_in_the_log_fails(
    changed: Callable[..., Path], tmp_path: Path
) -> None:
    path = changed(scenarios__server__limits={"ttft": {"limit_s": 2, "percentile": 0.98}})
    round_ = load_round(str(path), "datacenter")
    write_detail(tmp_path / "detail.txt", {"result_first_token_99.00_percentile_latency_ns": 1})
    checks = performance_checks(read_detail(tmp_path / "detail.txt"), round_, round_.scenario("server"))
    [check] = [each for each in checks if each.name == "98th percentile time to first token"]
    assert (check.value, check.passed) == (None, False)


def test_a_compliance_run_stands_beside_the_ordinary_ones_and_is_not_taken_for_one(
    changed: Callable[..., Path],
) -> None:
    ordinary = {"performance": {"mode": "performance"}, "accuracy": {"mode": "accuracy"}}
    test06 = {"TEST06": {"mode": "performance", "compliance_test": "TEST06"}}
    path = changed(scenarios__offline__runs=ordinary | test06)
    round_ = load_round(str(path), "edge")
    runs = round_.scenario("offline").runs
    assert list(runs) == ["performance", "accuracy", "TEST06"]
    assert (runs["TEST06"].mode, runs["TEST06"].compliance_test) == (Mode.PERFORMANCE, "TEST06")
    with pytest.raises(InputError, match=r"offline/TEST06 is the compliance test TEST06.*cannot run"):
        check_against_round(_settings(round_), round_)


def _settings(round_: Round, **requests: object) -> Any:
    artifact = {"synthetic": 1}
    return portable_settings(
        {
            "round": "unused",
            "artifacts": {"model": artifact, "dataset": artifact},
            "requests": requests,
            "server": {"model_name": "m"},
            "scenarios": {name: {"target_qps": 1} for name in round_.scenarios},
            "submission": {"submitter": "Me", "system": "mine"},
        },
        Path(),
    )


def test_a_search_needs_an_offline_scenario_to_start_from(summaries: str) -> None:
    round_ = load_round(summaries, "datacenter")
    settings = _settings(round_, stream=True)
    automatic = settings.scenarios["server"].model_copy(update={"target_qps": "auto"})
    settings = settings.model_copy(update={"scenarios": settings.scenarios | {"server": automatic}})
    check_against_round(settings, round_)
    rest = {name: rules for name, rules in round_.scenarios.items() if not rules.offline}
    with pytest.raises(InputError, match="no Offline scenario is measured"):
        check_against_round(settings, round_.model_copy(update={"scenarios": rest}))


def test_a_scenario_that_is_not_required_needs_no_settings_but_one_of_its_group_does(
    changed: Callable[..., Path],
) -> None:
    path = changed(scenarios__server__required=False, one_of=["Server", "Interactive"])
    round_ = load_round(str(path), "datacenter")
    settings = _settings(round_, stream=True)

    def only(*names: str) -> Settings:
        return settings.model_copy(update={"scenarios": {name: settings.scenarios[name] for name in names}})

    for names in (("offline", "server"), ("offline", "interactive"), ("offline", "server", "interactive")):
        check_against_round(only(*names), round_)
        assert tuple(planned_scenarios(only(*names), round_)) == names
    with pytest.raises(InputError, match="none of server, interactive, but round summaries needs one"):
        check_against_round(only("offline"), round_)
    with pytest.raises(InputError, match=r"'scenarios\.offline' is missing"):
        check_against_round(only("server"), round_)


def test_token_times_need_streamed_requests_but_in_offline(summaries: str) -> None:
    round_ = load_round(summaries, "edge")
    check_against_round(_settings(round_), round_)
    assert {name: round_.streams(rules) for name, rules in round_.scenarios.items()} == {
        name: not rules.offline for name, rules in round_.scenarios.items()
    }
    demo = load_round("demo")
    assert not any(map(demo.streams, demo.scenarios.values()))


def test_a_round_of_the_official_client_needs_no_loadgen(changed: Callable[..., Path]) -> None:
    round_ = load_round("qwen3-vl-235b-a22b/v6.1-endpoints")
    assert round_.scenario("interactive").loadgen_scenario is None
    with pytest.raises(InputError, match="LoadGen"):
        round_.loadgen_rules  # noqa: B018
    load = {"folder": "Interactive", "metric": "tokens/s", "min_duration_s": 600, "min_query_count": 1}
    path = changed(evidence="endpoints", loadgen=None, scenarios={"interactive": load}, categories={})
    with pytest.raises(InputError, match=r"'endpoints' and scenarios\.interactive\.endpoints must be given"):
        load_round(str(path))


def test_a_scenario_has_the_dataset_and_metrics_that_the_round_gives_it() -> None:
    round_ = load_round("qwen3-vl-235b-a22b/v6.1-endpoints")
    interactive = round_of_scenario(round_, "interactive")
    assert (interactive.samples, interactive.splits) == (8000, ("train",))
    assert interactive.metrics["f1"].floor == 0.779922
    assert round_of_scenario(round_, "offline") == round_


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"wheels": 4}, "wheels"),
        ({"scenarios__offline__colour": "red"}, "colour"),
        ({"scenarios__offline__limits": {"itl": {"limit_s": 1}}}, "itl"),
        ({"metrics__rouge1__minimum": 3}, "minimum"),
        ({"loadgen__flavour": "x"}, "flavour"),
        ({"metrics": {}}, "metrics"),
        ({"scenarios__offline__loadgen_scenario": "MultiStream"}, "MultiStream"),
        ({"scenarios__offline__metric": "bytes/s"}, "bytes/s"),
        ({"scenarios__offline__metric": "queries/s"}, "does not measure queries/s in Offline"),
        ({"scenarios__offline__metric": {"latency_percentile": 0.9}}, "does not measure latency in Offline"),
        ({"scenarios__offline__limits": {"latency": {"limit_s": 1}}}, "checks no limits in Offline"),
        ({"scenarios__server__loadgen_scenario": None}, "scenarios.server.loadgen_scenario must be given"),
        ({"loadgen": None}, "'loadgen' and scenarios.offline.loadgen_scenario must be given"),
        ({"loadgen__token_latencies": False}, "which needs loadgen.token_latencies: true"),
        ({"scenarios__offline__name": "other"}, "has the name 'other'; remove 'name'"),
        ({"scenarios__server__folder": "offline"}, "has the folder 'Offline' of another scenario"),
        ({"scenarios__offline__runs": {"speed": {"mode": "performance"}}}, "'performance' and 'accuracy'"),
        ({"server_must_not": ["thinking"]}, "thinking"),
        ({"evidence": "hearsay"}, "hearsay"),
    ],
)
def test_what_a_round_does_not_know_is_refused_in_one_sentence(
    changed: Callable[..., Path], change: dict[str, object], message: str
) -> None:
    path = changed(**change)
    with pytest.raises(InputError) as refused:
        load_round(str(path), "datacenter")
    assert message in str(refused.value)
    assert str(refused.value).startswith(str(path))
    assert "\n" not in str(refused.value)


def test_the_pinned_hashes_are_those_of_the_rounds() -> None:
    pinned = (Path(rounds.__file__).parent / "released_rounds.json").read_text()
    assert released_text() == pinned, "run `make rounds`, and say in CHANGELOG.md which constant changed"
    assert set(json.loads(pinned)) == {
        *(f"qwen3-vl-235b-a22b/{name}" for name in ("v6.0", "v6.1", "v6.1-endpoints")),
        *(f"llama3.1-8b/{name}@{of}" for name in ("v5.1", "v6.0", "v6.1") for of in ("datacenter", "edge")),
    }
    assert load_round("v6.0").submittable
    assert load_round("v6.0").not_submittable_because is None


@pytest.mark.parametrize(
    "edit",
    [
        ("floor: 0.782400663", "floor: 0.78"),
        ("limit_s: 12", "limit_s: 13"),
        ("samples: 48289", "samples: 48288"),
        ("submittable: true", "submittable: true\nwithdrawn: null\none_of: [Server]"),
    ],
)
def test_an_edited_round_is_not_submittable_and_says_so(tmp_path: Path, edit: tuple[str, str]) -> None:
    copied = tmp_path / "v6.0.yaml"
    shutil.copy(QWEN_ROUNDS / "v6.0.yaml", copied)
    assert load_round(str(copied)).submittable  # the same constants from elsewhere are the same round
    text = copied.read_text()
    assert edit[0] in text
    copied.write_text(text.replace(*edit))
    edited = load_round(str(copied))
    assert not edited.submittable
    assert "v6.0 of qwen3-vl-235b-a22b is not pinned" in str(edited.not_submittable_because)


def test_a_floor_that_everything_passes_is_never_submittable(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    for name in ("v6.0", "mine"):
        path.write_text(
            f"extends: v6.0\nname: {name}\nsubmittable: true\nmetrics: {{f1: {{floor: 0.001}}}}\n"
        )
        edited = load_round(str(path))
        assert edited.metrics["f1"].floor == 0.001
        assert (edited.submittable, edited.held_to_rules) == (False, False)
        assert "is not pinned by this release" in str(edited.not_submittable_because)


def test_a_comment_and_a_key_at_its_default_change_no_hash(tmp_path: Path) -> None:
    copied = tmp_path / "v6.0.yaml"
    copied.write_text(f"# mine\n{(QWEN_ROUNDS / 'v6.0.yaml').read_text()}\nsimulated: false\n")
    assert load_round(str(copied)).submittable
    assert round_digest(load_round(str(copied))) == round_digest(load_round("v6.0"))
