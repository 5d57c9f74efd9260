"""Reading a /metrics page: the words of vLLM and SGLang, and several engines as one server."""

import math
from collections import defaultdict
from statistics import fmean

from prometheus_client.parser import text_string_to_metric_families

from weighbridge.system.telemetry.samples import Metric

# vLLM 0.12 (vllm/v1/metrics/loggers.py; gpu_cache_usage_perc was the name before 0.11) and SGLang 0.5
# (srt/metrics/collector.py), which counts the prompt's tokens found in its cache.
_WORDS = {
    "vllm:num_requests_running": Metric.REQUESTS_RUNNING,
    "vllm:num_requests_waiting": Metric.REQUESTS_WAITING,
    "vllm:kv_cache_usage_perc": Metric.KV_CACHE_USAGE,
    "vllm:gpu_cache_usage_perc": Metric.KV_CACHE_USAGE,
    "vllm:num_preemptions_total": Metric.PREEMPTIONS,
    "vllm:prompt_tokens_total": Metric.PROMPT_TOKENS,
    "vllm:generation_tokens_total": Metric.GENERATION_TOKENS,
    "vllm:prefix_cache_queries_total": Metric.PREFIX_CACHE_QUERIES,
    "vllm:prefix_cache_hits_total": Metric.PREFIX_CACHE_HITS,
    "sglang:num_running_reqs": Metric.REQUESTS_RUNNING,
    "sglang:num_queue_reqs": Metric.REQUESTS_WAITING,
    "sglang:token_usage": Metric.KV_CACHE_USAGE,
    "sglang:prompt_tokens_total": Metric.PROMPT_TOKENS,
    "sglang:generation_tokens_total": Metric.GENERATION_TOKENS,
    "sglang:cached_tokens_total": Metric.PREFIX_CACHE_HITS,
}
_NAMES = tuple(_WORDS)


def read_page(text: str) -> dict[Metric, float]:
    """Take the figures from a page; those of several engines are added up, shares are averaged.

    Raises:
        ValueError: a line that should hold a figure does not.
    """
    # Most of a page is histograms, and the parser is slow: 18 ms for a page of two engines, 0.6 ms this way.
    lines = [line for line in text.split("\n") if line.startswith(_NAMES)]
    found: defaultdict[Metric, list[float]] = defaultdict(list)
    for family in text_string_to_metric_families("\n".join([*lines, ""])):
        for sample in family.samples:
            metric = _WORDS.get(sample.name)  # another name may begin with one of ours
            if metric is not None and math.isfinite(sample.value):
                found[metric].append(sample.value)
    return {
        metric: fmean(values) if metric is Metric.KV_CACHE_USAGE else sum(values)
        for metric, values in found.items()
    }
