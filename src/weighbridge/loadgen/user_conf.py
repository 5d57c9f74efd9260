"""LoadGen's user.conf: what a round and a target rate become in it."""

from weighbridge.config.round import Round
from weighbridge.core.terms import Scenario


def user_conf(round_: Round, scenario: Scenario, target_qps: float) -> str:
    """Write the user.conf of one run.

    Every key carries the model's own name: LoadGen's built-in settings do, and its most exact key wins. The
    target rate stands in it always: the built-in settings would reset it to 1.0.
    """
    rules, model = round_.scenarios[scenario], round_.loadgen.model
    values: dict[str, float] = {
        "target_qps": target_qps,
        "min_duration": round(rules.min_duration_s * 1000),
        "min_query_count": rules.min_query_count,
    }
    if rules.target_latency_s is not None:
        values["target_latency"] = round(rules.target_latency_s * 1000)
        values["target_latency_percentile"] = round(rules.target_percentile * 100, 6)
    if round_.loadgen.token_latencies:
        values["use_token_latencies"] = 1
    if not round_.loadgen.whole_passes:
        values["sample_concatenate_permutation"] = 0
    lines = [f"{model}.*.performance_sample_count_override = {round_.samples}"]
    lines += [f"{model}.{scenario.loadgen_name}.{key} = {value!r}" for key, value in values.items()]
    return "\n".join(lines) + "\n"
