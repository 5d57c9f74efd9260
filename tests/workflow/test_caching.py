"""What reruns what: no measurement is repeated by an edit, and none that is out of date is kept."""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from checkout import Checkout
from small_run import DONE, SmallRun, planned, planned_runs, simulated_server

from weighbridge.config.fingerprint import VERSIONS

SETTINGS = tuple(
    f"src/weighbridge/config/{name}.py"
    for name in (
        "settings",
        "artifact_settings",
        "server_settings",
        "client_settings",
        "request_settings",
        "quality_settings",
        "conf_overlay",
    )
)
RULES = {
    "src/weighbridge/config/scenario_rules.py": ("ScenarioRules", "LatencyLimit", "RunRules"),
    "src/weighbridge/config/metric_rules.py": ("MetricRules",),
    "src/weighbridge/config/round.py": ("Round",),
    "src/weighbridge/config/loadgen_rules.py": ("LoadGenRules",),
    "src/weighbridge/config/dataset_rules.py": ("DatasetRules",),
    "src/weighbridge/config/official_client_rules.py": ("EndpointsRules", "EndpointsDrive"),
    "src/weighbridge/config/closed_rules.py": ("ClosedRules", "ArtifactPin"),
}
DEMO_ROUND = "src/weighbridge/benchmarks/qwen3_vl/rounds/demo.yaml"
FINGERPRINTS = "src/weighbridge/config/fingerprint.py"
BEFORE_MEASURING = {"preflight", "find_server", "fetch", "prompt", "build_requests", "count_tokens"}


@pytest.fixture
def checkout(finished: SmallRun, tmp_path: Path) -> Checkout:
    return Checkout.with_run(tmp_path / "checkout", finished)


def test_a_new_setting_with_a_default_reruns_nothing(checkout: Checkout) -> None:
    found = set()
    for path in SETTINGS:
        models = re.findall(r"^class (\w+)\(Model\):", (checkout.root / path).read_text(), re.MULTILINE)
        for model in models:
            checkout.add_field(path, model, "quite_new: int = 3")
        found.update(models)
    assert {"Artifact", "RequestSettings", "ServerSettings", "ClientSettings", "Settings"} <= found
    assert DONE in checkout.plan()
    # The edited package is really the one that plans.
    assert planned_runs(checkout.plan(client={"quite_new": 4})) == [
        ("offline", "accuracy"),
        ("offline", "performance"),
        ("server", "accuracy"),
        ("server", "performance"),
    ]


def test_a_new_optional_rule_of_a_round_reruns_nothing(checkout: Checkout) -> None:
    for path, models in RULES.items():
        for model in models:
            checkout.add_field(path, model, "quite_new: int | None = None")
    assert DONE in checkout.plan()
    checkout.edit(DEMO_ROUND, "  server:\n", "  server:\n    quite_new: 1\n")
    assert planned_runs(checkout.plan()) == [("server", "accuracy"), ("server", "performance")]


def test_a_moved_checkout_reruns_nothing(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    moved = checkout.moved_to(tmp_path / "elsewhere" / "moved")
    assert DONE in moved.plan()
    # What an earlier job found is found at the new place.
    answer = moved("results/offline/accuracy.txt", "--forcerun", "evaluate")
    assert answer.code == 0, answer.text


def test_a_copied_checkout_reruns_nothing(checkout: Checkout, tmp_path: Path) -> None:
    # As `cp -r` does it: everything is as old as its copy.
    copied = tmp_path / "copied"
    shutil.copytree(checkout.root, copied, symlinks=True, copy_function=shutil.copyfile)
    run = SmallRun(copied / "runs" / "demo", copied, checkout.run.port)
    assert DONE in Checkout(copied, run).plan()


@pytest.mark.parametrize("newest", ["resources", "results"])
def test_a_run_directory_with_other_times_reruns_nothing(
    finished: SmallRun, tmp_path: Path, newest: str
) -> None:
    run = finished.copied_to(tmp_path / "run")
    # The order in which a copy meets files is luck: here the inputs come last, then the outputs do.
    files = [path for path in run.workflow.directory.rglob("*") if ".snakemake" not in path.parts]
    for path in files:
        late = newest in path.parts
        os.utime(path, (1_900_000_000 + late, 1_900_000_000 + late))
    assert DONE in run("-n", "submission")


def test_an_edit_that_no_measurement_reads_reruns_nothing(checkout: Checkout) -> None:
    for template in (checkout.root / "src" / "weighbridge").rglob("*.j2"):
        template.write_text(f"{template.read_text()}\n{{# another look #}}\n")
    gates = list((checkout.root / "src" / "weighbridge" / "gates").glob("*.py"))
    assert gates
    for path in gates:
        path.write_text(path.read_text().replace("Repeat the run", "Run it again"))
    (checkout.root / "README.md").write_text("# Another text\n")
    for rules in (checkout.root / "workflow" / "rules").glob("*.smk"):
        rules.write_text(rules.read_text().replace("weighbridge --log", "weighbridge  --log"))
    for environment in ("analysis", "server", "fetch"):
        checkout.append(f"envs/{environment}.yaml", "# another comment\n")
    assert DONE in checkout.plan()


def test_a_setting_that_no_figure_depends_on_reruns_nothing(finished: SmallRun) -> None:
    changes = {"gpus": 8, "port": 18000, "startup_timeout_s": 7, "stop_timeout_s": 8}
    server = finished.changes["server"] | changes  # type: ignore[operator]
    assert DONE in finished("-n", "submission", server=server, client={"api_key_env": "A_KEY"})


def _scenarios(checkout: Checkout, user_conf: str) -> dict[str, object]:
    (checkout.root / "my.conf").write_text(user_conf)
    scenarios: dict[str, dict[str, object]] = checkout.run.changes["scenarios"]  # type: ignore[assignment]
    return {"scenarios": scenarios | {"server": {"target_qps": None, "user_conf": "my.conf"}}}


def test_a_user_conf_counts_by_what_it_changes(checkout: Checkout) -> None:
    same = "*.Server.target_qps = 50\n*.Server.coalesce_queries = 0\n*.Offline.min_duration = 3600000\n"
    assert DONE in checkout.plan(**_scenarios(checkout, same))
    both = [("server", "accuracy"), ("server", "performance")]
    for change in ("coalesce_queries = 1", "min_duration = 3600000", "min_query_count = 100000"):
        name = change.partition(" ")[0]
        kept = "".join(line for line in same.splitlines(keepends=True) if f"Server.{name}" not in line)
        plan = checkout.plan(**_scenarios(checkout, f"{kept}*.Server.{change}\n"))
        assert planned_runs(plan) == both, change
    assert planned_runs(checkout.plan(**_scenarios(checkout, "*.*.target_qps = 51\n"))) == both


def test_a_run_is_made_and_judged_with_a_user_conf(finished: SmallRun, tmp_path: Path) -> None:
    run = finished.copied_to(tmp_path / "run")
    conf = tmp_path / "my.conf"
    conf.write_text("*.*.target_qps = 80\n*.Offline.min_duration = 4000\n")
    scenarios = {"offline": {"target_qps": None, "user_conf": str(conf)}}
    changed = run.changes | {"scenarios": run.changes["scenarios"] | scenarios}  # type: ignore[operator]
    with simulated_server(run.workflow.directory, run.port, servers=8, mean_s=0.1):
        answer = run.workflow("results/offline/verdict.json", **changed)
    assert answer.code == 0, answer.text
    ran = (run.results / "offline" / "performance" / "user.conf").read_text()
    assert "Offline.target_qps = 80.0\n" in ran
    assert "Offline.min_duration = 4000\n" in ran
    verdict = json.loads((run.results / "offline" / "verdict.json").read_text())
    assert verdict["target_qps"] == 80
    assert "x 4 s x target_qps 80" in verdict["work"]


def _other_bodies(checkout: Checkout) -> dict[str, object]:
    return {"requests": {"stream": True}}


def _other_model(checkout: Checkout) -> dict[str, object]:
    checkout.append("demo/locks/demo-model.json", "\n")
    return {}


def _other_loadgen(checkout: Checkout) -> dict[str, object]:
    checkout.edit("envs/client-v6.0.yaml", "mlcommons-loadgen==6.0.15", "mlcommons-loadgen==6.0.14")
    return {}


def _other_constant(checkout: Checkout) -> dict[str, object]:
    checkout.edit(DEMO_ROUND, "latency: {limit_s: 12,", "latency: {limit_s: 11,")
    return {}


def _other_floor(checkout: Checkout) -> dict[str, object]:
    checkout.edit(DEMO_ROUND, "    floor: 0.782400663", "    floor: 0.79")
    return {}


def _raised(stage: str) -> Callable[[Checkout], dict[str, object]]:
    def change(checkout: Checkout) -> dict[str, object]:
        version = VERSIONS[stage]
        checkout.edit(FINGERPRINTS, f'"{stage}": {version},', f'"{stage}": {version + 1},')
        return {}

    return change


@pytest.mark.parametrize(
    ("change", "before", "benchmarks", "scores", "verdicts"),
    [
        (_other_bodies, {"build_requests", "count_tokens"}, 4, 2, 2),
        (_other_model, {"fetch", "count_tokens"}, 4, 2, 2),
        (_other_loadgen, set(), 4, 2, 2),
        (_other_constant, set(), 2, 1, 2),
        (_other_floor, set(), 0, 0, 2),
        (_raised("measurement"), set(), 4, 2, 2),
        (_raised("requests"), {"build_requests", "count_tokens"}, 4, 2, 2),
        (_raised("scoring"), set(), 0, 2, 2),
        (_raised("judgement"), set(), 0, 0, 2),
        (_raised("tree"), set(), 0, 0, 0),
    ],
    ids=["store", "model", "loadgen", "constant", "floor", *(f"version of {name}" for name in
         ("measurement", "requests", "scoring", "judgement", "tree"))],
)  # fmt: skip
def test_a_change_reruns_what_depends_on_it(
    checkout: Checkout,
    change: Callable[[Checkout], dict[str, object]],
    before: set[str],
    benchmarks: int,
    scores: int,
    verdicts: int,
) -> None:
    jobs = planned(checkout.plan(**change(checkout)))
    assert jobs.keys() & BEFORE_MEASURING == before
    counted = [jobs.get(rule, 0) for rule in ("benchmark", "evaluate", "gate", "assemble")]
    assert counted == [benchmarks, scores, verdicts, 1]


def test_changed_arguments_measure_again_in_one_command_and_keep_the_old_runs(
    finished: SmallRun, tmp_path: Path
) -> None:
    run = finished.copied_to(tmp_path / "run")
    # A longer limit than the prompts need: the lengths are counted again, and that must not be all.
    args = ["--max-model-len=600"]
    changed = run.changes | {"server": run.changes["server"] | {"args": args}}  # type: ignore[operator]
    old = json.loads((run.results / "offline" / "performance" / "run.json").read_text())
    with simulated_server(run.workflow.directory, run.port, servers=8, mean_s=0.1):
        answer = run.workflow("results/offline/verdict.json", **changed)
    assert answer.code == 0, answer.text
    jobs = planned(answer.text)
    assert (jobs["count_tokens"], jobs["benchmark"], jobs["gate"]) == (1, 2, 1)
    new = json.loads((run.results / "offline" / "performance" / "run.json").read_text())
    assert new["load"]["started"] > old["load"]["ended"]
    assert DONE in run.workflow("-n", "results/offline/verdict.json", **changed).text

    [kept] = (run.workflow.directory / "replaced").glob("*Z-offline-performance")
    assert json.loads((kept / "run.json").read_text()) == old
    logs = {"mlperf_log_detail.txt", "mlperf_log_accuracy.json"}
    of_requests = {"errors.jsonl", "requests.parquet", "sampled_answers.jsonl"}
    assert logs | of_requests <= {path.name for path in kept.iterdir()}


def test_a_rerun_that_fails_leaves_no_result_and_keeps_the_old_one(
    finished: SmallRun, tmp_path: Path
) -> None:
    run = finished.copied_to(tmp_path / "run")
    old = (run.results / "offline" / "performance" / "run.json").read_text()
    server = run.changes["server"] | {"env": {"A": "1"}, "startup_timeout_s": 1}  # type: ignore[operator]
    for _ in range(2):  # nobody serves, however often
        # One run alone: of two that are due, Snakemake starts either first, and stops when it fails.
        answer = run.workflow("results/offline/performance/run.json", **(run.changes | {"server": server}))
        assert answer.code != 0
        assert not (run.results / "offline" / "performance" / "run.json").exists()
        assert not (run.results / "offline" / "verdict.json").exists()
    kept = (run.workflow.directory / "replaced").glob("*Z-offline-*/run.json")
    assert old in [path.read_text() for path in kept]


def test_only_code_that_measures_makes_two_runs_of_a_scenario_differ(checkout: Checkout) -> None:
    run = checkout.run
    record = run.results / "offline" / "performance" / "run.json"
    told = []
    for path in ("src/weighbridge/report/page.py", "src/weighbridge/client/worker.py"):
        checkout.append(path, "# A comment.\n")
        record.unlink()
        with simulated_server(run.workflow.directory, run.port, servers=8, mean_s=0.1):
            answer = checkout("results/offline/performance/run.json", "results/offline/verdict.json")
        assert answer.code == 0, answer.text
        assert planned(answer.text)["benchmark"] == 1
        verdict = json.loads((run.results / "offline" / "verdict.json").read_text())
        failed = [check["name"] for check in verdict["checks"] if check["passed"] is False]
        told.append((verdict["outcome"], failed))
    assert told[0] == ("VALID", [])
    assert told[1] == ("INVALID", ["same code"])
