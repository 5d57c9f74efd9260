"""Record real LoadGen runs with token latencies: its detail log, and what a client records of each request.

    python tests/unit/token_runs/record.py SCENARIO OUT.json

The system under test answers in this process; LoadGen must run once a process.
"""

import json
import sys
import threading
import time
from array import array
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mlperf_loadgen as lg

SAMPLES = 600
MODEL = "toy-tokens"
# LoadGen's scenario, and what the user.conf says in it.
CONF: dict[str, tuple[str, dict[str, float]]] = {
    "offline": ("Offline", {"target_qps": 1000, "min_query_count": SAMPLES}),
    "server": (
        "Server",
        {"target_qps": 400, "min_query_count": 2 * SAMPLES, "ttft_latency": 2000, "tpot_latency": 100},
    ),
    "interactive": (
        "Server",
        {"target_qps": 400, "min_query_count": 2 * SAMPLES, "ttft_latency": 500, "tpot_latency": 30},
    ),
    "single-stream": (
        "SingleStream",
        {"target_latency": 6, "target_latency_percentile": 90, "min_query_count": 64},
    ),
}
COMMON = {
    "min_duration": 1000,
    "use_token_latencies": 1,
    "sample_concatenate_permutation": 1,
    "performance_sample_count_override": SAMPLES,
}
_LEFT_OUT = ("power_begin", "power_end", "loaded_qsl_set", "loadgen_file_sha1", "generic_message")


def tokens_of(sample: int) -> int:
    """Return the tokens of the answer to a sample."""
    return 2 + sample * 7919 % 9


class Streaming:
    """Answers each query in a thread: a first token, and the rest some time later."""

    def __init__(self, *, streamed: bool) -> None:
        self.streamed = streamed
        self.rows: list[list[int]] = []
        self._ids = array("i", range(100))
        self._address = self._ids.buffer_info()[0]

    def issue(self, queries: list[Any]) -> None:
        """Begin to answer."""
        now = time.monotonic_ns()
        for place, query in enumerate(queries):
            wait_s = 0.002 if self.streamed else 1.1 * (place + 1) / len(queries)
            arguments = (query.id, query.index, now, wait_s)
            threading.Thread(target=self._answer, args=arguments).start()

    def _answer(self, number: int, sample: int, planned_ns: int, wait_s: float) -> None:
        tokens = tokens_of(sample)
        time.sleep(wait_s)
        first_ns = time.monotonic_ns()
        if self.streamed:
            lg.FirstTokenComplete([lg.QuerySampleResponse(number, self._address, 4, 1)])
            time.sleep(0.0005 * (tokens - 1))
        end_ns = time.monotonic_ns()
        self.rows.append([sample, tokens, planned_ns, first_ns, end_ns])
        lg.QuerySamplesComplete([lg.QuerySampleResponse(number, self._address, 4 * tokens, tokens)])


def run(scenario: str, out: Path) -> list[list[int]]:
    """Run LoadGen once, with its logs in a folder; return sample, tokens, and times in ns."""
    name, own = CONF[scenario]
    conf = out / "user.conf"
    conf.write_text("".join(f"{MODEL}.{name}.{key} = {value}\n" for key, value in (COMMON | own).items()))
    settings = lg.TestSettings()
    settings.scenario = getattr(lg.TestScenario, name)
    settings.mode = lg.TestMode.PerformanceOnly
    settings.FromConfig(str(conf), MODEL, name)
    system = Streaming(streamed=name != "Offline")
    sut = lg.ConstructSUT(system.issue, lambda: None)
    qsl = lg.ConstructQSL(SAMPLES, SAMPLES, lambda _: None, lambda _: None)
    log = lg.LogSettings()
    log.enable_trace = False
    log.log_output.outdir = str(out)
    lg.StartTestWithLogSettings(sut, qsl, settings, log, str(out / "no-audit.config"))
    return system.rows


def main() -> None:
    """Record one scenario."""
    scenario, target = sys.argv[1], Path(sys.argv[2])
    with TemporaryDirectory() as folder:
        rows = run(scenario, Path(folder))
        lines = (Path(folder) / "mlperf_log_detail.txt").read_text().splitlines()
    entries = [json.loads(line.removeprefix(":::MLLOG")) for line in lines]
    values = {entry["key"]: entry["value"] for entry in entries if entry["key"] not in _LEFT_OUT}
    start = min(row[2] for row in rows)
    kept = [[row[0], row[1], *((at - start) // 1000 for at in row[2:])] for row in rows]
    head, tail = json.dumps(values, indent=1), ",\n".join(map(json.dumps, kept))
    target.write_text(f'{{"values": {head},\n"requests": [\n{tail}\n]}}\n')


if __name__ == "__main__":
    main()
