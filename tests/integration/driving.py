"""Helpers for tests of the load client: small stores, small rounds, and one run against endpoints."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from endpoint import Endpoint

from weighbridge.benchmarks.rounds import load_round
from weighbridge.client.issuer import Target
from weighbridge.client.process_group import Observe
from weighbridge.config.request_settings import RequestSettings
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode
from weighbridge.config.settings import ClientSettings
from weighbridge.core.openai_api import Api
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


def small_store(
    out: Path, samples: int, *, stream: bool = False, padding: int = 0, api: Api = Api.CHAT
) -> Path:
    """Write a store whose requests say 'sample N', which the scripted endpoint reads.

    The JSON has no spaces, as the OpenAI client writes it, so that a warm-up sends the same bytes.
    """
    settings = RequestSettings(stream=stream)
    prefix = f'{{"model":"tiny","{api.prompt_field}":'
    suffix = ',"stream":true,"stream_options":{"include_usage":true}}' if stream else "}"

    def body(number: int) -> bytes:
        text = f"sample {number} " + "x" * padding
        prompt = [{"role": "user", "content": text}] if api is Api.CHAT else text
        return f"{prefix}{json.dumps(prompt, separators=(',', ':'))}{suffix}".encode()

    origin = StoreOrigin(
        benchmark="b", api=api, model_name="tiny", settings=settings, prefix=prefix, suffix=suffix
    )
    write_store(out, map(body, range(samples)), lambda: origin)
    return out


def small_round(samples: int, *, duration_s: float = 0.1, token_latencies: bool = False) -> Round:
    """Return the demo round with fewer samples and shorter runs."""
    demo = load_round("demo")
    rules = {"min_duration_s": duration_s, "min_query_count": samples}
    return demo.model_copy(
        update={
            "samples": samples,
            "loadgen": demo.loadgen_rules.model_copy(update={"token_latencies": token_latencies}),
            "scenarios": {name: found.model_copy(update=rules) for name, found in demo.scenarios.items()},
        }
    )


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
    observe: Observe | None = None,
    **client: object,
) -> Run:
    """Run LoadGen once against the endpoints."""
    round_ = small_round(samples, duration_s=duration_s, token_latencies=token_latencies)
    issuer = LoadGenIssuer(round_, round_.scenarios[scenario], mode, target_qps)
    store = small_store(folder / "store", samples, stream=stream, padding=padding, api=api)
    target = Target(
        tuple(e.url if isinstance(e, Endpoint) else e for e in endpoints),
        RequestStore.open(store),
        ClientSettings.parse({"connections": 32, **client}, "test"),
    )
    return Run(issuer.issue(target, folder / "run", observe), folder / "run")
