"""LoadGen's user.conf: what a round and a target rate become in it."""

from weighbridge.config.round import Round, ScenarioRules


def user_conf(round_: Round, scenario: ScenarioRules, target_qps: float) -> str:
    """Write the user.conf of one run.

    Every key carries the model's own name: LoadGen's built-in settings do, and its most exact key wins. The
    target rate stands in it always: the built-in settings would reset it to 1.0.
    """
    loadgen, model = round_.loadgen_rules, scenario.loadgen_model
    values: dict[str, float] = {
        "target_qps": target_qps,
        "min_duration": round(scenario.min_duration_s * 1000),
        "min_query_count": scenario.min_query_count,
    }
    if (limit := scenario.limits.latency) is not None:
        values["target_latency"] = round(limit.limit_s * 1000)
        values["target_latency_percentile"] = round(limit.percentile * 100, 6)
    if loadgen.token_latencies:
        values["use_token_latencies"] = 1
    if not loadgen.whole_passes:
        values["sample_concatenate_permutation"] = 0
    lines = [f"{model}.*.performance_sample_count_override = {round_.samples}"]
    lines += [f"{model}.{scenario.loadgen_scenario}.{key} = {value!r}" for key, value in values.items()]
    return "\n".join(lines) + "\n"
