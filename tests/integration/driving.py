"""Helpers for tests of the load client: small stores, small rounds, and one run against endpoints."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from endpoint import Endpoint, Step, answer, chunked, events

from weighbridge.benchmarks.rounds import load_round
from weighbridge.client.issuer import Target
from weighbridge.client.sample_counts import Observe
from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.request_settings import RequestSettings
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import (
    LatencyLimit,
    LatencyMetric,
    Limits,
    LoadGenScenario,
    Mode,
)
from weighbridge.core.openai_api import AnswerKind, Api
from weighbridge.loadgen.loadgen_issuer import LoadGenIssuer
from weighbridge.records.run_record import LoadReport
from weighbridge.records.store_manifest import StoreOrigin
from weighbridge.requests.store import RequestStore, write_store


@contextmanager
def beside(work: Callable[[threading.Event], object]) -> Iterator[None]:
    """Do work on a thread beside a with block, whose end the event tells it."""
    over = threading.Event()
    thread = threading.Thread(target=work, args=(over,))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


STREAM = ',"stream":true,"stream_options":{"include_usage":true}}'
"""The end of a streamed request of a small store."""


def small_store(
    out: Path,
    samples: int,
    *,
    stream: bool = False,
    padding: int = 0,
    api: Api = Api.CHAT,
    answers: AnswerKind = AnswerKind.TEXT,
    streamed: tuple[str, str] | None = None,
) -> Path:
    """Write a store whose requests say 'sample N', which the scripted endpoint reads.

    The JSON has no spaces, as the OpenAI client writes it, so that a warm-up sends the same bytes.
    """
    settings = RequestSettings(stream=stream)
    prefix = f'{{"model":"tiny","{api.prompt_field}":'
    suffix = STREAM if stream else "}"

    def body(number: int) -> bytes:
        text = f"sample {number} " + "x" * padding
        prompt = [{"role": "user", "content": text}] if api is Api.CHAT else text
        return f"{prefix}{json.dumps(prompt, separators=(',', ':'))}{suffix}".encode()

    origin = StoreOrigin(
        benchmark="b",
        api=api,
        answers=answers,
        model_name="tiny",
        settings=settings,
        prefix=prefix,
        suffix=suffix,
        streamed=streamed,
    )
    write_store(out, map(body, range(samples)), lambda: origin)
    return out


def small_round(samples: int, *, duration_s: float = 0.1, token_latencies: bool = False) -> Round:
    """Return the demo round with fewer samples and shorter runs, and a scenario SingleStream."""
    demo = load_round("demo")
    rules = {"min_duration_s": duration_s, "min_query_count": samples}
    scenarios = {name: found.model_copy(update=rules) for name, found in demo.scenarios.items()}
    scenarios["singlestream"] = scenarios["offline"].model_copy(
        update={
            "name": "singlestream",
            "folder": "SingleStream",
            "loadgen_scenario": LoadGenScenario.SINGLE_STREAM,
            "metric": LatencyMetric(latency_percentile=0.9),
        }
    )
    if token_latencies:
        limits = Limits(ttft=LatencyLimit(limit_s=2), tpot=LatencyLimit(limit_s=0.1))
        scenarios["server"] = scenarios["server"].model_copy(update={"limits": limits})
    return demo.model_copy(
        update={
            "samples": samples,
            "loadgen": demo.loadgen_rules.model_copy(update={"token_latencies": token_latencies}),
            "scenarios": scenarios,
        }
    )


class Case(NamedTuple):
    """A scenario, and whether LoadGen measures its token latencies, of answers that are token ids."""

    scenario: str
    of_tokens: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """Return how `run_against` runs it."""
        if not self.of_tokens:
            return {"scenario": self.scenario}
        kinds = {"api": Api.COMPLETIONS, "answers": AnswerKind.TOKENS}
        return {"scenario": self.scenario, "token_latencies": True, "stream": True, **kinds}

    def answer(self) -> list[Step]:
        """Return a valid answer."""
        if not self.of_tokens:
            return answer("x")
        return [chunked(events("a", "b", tokens=3, api=Api.COMPLETIONS, ids=[[1], [2, 3]]))]


CASES = [Case("offline"), Case("server"), Case("server", True), Case("singlestream", True)]
CASE_NAMES = ["offline", "server", "server tokens", "singlestream tokens"]


class Run:
    """One finished run: its report and its files."""

    def __init__(self, report: LoadReport, out: Path) -> None:
        self.report, self.out = report, out

    @property
    def answers(self) -> dict[int, bytes]:
        """The accuracy log's answers by sample; each sample must occur exactly once."""
        entries = json.loads((self.out / "mlperf_log_accuracy.json").read_text())
        counts = Counter(entry["qsl_idx"] for entry in entries)
        assert set(counts.values()) == {1}
        return {entry["qsl_idx"]: bytes.fromhex(entry["data"]) for entry in entries}

    @property
    def errors(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in (self.out / "errors.jsonl").read_text().splitlines()]

    @property
    def logged(self) -> dict[str, object]:
        """LoadGen's detail log: the last value of each key."""
        lines = (self.out / "mlperf_log_detail.txt").read_text().splitlines()
        entries = [json.loads(line.removeprefix(":::MLLOG ")) for line in lines]
        return {entry["key"]: entry["value"] for entry in entries}

    @property
    def log_errors(self) -> list[str]:
        """Errors that LoadGen logged."""
        lines = (self.out / "mlperf_log_detail.txt").read_text().splitlines()
        return [line for line in lines if '"is_error": true' in line]

    @property
    def token_errors(self) -> list[str]:
        """Errors that LoadGen logged of tokens: a sample without a first one, or with too few."""
        return [line for line in self.log_errors if "token" in line]

    @property
    def summary(self) -> str:
        return (self.out / "mlperf_log_summary.txt").read_text()


def run_against(
    endpoints: Sequence[Endpoint | str],
    folder: Path,
    samples: int,
    *,
    scenario: str = "offline",
    mode: Mode = Mode.ACCURACY,
    target_qps: float = 200,
    stream: bool = False,
    duration_s: float = 0.1,
    token_latencies: bool = False,
    padding: int = 0,
    api: Api = Api.CHAT,
    answers: AnswerKind = AnswerKind.TEXT,
    streamed: tuple[str, str] | None = None,
    observe: Observe | None = None,
    **client: object,
) -> Run:
    """Run LoadGen once against the endpoints, in a scenario of the demo round or in 'singlestream'."""
    round_ = small_round(samples, duration_s=duration_s, token_latencies=token_latencies)
    issuer = LoadGenIssuer(round_, round_.scenarios[scenario], mode, target_qps)
    store = small_store(
        folder / "store", samples, stream=stream, padding=padding, api=api, answers=answers, streamed=streamed
    )
    target = Target(
        tuple(e.url if isinstance(e, Endpoint) else e for e in endpoints),
        RequestStore.open(store, streamed=round_.streams(round_.scenarios[scenario])),
        ClientSettings.parse({"connections": 32, **client}, "test"),
    )
    return Run(issuer.issue(target, folder / "run", observe), folder / "run")
