"""LoadGen's inputs and what it has built in: its user.conf, its seeds."""

import importlib.metadata
import subprocess
import sys
from collections.abc import Mapping

from weighbridge.config.loadgen_rules import Seeds
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import LatencyMetric, LoadGenScenario, ScenarioRules
from weighbridge.core.errors import SetupError

# LoadGen reads its built-in settings once a process, so the process that asks must not be the one that runs.
_PRINT_SEEDS = """
import json, sys
import mlperf_loadgen as lg
settings = lg.TestSettings()
code = settings.FromConfig("/dev/null", sys.argv[1], "Offline", 1)
seeds = {name: getattr(settings, f"{name}_rng_seed") for name in sys.argv[2:]}
print(json.dumps(seeds))
sys.exit(code)
"""


def names_of(scenario: ScenarioRules, key: str) -> tuple[str, ...]:
    """Return the names of a key in user.conf, of which LoadGen takes the first that has a value.

    Source: FromConfig in test_settings_internal.cc of LoadGen in mlcommons/inference.
    """
    model, name = scenario.loadgen_model, scenario.loadgen_scenario
    return f"{model}.{name}.{key}", f"*.{name}.{key}", f"{model}.*.{key}", f"*.*.{key}"


def user_conf(
    round_: Round, scenario: ScenarioRules, target_qps: float, switches: Mapping[str, int] | None = None
) -> str:
    """Return the user.conf of one run; `switches` are further keys of the scenario, with their values.

    Every key carries the model's own name: LoadGen's built-in settings do, and its most exact key wins. The
    target rate always stands in it: the built-in settings would reset it to 1.0. SingleStream has an expected
    latency instead, from which LoadGen computes how many queries to prepare.

    Source: FromConfig in test_settings_internal.cc of LoadGen in mlcommons/inference.
    """
    loadgen, model, limits = round_.loadgen_rules, scenario.loadgen_model, scenario.limits
    values: dict[str, float] = {}
    if scenario.loadgen_scenario is LoadGenScenario.SINGLE_STREAM:
        values["target_latency"] = 1000 / target_qps
        if isinstance(scenario.metric, LatencyMetric):
            values["target_latency_percentile"] = round(scenario.metric.latency_percentile * 100, 6)
    else:
        values["target_qps"] = target_qps
    values["min_duration"] = round(scenario.min_duration_s * 1000)
    values["min_query_count"] = scenario.min_query_count
    if scenario.has_schedule:
        of_tokens = {"ttft_latency": limits.ttft, "tpot_latency": limits.tpot}
        for key, limit in {"target_latency": limits.latency, **of_tokens}.items():
            if limit is not None:
                values[key] = round(limit.limit_s * 1000)
                # LoadGen has one percentile for all limits.
                values.setdefault("target_latency_percentile", round(limit.percentile * 100, 6))
    if loadgen.token_latencies:
        values["use_token_latencies"] = 1
    if not (loadgen.whole_passes and loadgen.built_in):
        # LoadGen's own settings turn it on for the benchmarks that it knows; its default is off.
        values["sample_concatenate_permutation"] = int(loadgen.whole_passes)
    values |= switches or {}
    lines = [f"{model}.*.performance_sample_count_override = {round_.samples}"]
    lines += [f"{model}.{scenario.loadgen_scenario}.{key} = {value!r}" for key, value in values.items()]
    return "\n".join(lines) + "\n"


def carried_seeds(model: str) -> Seeds:
    """Return the seeds that the installed LoadGen uses for a benchmark, which it calls `model`.

    Raises:
        SetupError: LoadGen cannot be loaded, or does not answer.
    """
    done = subprocess.run(
        [sys.executable, "-c", _PRINT_SEEDS, model, *Seeds.model_fields],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = " ".join(done.stderr.strip().splitlines()[-1:])
        raise SetupError(f"LoadGen's seeds cannot be read ({last}); install mlcommons-loadgen again.")
    return Seeds.parse_json(done.stdout, "LoadGen's seeds")


def check_loadgen(round_: Round) -> str:
    """Check that the installed LoadGen is one of the round's, by the seeds that it really uses.

    Returns:
        Its version.

    Raises:
        SetupError: it has other seeds compiled in, or is another release.
    """
    version, rules = importlib.metadata.version("mlcommons-loadgen"), round_.loadgen_rules
    carried = carried_seeds(rules.model)
    if version not in rules.versions or carried != rules.seeds:
        raise SetupError(
            f"mlcommons-loadgen {version} does not carry the seeds of round {round_.name}; install "
            f"{rules.versions[-1]} (make setup does for v6.0, make setup-NAME for another round NAME)."
        )
    return version
