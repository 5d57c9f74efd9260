"""Counters of the simulated server, as its /metrics page."""

import json


class ServerCounters:
    """The simulated server's counters, in the format of vLLM's /metrics page.

    Attributes:
        present: Requests received and not yet answered.
        prompt_tokens, generation_tokens: Sums over all complete answers so far.
        cache_queries, cache_hits: Tokens of prompts that were looked up in the prefix cache, and found.
    """

    def __init__(self, model_name: str, servers: int, *, prefix_cache: bool = False) -> None:
        """Start at zero; `servers` is the number of requests served at once, 0 for all."""
        self.present = 0
        self.prompt_tokens = self.generation_tokens = 0
        self.cache_queries = self.cache_hits = 0
        self._prefix_cache = prefix_cache
        self._servers = servers
        self._labels = f'engine="0",model_name={json.dumps(model_name, ensure_ascii=False)}'

    def answered(self, prompt_tokens: int, generation_tokens: int) -> None:
        """Count a finished request; 0 generated tokens if it failed."""
        self.present -= 1
        if generation_tokens:
            self.prompt_tokens += prompt_tokens
            self.generation_tokens += generation_tokens

    def looked_up(self, prompt_tokens: int, cached_tokens: int) -> None:
        """Count a look at the prefix cache."""
        self.cache_queries += prompt_tokens
        self.cache_hits += cached_tokens

    def page(self) -> bytes:
        """Return the /metrics page; the share of busy servers is reported as the KV cache's usage."""
        running = min(self.present, self._servers or self.present)
        lines = [
            "# TYPE vllm:cache_config_info gauge",
            f'vllm:cache_config_info{{enable_prefix_caching="{self._prefix_cache}",engine="0"}} 1.0',
        ]
        for name, kind, value in (
            ("num_requests_running", "gauge", running),
            ("num_requests_waiting", "gauge", self.present - running),
            ("kv_cache_usage_perc", "gauge", running / self._servers if self._servers else 0),
            ("num_preemptions_total", "counter", 0),
            ("prompt_tokens_total", "counter", self.prompt_tokens),
            ("generation_tokens_total", "counter", self.generation_tokens),
            ("prefix_cache_queries_total", "counter", self.cache_queries),
            ("prefix_cache_hits_total", "counter", self.cache_hits),
        ):
            lines.append(f"# TYPE vllm:{name} {kind}\nvllm:{name}{{{self._labels}}} {float(value)}")
        return "\n".join([*lines, ""]).encode()
