"""What a simulated server counts of its work, worded as vLLM's /metrics page."""


class Metrics:
    """The state of the line and the work so far.

    Attributes:
        present: Requests that have come and are not answered.
        prompt_tokens, generation_tokens: Of the whole answers so far, as their usage tells.
    """

    def __init__(self, model_name: str, servers: int) -> None:
        """Count for a server that serves so many requests at once; 0: all."""
        self.present = 0
        self.prompt_tokens = self.generation_tokens = 0
        self._servers = servers
        self._labels = f'engine="0",model_name="{model_name}"'

    def answered(self, generation_tokens: int) -> None:
        """Count a request that is over; one that failed has no tokens."""
        self.present -= 1
        if generation_tokens:
            self.prompt_tokens += 1
            self.generation_tokens += generation_tokens

    def page(self) -> bytes:
        """Word the page. The share of places taken stands for that of the KV cache."""
        running = min(self.present, self._servers or self.present)
        lines = [
            "# TYPE vllm:cache_config_info gauge",
            'vllm:cache_config_info{enable_prefix_caching="False",engine="0"} 1.0',
        ]
        for name, kind, value in (
            ("num_requests_running", "gauge", running),
            ("num_requests_waiting", "gauge", self.present - running),
            ("kv_cache_usage_perc", "gauge", running / self._servers if self._servers else 0),
            ("num_preemptions_total", "counter", 0),
            ("prompt_tokens_total", "counter", self.prompt_tokens),
            ("generation_tokens_total", "counter", self.generation_tokens),
            ("prefix_cache_queries_total", "counter", 0),
            ("prefix_cache_hits_total", "counter", 0),
        ):
            lines.append(f"# TYPE vllm:{name} {kind}\nvllm:{name}{{{self._labels}}} {float(value)}")
        return "\n".join([*lines, ""]).encode()
