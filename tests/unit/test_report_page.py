"""The report's page: every part is shown or explained, and no text from outside becomes markup."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from loadgen_files import small_round, write_results
from markupsafe import Markup
from probes import peak, probe
from report_files import error_analysis, write_requests, write_telemetry

from weighbridge.config.metric_rules import MetricRules
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import LatencyLimit, Limits, Mode
from weighbridge.core.errors import InputError
from weighbridge.evaluation.error_analysis import ErrorAnalysis
from weighbridge.report import write_report
from weighbridge.report.chart import GROUPS, ChartGap
from weighbridge.report.charts import charts_of
from weighbridge.report.inputs import Missing, read_inputs
from weighbridge.report.latency_charts import TITLES
from weighbridge.report.page import RenderedChart, mark_code, render_page
from weighbridge.report.summary import summarise

ROUND = small_round()
SECTIONS = ["verdicts", "rates", "figures", "accuracy", "search", "time", "provenance"]
HOSTILE = (
    "</pre></details><script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)>{{ 7 * 7 }}\"&'"
)


class Page(HTMLParser):
    """A page's elements and texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._skipped = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._skipped = tag == "style"

    def handle_endtag(self, _tag: str) -> None:
        self._skipped = False

    def handle_data(self, data: str) -> None:
        if not self._skipped:
            self.text += data

    @property
    def words(self) -> str:
        return " ".join(self.text.split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Results with everything that a report can show but an error analysis, which tests bring themselves."""
    folder = tmp_path / "results"
    write_results(folder, ROUND)
    chance = np.random.default_rng(3)
    for scenario in ROUND.scenarios:
        for mode in ("performance", "accuracy"):
            write_requests(folder / scenario / mode / "requests.parquet", chance.lognormal(1, 0.5, 1200))
        write_telemetry(
            folder / scenario / "performance" / "telemetry.parquet",
            {
                ("server 0", "requests_running"): [4] * 90,
                ("server 0", "requests_waiting"): [1] * 90,
                ("server 0", "kv_cache_usage"): [0.5] * 90,
                ("server 0", "generation_tokens"): [*range(0, 9000, 100)],
                ("server 0", "preemptions"): [0] * 60 + [2] * 30,
                ("server 0", "prefix_cache_hits"): [0] * 90,
                ("gpu 0", "utilisation"): [0.9] * 90,
                ("gpu 0", "power_w"): [600] * 90,
                ("gpu 0", "memory_used_bytes"): [1e11] * 90,
                ("process loadgen", "cpu_cores"): [0.5] * 90,
                ("process server", "cpu_cores"): [8] * 90,
                ("host", "cpu_cores"): [9] * 90,
            },
        )
    found = peak(probe(1, 10, 4), probe(2, 20, 30), probe(3, 14, 11, full_length=True))
    (folder / "server" / "peak.json").write_text(found.model_dump_json())
    return folder


def page_of(results: Path, round_: Round | None = ROUND, analysis: ErrorAnalysis | None = None) -> Page:
    """Return the page with placeholders for charts: drawing takes seconds, and other tests cover it."""
    inputs = read_inputs(results, round_)
    studies: dict[str, ErrorAnalysis | Missing] = {
        scenario: analysis or Missing("not analysed") for scenario in inputs.round_.scenarios
    }
    pictures = [
        RenderedChart(chart.group, chart.title, chart.sentence, None)
        if isinstance(chart, ChartGap)
        else RenderedChart(chart.group, chart.title, chart.caption, Markup("<svg></svg>"), chart.key)
        for chart in charts_of(inputs, studies)
    ]
    return Page(render_page(inputs, studies, pictures))


def written(results: Path, **options: Path) -> Page:
    """Write the report as a user does, and return it."""
    write_report(results, results / "report.html", round_=ROUND, **options)
    return Page((results / "report.html").read_text())


HARMFUL = error_analysis(HOSTILE, image=b"\x89PNG not really")


def test_every_part_is_shown_in_order(results: Path) -> None:
    page = page_of(results, analysis=HARMFUL)
    ids = [attributes["id"] for attributes in page.all("section") if "id" in attributes]
    assert [each for each in ids if each in SECTIONS] == SECTIONS
    assert len(page.all("svg")) == 3 + 2 + 4 + 2 + 4 + 1 + 1
    for said in (
        "VALID",
        "20 queries/s",  # its requests came in bursts: 19.5 with a standard error of 1.4
        "24 samples/s",
        "p99.9",
        "Preemptions: 2",
        "prefix cache: 0",
        "41 answers",
    ):
        assert said in page.words
    assert page.words.startswith("Demonstration with model, round small")
    assert "H200" not in page.words  # of published results, which are of other work


def test_the_time_of_servers_is_divided_into_shares(results: Path) -> None:
    assert "Not recorded: these runs were made by an earlier release, or by hand." in page_of(results).words
    # Its runs are over in the minute after it was ready; 60 s of start, 120 s in all.
    life = {"id": "one", "gpus": 8, "started": "2025-12-31T23:59:00Z", "ready": "2026-01-01T00:00:00Z"}
    life |= {"stages": {"loading weights": 50.0}, "ended": "2026-01-01T00:01:00Z"}
    (results / "lives" / "one").mkdir(parents=True)
    (results / "lives" / "one" / "life.json").write_text(json.dumps(life))
    path = results / "offline" / "performance" / "run.json"
    record = json.loads(path.read_text())
    record["server"] |= {"life": {"id": "one", "number": 1}, "warmup_s": 6.0}
    record["load"] |= {"started": "2026-01-01T00:00:06Z", "ended": "2026-01-01T00:00:54Z"}
    path.write_text(json.dumps(record))
    words = page_of(results).words
    assert "Outside measured runs: 60.0 % of 0.267 GPU h, over 1 start of the server." in words
    assert "Start of one: loading weights 50 s." in words
    summary = summarise(results).servers
    assert summary is not None
    assert (summary.unit, summary.starts) == ("GPU h", 1)
    assert summary.outside_measured_share == pytest.approx(0.6)
    assert summary.hours["measured"] == pytest.approx(8 * 48 / 3600)


def test_every_anchor_resolves_and_no_id_is_given_twice(results: Path) -> None:
    page = page_of(results, analysis=HARMFUL)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for link in page.all("a"):
        assert link["href"] is not None
        assert link["href"].removeprefix("#") in ids


def test_nothing_is_loaded_from_anywhere(results: Path) -> None:
    page = page_of(results, analysis=HARMFUL)
    policies = [
        meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]
    for _, attributes in page.elements:
        for name in ("src", "href", "srcset", "action", "data"):
            assert re.match(r"#|data:|$", attributes.get(name) or ""), attributes


def test_texts_from_outside_are_shown_and_never_become_markup(results: Path) -> None:
    for mode in ("performance", "accuracy"):
        path = results / "server" / mode / "run.json"
        record = json.loads(path.read_text())
        record["server"] |= {"model_name": HOSTILE, "golden": HOSTILE, "command": [HOSTILE]}
        record["load"]["warnings"] = [HOSTILE]
        path.write_text(json.dumps(record))
    verdict = json.loads((results / "server" / "verdict.json").read_text())
    verdict["checks"][0] |= {"passed": False, "remedy": HOSTILE, "value": HOSTILE}
    (results / "server" / "verdict.json").write_text(json.dumps(verdict))
    page = page_of(results, analysis=HARMFUL)
    assert not page.all("script")
    assert {image["src"][:22] for image in page.all("img")} == {"data:image/png;base64,"}  # type: ignore[index]
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    # Each place shows it as it was: a title, a truth, an answer, a group; what could not be read; a warning.
    assert page.text.count(HOSTILE) >= 10
    assert "49" not in page.text.split("alert(2)>")[1][:5]


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("server/performance/run.json", "results/server/performance/run.json makes it"),
        ("server/performance/requests.parquet", "repeat the run; its client writes it"),
        ("server/performance/telemetry.parquet", "its client samples servers and machines"),
        ("server/verdict.json", "snakemake verdicts judges the runs"),
        ("offline/accuracy.json", "results/offline/accuracy.json scores the answers"),
        ("server/accuracy/run.json", "results/server/accuracy/run.json makes it"),
        ("server/peak.json", "results/server/peak.json searches for the highest rate"),
    ],
)
@pytest.mark.parametrize("how", ["absent", "damaged", "empty"])
def test_a_missing_part_is_shown_with_its_remedy(results: Path, gone: str, said: str, how: str) -> None:
    path = results / gone
    if how == "absent":
        path.unlink()
    else:
        path.write_bytes(b"{]" if how == "damaged" else b"")
    page = page_of(results)
    assert (said if how == "absent" else path.name) in page.words
    assert all(f"#{section}" in [link["href"] for link in page.all("a")] for section in SECTIONS)


def test_one_run_alone_makes_a_report(results: Path) -> None:
    for path in sorted(results.rglob("*"), reverse=True):
        if path.is_file() and path.parent != results / "server" / "performance":
            path.unlink()
    page = page_of(results)
    assert len(page.all("svg")) == 3 + 1 + 2 + 1 + 2
    assert page.words.count("snakemake verdicts") == 2


def test_a_round_with_one_scenario_does_not_mention_another(results: Path) -> None:
    offline = {"offline": ROUND.scenarios["offline"]}
    page = page_of(results, ROUND.model_copy(update={"scenarios": offline}))
    assert "Server: " not in page.words


def test_every_gated_metric_is_shown_with_its_bounds(results: Path) -> None:
    for scenario in ROUND.scenarios:
        path = results / scenario / "verdict.json"
        verdict = json.loads(path.read_text())
        path.write_text(json.dumps(verdict | {"metrics": {"f1": 0.79, "answer_length": 0.7}}))
    bounds = {"f1": MetricRules(floor=0.78), "answer_length": MetricRules(floor=0.5, ceiling=0.9)}
    words = page_of(results, ROUND.model_copy(update={"metrics": bounds})).words
    # On each scenario's card, and in its table of scores.
    assert words.count("F10.7900floor 0.78") == 2 * len(ROUND.scenarios)
    assert words.count("answer length0.7000floor 0.5, ceiling 0.9") == len(ROUND.scenarios)


def test_latencies_without_a_limit_of_their_own_are_drawn(results: Path) -> None:
    limits = {"limits": Limits(ttft=LatencyLimit(limit_s=2))}
    scenarios = ROUND.scenarios | {"server": ROUND.scenarios["server"].model_copy(update=limits)}
    page = page_of(results, ROUND.model_copy(update={"scenarios": scenarios}))
    assert len(page.all("svg")) == len(page_of(results).all("svg"))
    assert "The round has no limit for these latencies." in page.words


def test_first_tokens_of_streamed_answers_are_drawn_with_their_limits(results: Path) -> None:
    record = results / "server" / "performance" / "run.json"
    content = json.loads(record.read_text())
    record.write_text(json.dumps(content | {"requests": {"stream": True}}))
    limits = {"limits": Limits(ttft=LatencyLimit(limit_s=2), tpot=LatencyLimit(limit_s=0.1))}
    scenarios = ROUND.scenarios | {"server": ROUND.scenarios["server"].model_copy(update=limits)}
    page = page_of(results, ROUND.model_copy(update={"scenarios": scenarios}))
    drawn = [text for key, titles in TITLES.items() for text in titles if key != "latency"]
    assert [text for text in drawn if f"Server: {text}" not in page.words] == []
    assert "Server: distribution of latencies" in page.words
    assert "Server: latency over the run" not in page.words  # no limit applies to it
    assert page.words.count("Time per output token") == 1


def test_the_searches_of_several_scenarios_are_shown(results: Path) -> None:
    interactive = ROUND.scenarios["server"].model_copy(
        update={"name": "interactive", "folder": "Interactive"}
    )
    round_ = ROUND.model_copy(update={"scenarios": ROUND.scenarios | {"interactive": interactive}})
    found = peak(probe(1, 7, 4, full_length=True))
    (results / "interactive").mkdir()
    (results / "interactive" / "peak.json").write_text(found.model_dump_json())
    words = page_of(results, round_).words
    for said in (
        "Server: confirmed by a run of full length: 14 queries/s",
        "Interactive: confirmed by a run of full length: 7 queries/s",
        "The search for the highest rate that passes: Server",
        "The search for the highest rate that passes: Interactive",
        "All 3 runs of the search, Server",
        "All 1 runs of the search, Interactive",
    ):
        assert said in words
    alone = page_of(results).words
    assert "Confirmed by a run of full length: 14 queries/s" in alone
    assert "The search for the highest rate that passes: " not in alone


def test_results_of_another_round_are_not_shown(results: Path) -> None:
    page = page_of(results, small_round(name="other"))
    assert "belongs to round small, this report to other" in page.words
    assert not page.all("svg")


def test_an_empty_folder_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no run and no verdict"):
        write_report(tmp_path, tmp_path / "report.html")


def test_a_round_outside_the_release_must_be_passed(results: Path) -> None:
    with pytest.raises(InputError, match="pass it as --round"):
        write_report(results, results / "report.html")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "Demonstration, not submittable."),
        ({"simulated": True}, "Simulated, not submittable."),
        ({"submittable": True}, None),
    ],
)
def test_results_that_are_not_submittable_are_marked_first(
    results: Path, changes: dict[str, bool], said: str | None
) -> None:
    page = page_of(results, small_round(**changes))
    banners = [said in page.words.split("Verdicts")[0]] if said else ["not submittable" not in page.words]
    assert banners == [True]


def test_remedies_are_shown_once_and_colour_is_never_the_only_sign(results: Path) -> None:
    path = results / "server" / "verdict.json"
    verdict = json.loads(path.read_text())
    for check in verdict["checks"][:2]:
        check |= {"passed": False, "remedy": "Do this.", "value": 13.5, "limit": "<= 12 s"}
    verdict["checks"][2] |= {"passed": None, "remedy": "Do that."}
    path.write_text(json.dumps(verdict | {"outcome": "INVALID"}))
    words = page_of(results).words
    assert "✕ INVALID" in words
    todo = words.split("Server: what to do")[1].split("Offline: all")[0]
    assert todo.count("Do this.") == todo.count("Do that.") == 1
    assert todo.count("✕ failed") == 2
    assert todo.count("? not known") == 1
    assert "13.5, required: <= 12 s" in todo


def test_failed_requests_and_early_ends_are_shown(results: Path) -> None:
    path = results / "server" / "performance" / "run.json"
    record = json.loads(path.read_text())
    record["load"] |= {
        "failed": {"status_500": 4, "timeout": 0},
        "aborted": "the server died",
        "warnings": ["slow"],
    }
    path.write_text(json.dumps(record))
    words = page_of(results).words
    assert "4 (4 status_500)" in words
    assert "Server performance: ended early: the server died" in words
    assert "Server performance: slow" in words


def test_requests_without_an_answer_are_shown(results: Path) -> None:
    folder = results / "server" / "performance"
    record = json.loads((folder / "run.json").read_text())
    record["load"] |= {"failed": {"reset": 60}, "completed": 1140}
    (folder / "run.json").write_text(json.dumps(record))
    write_requests(folder / "requests.parquet", np.full(1200, 2.0), failed=60)
    words = page_of(results).words
    assert "Server performance: 60 of 1,200 requests got no answer" in words
    assert "1,200 requests: median 2.00 s, p99 no answer, slowest no answer. 60 of them failed" in words
    # All lost, or all failed: there is nothing to draw, and no figure of a part.
    write_requests(folder / "requests.parquet", np.full(1200, 2.0), failed=1200)
    assert "No request was answered" in page_of(results).words
    write_requests(folder / "requests.parquet", np.full(98, 2.0))
    assert "holds 98 of the 1200 requests that were issued" in page_of(results).words


def test_facts_are_shown_once_where_the_runs_agree(results: Path) -> None:
    path = results / "server" / "performance" / "run.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"git_revision": "1" * 40}))
    words = page_of(results).words.split("Provenance")[-1]
    assert words.count("c" * 64) == words.count("d" * 64) == 1
    assert f"{'1' * 40} Server performance" in words
    assert f"{'0' * 40} Offline performance, Offline accuracy, Server accuracy" in words
    assert "VLLM_CPU_KVCACHE_SPACE=1 vllm serve model" in words


def test_guided_decoding_and_the_text_around_every_prompt_are_shown(results: Path) -> None:
    assert "guided decoding" not in page_of(results).words  # runs of older releases did not record it
    for path in results.glob("*/*/run.json"):
        record = json.loads(path.read_text())
        envelope = ['{"model":"m","messages":', ',"response_format":{"type":"json_schema"}}']
        path.write_text(json.dumps(record | {"requests": {"guided_decoding": True}, "envelope": envelope}))
    words = page_of(results).words.split("Provenance")[-1]
    assert "guided decoding used: every request demands the JSON schema of answers" in words
    assert ',"response_format":{"type":"json_schema"}}' in words


def test_endpoints_have_no_command(results: Path) -> None:
    for path in results.glob("*/*/run.json"):
        record = json.loads(path.read_text())
        record["server"] |= {"command": [], "environment": {}}
        path.write_text(json.dumps(record))
    words = page_of(results).words
    assert words.count("their commands are not known") == 4
    assert "weights those that the user's servers loaded: not proven here" in words


def test_every_figure_is_in_the_page_and_a_file_and_those_of_an_earlier_report_are_gone(
    results: Path,
) -> None:
    page = written(results, figures=results / "figures")
    files = list((results / "figures").rglob("*.png"))
    assert len(page.all("svg")) == len(files) == 16
    text = (results / "report.html").read_text()
    assert "url(" not in re.sub(r"url\(#[\w.-]+\)", "", text)
    (results / "server" / "performance" / "telemetry.parquet").unlink()
    assert written(results, figures=results / "figures").text != page.text
    assert {path.name for path in (results / "figures").iterdir()} == set(GROUPS)
    assert not list((results / "figures" / "machines").glob("server-*"))


def test_the_same_results_make_the_same_page_with_and_without_files(results: Path) -> None:
    written(results)
    first = (results / "report.html").read_bytes()
    written(results, figures=results / "figures")
    assert (results / "report.html").read_bytes() == first


def test_without_dataset_the_error_analysis_is_missing(results: Path) -> None:
    assert "pass --dataset, --prompt where" in written(results).words


def test_a_truncated_accuracy_log_is_reported_and_the_rest_shown(
    results: Path, tmp_path: Path, root: Path
) -> None:
    (results / "server" / "accuracy" / "mlperf_log_accuracy.json").write_text("[\n")
    page = written(results, dataset=tmp_path, prompt=root / "demo" / "prompt.json")
    assert len(page.all("svg")) == 16
    assert "mlperf_log_accuracy.json" in page.words.split("Scores by level")[2]


def test_a_run_without_requests_has_no_telemetry_either(results: Path) -> None:
    (results / "server" / "performance" / "requests.parquet").unlink()
    run = read_inputs(results, ROUND).runs["server", Mode.PERFORMANCE]
    assert not isinstance(run, Missing)
    assert isinstance(run.requests, Missing)
    assert run.telemetry == run.requests


def test_code_in_a_sentence_is_marked_and_the_rest_escaped() -> None:
    assert mark_code("run `a <b>`: <i>") == "run <code>a &lt;b&gt;</code>: &lt;i&gt;"
