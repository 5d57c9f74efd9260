"""What a round becomes in LoadGen's user.conf."""

from weighbridge.benchmarks.rounds import load_round
from weighbridge.loadgen.loadgen_settings import user_conf


def test_user_conf_names_the_model_in_every_line() -> None:
    v60 = load_round("v6.0")
    lines = user_conf(v60, v60.scenarios["server"], 12.5).splitlines()
    assert all(line.startswith("qwen3-vl-235b-a22b.") for line in lines)
    assert "qwen3-vl-235b-a22b.Server.target_qps = 12.5" in lines
    assert "qwen3-vl-235b-a22b.Server.min_duration = 600000" in lines
    assert "qwen3-vl-235b-a22b.Server.min_query_count = 48289" in lines
    assert "qwen3-vl-235b-a22b.Server.target_latency = 12000" in lines
    assert not any("latency" in line for line in user_conf(v60, v60.scenarios["offline"], 12.5).splitlines())
