"""telemetry.parquet: the metrics that the recorder writes and the report reads.

Each row is one value: `time_ns` (monotonic clock, as in requests.parquet), `source` ("server 0", "gpu 3",
"process loadgen", "host"), `metric` and `value`.
"""

from enum import StrEnum


class Metric(StrEnum):
    """The metric of a row. A counter starts at 0 with its server, or with the GPU driver."""

    # From a server's /metrics page; each server adapter maps its own names to these.
    REQUESTS_RUNNING = "requests_running"
    REQUESTS_WAITING = "requests_waiting"
    KV_CACHE_USAGE = "kv_cache_usage"  # 0 to 1
    PREEMPTIONS = "preemptions"  # counter
    PROMPT_TOKENS = "prompt_tokens"  # counter
    GENERATION_TOKENS = "generation_tokens"  # counter
    PREFIX_CACHE_QUERIES = "prefix_cache_queries"  # counter, in tokens
    PREFIX_CACHE_HITS = "prefix_cache_hits"  # counter, in tokens
    EXTERNAL_PREFIX_CACHE_HITS = "external_prefix_cache_hits"  # counter, in tokens: from outside the server

    # From the GPUs' driver.
    UTILISATION = "utilisation"  # 0 to 1
    MEMORY_USED_BYTES = "memory_used_bytes"
    POWER_W = "power_w"
    TEMPERATURE_C = "temperature_c"
    ECC_UNCORRECTED = "ecc_uncorrected"  # counter
    SM_CLOCK_MHZ = "sm_clock_mhz"
    THROTTLED = (
        "throttled"  # 1: the clocks are lowered for heat or by the board's protection; 0: they are not
    )

    # From the kernel.
    CPU_CORES = "cpu_cores"  # cores in use, averaged since the previous sample
    RSS_BYTES = "rss_bytes"
    MEMORY_AVAILABLE_BYTES = "memory_available_bytes"
    LOGICAL_CPUS = "logical_cpus"
    STEAL_CORES = "steal_cores"  # cores that the hypervisor gave to others, averaged likewise
    # Cores used by processes that are neither this run's nor its servers', averaged likewise; only where it
    # is known which processes serve.
    OTHER_CORES = "other_cores"
    CPU_PRESSURE = "cpu_pressure"  # 0 to 1: share of the time in which some process waited for a core
