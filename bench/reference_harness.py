"""Run the reference implementation's task with its LoadGen on the bodies of a request store.

    python bench/reference_harness.py CHECKOUT URL STORE SAMPLES RATE whole|stream OUT

Its code is used as it is: how it issues, sends, reads and completes. Only the samples come from the store
instead of the hub. RATE 0 is Offline. Prints when LoadGen issued the first sample, and when it had ended.
"""

import json
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from time import monotonic_ns
from typing import Any

from weighbridge.requests.bodies import Bodies

SEEDS = {
    "qsl_rng_seed": 2465351861681999779,
    "sample_index_rng_seed": 14276810075590677512,
    "schedule_rng_seed": 3936089224930324775,
}


def main() -> None:
    """Run it once."""
    checkout, url, store, samples, rate, answers, out = sys.argv[1:]
    sys.path.insert(0, str(Path(checkout) / "multimodal" / "qwen3-vl" / "src"))
    from loguru import logger
    from mlperf_inf_mm_q3vl import schema, task
    from mlperf_inf_mm_q3vl.benchmark import run_benchmark

    logger.remove()  # what it logs on a terminal is no part of what is compared
    logger.add(sys.stderr, level="WARNING")
    bodies, count = Bodies(Path(store)), int(samples)

    def formulate(sample: int, *, use_guided_decoding: bool = False) -> Any:
        assert not use_guided_decoding
        return schema.LoadedSample(messages=json.loads(bytes(bodies[sample % len(bodies)]))["messages"])

    issued_ns: list[int] = []

    def constructed(issue: Callable[[list[Any]], None], flush: Callable[[], None]) -> int:
        def noted(samples: list[Any]) -> None:
            issued_ns.append(monotonic_ns())
            issue(samples)

        return int(construct(noted, flush))

    construct, task.lg.ConstructSUT = task.lg.ConstructSUT, constructed
    task.load_dataset = lambda *_, **__: range(count)
    task.ShopifyGlobalCatalogue.formulate_loaded_sample = staticmethod(formulate)
    server = float(rate) > 0
    test = schema.TestSettings(
        scenario=schema.TestScenario.SERVER if server else schema.TestScenario.OFFLINE,
        server_target_qps=float(rate) or 1.0,
        offline_expected_qps=1.0,
        min_duration=timedelta(seconds=1),
        min_query_count=count,
        performance_sample_count_override=count,
        use_token_latencies=answers == "stream",
        **SEEDS,
    )
    logging = schema.LogSettings(
        log_output=schema.LogOutputSettings(outdir=out, copy_summary_to_stdout=False), enable_trace=False
    )
    endpoint = schema.Endpoint(
        url=url,
        api_key="none",
        model=schema.Model(repo_id="m"),
        sampling_params=schema.SamplingParams(),
    )
    settings = schema.Settings(test=test, user_conf=schema.UserConf(), logging=logging)
    run_benchmark(settings, schema.Dataset(), endpoint, 12345)
    print(json.dumps({"start_ns": issued_ns[0], "end_ns": monotonic_ns()}))


if __name__ == "__main__":
    main()
