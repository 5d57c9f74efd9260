"""A user's own user.conf: what is laid over the round's, and what is refused, with its line and reason."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loadgen_files import SINGLE_STREAM

from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.conf_overlay import ConfOverlay
from weighbridge.config.fingerprint import JobSettings, fingerprint
from weighbridge.config.settings import ScenarioSettings
from weighbridge.core.errors import InputError
from weighbridge.loadgen.loadgen_settings import user_conf
from weighbridge.loadgen.own_user_conf import asked_scenario, read_own_user_conf
from weighbridge.loadgen.work_size import explain_work, warn_of_work

ROUND = load_round("v6.0")
MODEL = "qwen3-vl-235b-a22b"
NOTHING = ConfOverlay()
# What the reference ships as an example, with both scenarios in one file.
EXAMPLE = """
# an example
*.Offline.target_qps = 80.4816666667
*.Offline.min_duration = 600000
*.Offline.min_query_count = 48289

*.Server.target_qps = 5.0
*.Server.min_duration = 600000
*.Server.min_query_count = 48289
"""


def read(text: str, folder: Path, scenario: str = "server") -> tuple[float | None, ConfOverlay]:
    path = folder / "my.conf"
    path.write_text(text)
    return read_own_user_conf(path, ROUND, ROUND.scenarios[scenario])


def test_the_reference_s_example_sets_the_rates_and_nothing_else(tmp_path: Path) -> None:
    assert read(EXAMPLE, tmp_path, "offline") == (80.4816666667, NOTHING)
    assert read(EXAMPLE, tmp_path, "server") == (5, NOTHING)


def test_longer_runs_larger_counts_and_coalescing_are_laid_over_the_round_s(tmp_path: Path) -> None:
    text = f"*.*.min_duration = 900000\n{MODEL}.Server.min_query_count = 60000  # more\n"
    text += "*.Server.coalesce_queries = 1\n*.Server.print_timestamps = 0\n"
    rate, overlay = read(text, tmp_path)
    assert rate is None
    assert overlay == ConfOverlay(min_duration=900000, min_query_count=60000, coalesce_queries=True)
    round_ = overlay.over(ROUND, "server")
    lines = user_conf(round_, round_.scenarios["server"], 11, overlay.switches).splitlines()
    assert lines == [
        f"{MODEL}.*.performance_sample_count_override = 48289",
        f"{MODEL}.Server.target_qps = 11",
        f"{MODEL}.Server.min_duration = 900000",
        f"{MODEL}.Server.min_query_count = 60000",
        f"{MODEL}.Server.target_latency = 12000",
        f"{MODEL}.Server.target_latency_percentile = 99.0",
        f"{MODEL}.Server.coalesce_queries = 1",
    ]
    assert round_.scenarios["offline"] == ROUND.scenarios["offline"]


def test_the_work_is_computed_from_what_the_file_asks_for(tmp_path: Path) -> None:
    _, overlay = read("*.Offline.min_duration = 1200000\n", tmp_path, "offline")
    round_ = overlay.over(ROUND, "offline")
    told = explain_work(round_, round_.scenarios["offline"], 73)
    assert "96578 samples, 2 whole passes" in told
    assert "1.1 x 1200 s x target_qps 73" in told
    assert warn_of_work(ROUND, ROUND.scenarios["offline"], 40) is None
    assert "with 36.582 it is 48289 samples" in (warn_of_work(round_, round_.scenarios["offline"], 40) or "")


FIXED = [
    ("*.Server.target_latency = 15000", "fixes at 12000 in Server"),
    ("*.Server.target_latency = 12000", "fixes at 12000 in Server"),
    ("*.Server.target_latency_percentile = 97", "fixes at 99.0"),
    ("*.*.qsl_rng_seed = 1", "fixes at 2465351861681999779"),
    ("*.*.sample_index_rng_seed = 1", "fixes at 14276810075590677512"),
    ("*.*.schedule_rng_seed = 1", "fixes at 3936089224930324775"),
    ("*.*.performance_sample_count_override = 10", "fixes at 48289"),
    ("*.*.accuracy_sample_count_override = 10", "fixes at 48289"),
    ("*.*.sample_concatenate_permutation = 0", "fixes at 1"),
    ("*.*.use_token_latencies = 1", "fixes at 0"),
    ("*.Server.ttft_latency = 1", "leaves unset in Server"),
    ("*.Server.tpot_latency = 1", "leaves unset in Server"),
    ("*.*.infer_token_latencies = 1", "fixes at 0"),
    ("*.*.token_latency_scaling_factor = 2", "leaves unset"),
    ("*.*.performance_issue_unique = 1", "fixes at 0"),
    ("*.*.performance_issue_same = 1", "fixes at 0"),
    ("*.*.performance_issue_same_index = 1", "fixes at 0"),
    ("*.*.accuracy_log_rng_seed = 1", "fixes at 0"),
    ("*.*.accuracy_log_probability = 1", "fixes at 0"),
    ("*.*.accuracy_log_sampling_target = 1", "fixes at 0"),
    ("*.*.test05 = 1", "fixes at 0"),
    ("*.*.test05_qsl_rng_seed = 1", "leaves unset"),
    ("*.*.test05_sample_index_rng_seed = 1", "leaves unset"),
    ("*.*.test05_schedule_rng_seed = 1", "leaves unset"),
    ("*.*.max_duration = 700000", "fixes at 0 (none)"),
    ("*.*.max_query_count = 50000", "fixes at 0 (none)"),
    ("*.Server.max_async_queries = 100", "fixes at 0 (none)"),
    ("*.*.mode = 2", "fixes at that of the run"),
    ("*.*.samples_per_query = 8", "leaves unset"),
]
REFUSED = [
    *FIXED,
    ("*.Server.min_duration = 599999", "min_duration is 599999, but round v6.0 requires at least 600000"),
    ("*.Server.min_query_count = 48288", "round v6.0 requires at least 48289 in Server"),
    ("*.Offline.min_query_count = 1", "round v6.0 requires at least 48289 in Offline"),
    ("*.Server.performance_sample_count = 48289", "LoadGen reads no key 'performance_sample_count'"),
    ("*.Offline.coalesce_queries = 1", "LoadGen reads no key 'coalesce_queries' in Offline"),
    ("*.Server.min_durations = 1", "are target_qps, min_duration, min_query_count, coalesce_queries, print_"),
    ("llama2-70b.Server.target_qps = 5", "is of the model llama2-70b, but round v6.0 has qwen3-vl-235b-a22b"),
    (
        "*.SingleStream.min_duration = 1",
        "is of the scenario SingleStream, but round v6.0 has Server, Offline",
    ),
    ("*.Interactive.target_qps = 1", "is of the scenario Interactive"),
    ("*.Server.target_qps = fast", "target_qps is fast, which is no number greater than 0"),
    ("*.Server.target_qps = 0", "no number greater than 0"),
    ("*.Server.target_qps = -3", "no number greater than 0"),
    ("*.Server.target_qps = inf", "no number greater than 0"),
    ("*.Server.target_qps = 0x10", "no number greater than 0"),
    ("*.Server.target_qps = 1e999", "no number greater than 0"),
    ("*.Server.min_duration = 6e5", "min_duration is 6e5, which is no whole number"),
    ("*.Server.min_duration = 0600000", "no whole number"),
    ("*.Server.min_query_count = 50000.5", "no whole number"),
    ("*.Server.coalesce_queries = 2", "write 0 or 1"),
    ("*.Server.min_duration = 0", "greater than 0"),
    ("*.Server.target_qps=5", "write MODEL.SCENARIO.KEY = VALUE, with blanks"),
    ("*.Server.target_qps = 5 6", "is no line of user.conf"),
    ("*.Server.target_qps", "is no line of user.conf"),
    ("target_qps = 5", "is no line of user.conf"),
]


@pytest.mark.parametrize(("line", "said"), REFUSED)
def test_what_the_round_does_not_leave_free_is_refused_with_its_line(
    line: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as refused:
        read(f"# mine\n{line}\n", tmp_path)
    sentence = str(refused.value)
    assert sentence.startswith(f"{tmp_path / 'my.conf'}, line 2: ")
    assert said in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")


def test_a_key_that_is_set_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"my\.conf, line 3: target_qps is set in line 1 already"):
        read("*.Server.target_qps = 5\n\n*.Server.target_qps = 5\n", tmp_path)


def test_a_line_for_all_scenarios_is_measured_by_the_one_whose_file_it_is(tmp_path: Path) -> None:
    rules = ROUND.scenarios["offline"].model_copy(update={"min_duration_s": 900})
    round_ = ROUND.model_copy(update={"scenarios": {**ROUND.scenarios, "offline": rules}})
    path = tmp_path / "my.conf"
    path.write_text("*.*.min_duration = 700000\n*.*.coalesce_queries = 1\n")
    server = read_own_user_conf(path, round_, round_.scenarios["server"])
    assert server == (None, ConfOverlay(min_duration=700000, coalesce_queries=True))
    with pytest.raises(InputError, match=r"line 1: min_duration is 700000, .* at least 900000 in Offline"):
        read_own_user_conf(path, round_, rules)
    path.write_text("*.*.coalesce_queries = 1\n")
    assert read_own_user_conf(path, round_, rules) == (None, NOTHING)


NAMES = [f"{MODEL}.Server", "*.Server", f"{MODEL}.*", "*.*"]


@given(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
def test_the_most_exact_name_wins_as_in_loadgen(names: list[str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        text = "".join(f"{name}.target_qps = {1 + NAMES.index(name)}\n" for name in names)
        assert read(text, Path(folder))[0] == 1 + min(map(NAMES.index, names))


WORDS = ["*", ".", "=", "#", "", MODEL, "Server", "Offline", "*.Server.target_qps", "*.*.min_duration", "1e3"]


@given(st.lists(st.lists(st.sampled_from(WORDS) | st.text(max_size=8), max_size=4), max_size=4))
def test_any_text_is_read_or_refused_in_one_sentence(lines: list[list[str]]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "my.conf"
        path.write_bytes("\n".join(map(" ".join, lines)).encode(errors="replace"))
        said = str(path)
        try:
            read_own_user_conf(path, ROUND, ROUND.scenarios["server"])
        except InputError as error:
            said = str(error)
        assert said.startswith(str(path))
        assert said.isprintable()


def test_single_stream_s_expected_latency_is_its_target_rate(tmp_path: Path) -> None:
    round_ = ROUND.model_copy(update={"scenarios": {"single-stream": SINGLE_STREAM}})
    path = tmp_path / "my.conf"
    path.write_text("toy.SingleStream.target_latency = 25\n")
    assert read_own_user_conf(path, round_, SINGLE_STREAM) == (40, NOTHING)
    path.write_text("*.SingleStream.target_latency_percentile = 50\n")
    with pytest.raises(InputError, match=r"fixes at 90\.0 in SingleStream"):
        read_own_user_conf(path, round_, SINGLE_STREAM)


def plan(text: str, folder: Path, target_qps: object = None) -> tuple[float | str, ConfOverlay]:
    (folder / "my.conf").write_text(text)
    settings = ScenarioSettings.parse({"target_qps": target_qps, "user_conf": "my.conf"}, "test")
    found = asked_scenario(settings, ROUND, "server", folder)
    return found.target_qps, found.overlay


def test_the_rate_comes_from_the_settings_or_the_file_and_never_from_both_at_once(tmp_path: Path) -> None:
    with_rate = "*.Server.target_qps = 12.5\n"
    assert plan(with_rate, tmp_path) == (12.5, NOTHING)
    assert plan(with_rate, tmp_path, 12.5) == (12.5, NOTHING)
    assert plan("*.Server.min_duration = 700000\n", tmp_path, "auto") == (
        "auto",
        ConfOverlay(min_duration=700000),
    )
    for stated in (11, "auto"):
        with pytest.raises(
            InputError, match=r"server: target_qps is .*, but my\.conf sets it to 12\.5; remove"
        ):
            plan(with_rate, tmp_path, stated)
    with pytest.raises(
        InputError, match=r"my\.conf sets no target rate; add target_qps to scenarios\.server"
    ):
        plan("*.Offline.target_qps = 3\n", tmp_path)
    with pytest.raises(InputError, match="set 'target_qps', or a 'user_conf' that sets it"):
        ScenarioSettings.parse({}, "test")


def test_a_missing_or_unreadable_file_is_named(tmp_path: Path) -> None:
    settings = ScenarioSettings(target_qps=1, user_conf=Path("gone.conf"))
    with pytest.raises(InputError, match=r"gone\.conf: cannot be read"):
        asked_scenario(settings, ROUND, "server", tmp_path)
    (tmp_path / "gone.conf").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not a text file"):
        asked_scenario(settings, ROUND, "server", tmp_path)


def test_a_job_gets_the_values_that_are_compared_and_checks_them_again() -> None:
    overlay = ConfOverlay(min_duration=900000, coalesce_queries=True)
    text = fingerprint("measurement", user_conf=overlay, target_qps=11.0)
    assert '"user_conf":{"coalesce_queries":true,"min_duration":900000}' in text
    assert JobSettings.of(text).user_conf == overlay
    assert fingerprint("measurement", user_conf=None) == fingerprint("measurement")
    with pytest.raises(InputError, match=r"unknown key 'user_conf\.target_latency'"):
        JobSettings.of('{"user_conf": {"target_latency": 1}}')
    short = JobSettings.of('{"user_conf": {"min_duration": 1}}').user_conf
    with pytest.raises(InputError, match=r"min_duration is 1, but round v6\.0 requires at least 600000"):
        short.over(ROUND, "server")


@pytest.mark.parametrize(
    ("line", "server", "interactive"),
    [
        ("*.Server.ttft_latency = 2000", "fixes at 2000 in Server", "fixes at 500 in Server"),
        ("*.Server.tpot_latency = 30", "fixes at 100 in Server", "fixes at 30 in Server"),
        ("*.*.use_token_latencies = 0", "fixes at 1", "fixes at 1"),
        ("*.*.performance_sample_count_override = 10", "fixes at 13368", "fixes at 13368"),
    ],
)
def test_limits_of_tokens_are_the_rounds_of_each_scenario(
    tmp_path: Path, line: str, server: str, interactive: str
) -> None:
    round_, path = load_round("llama3.1-8b/v6.0@datacenter"), tmp_path / "user.conf"
    path.write_text(line + "\n")
    for name, said in (("server", server), ("interactive", interactive)):
        with pytest.raises(InputError, match=re.escape(said)):
            read_own_user_conf(path, round_, round_.scenarios[name])
