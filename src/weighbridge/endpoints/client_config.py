"""The configuration that the official client is asked to run, and how much work that is.

Source: src/inference_endpoint/config/schema.py in mlcommons/endpoints @ ea332753 (generation 1).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode, ScenarioRules
from weighbridge.core.errors import InputError
from weighbridge.loadgen.work_size import WorkSize

SIZING_SLACK = 1.1
"""The client sizes a run for this many times its shortest duration."""
# Its workers import much before they are ready; its own 60 s are short on a loaded machine.
_WORKER_START_S = 300.0
MOST_SAMPLES = 50_000_000
"""No run has more."""


def planned_work(round_: Round, scenario: ScenarioRules, mode: Mode, target_qps: float) -> WorkSize:
    """Compute how many samples the client issues in a phase, and how long that takes at the target rate.

    As the client does: 1.1 x duration x rate, rounded up to whole passes; accuracy is one pass.

    Args:
        round_: The round as it holds for the scenario.
        scenario: The scenario.
        mode: The phase.
        target_qps: Queries/s, or the samples/s that are expected of an offline system.

    Raises:
        InputError: they are more than any run could have.
    """
    wanted = 0.0
    if mode is Mode.PERFORMANCE:
        wanted = max(scenario.min_query_count, SIZING_SLACK * scenario.min_duration_s * target_qps)
    if wanted > MOST_SAMPLES:
        raise InputError(
            f"{scenario.name}: target_qps {target_qps:g} for {scenario.min_duration_s:g} s is more than the "
            f"{MOST_SAMPLES} queries that a run can have; lower target_qps."
        )
    samples = whole_passes(wanted, round_.samples)
    return WorkSize(samples, samples / target_qps)


def whole_passes(wanted: float, samples: int) -> int:
    """Round an amount of work up to whole passes over a dataset of so many samples, at least one."""
    # A hair below, so that 1.1 in floating point does not add a pass to work that is exactly one.
    return max(1, math.ceil(wanted / samples - 1e-9)) * samples


def most_qps_of_passes(round_: Round, scenario: ScenarioRules, target_qps: float) -> float:
    """Return the highest target rate that makes the client issue as many passes as this one does."""
    samples = planned_work(round_, scenario, Mode.PERFORMANCE, target_qps).samples
    return samples / (SIZING_SLACK * scenario.min_duration_s)


def explain_planned_work(round_: Round, scenario: ScenarioRules, target_qps: float) -> str:
    """Return the sentence on how many samples a target rate makes the client issue, and why."""
    size = planned_work(round_, scenario, Mode.PERFORMANCE, target_qps)
    passes = size.samples // round_.samples
    return (
        f"{size.samples} samples, {passes} whole pass{'es' if passes > 1 else ''} over the {round_.samples}: "
        f"{SIZING_SLACK} x {scenario.min_duration_s:g} s x target_qps {target_qps:g}, at least "
        f"{scenario.min_query_count}, rounded up; then one pass for accuracy"
    )


@dataclass(frozen=True)
class ClientPlan:
    """What the client is asked to do in one invocation: its performance phase, then its accuracy phase.

    Attributes:
        round_: The round as it holds for the scenario.
        scenario: The scenario.
        target_qps: Queries/s to issue; offline, samples/s that are expected.
        samples: Of the performance phase, whole passes.
        model_name: Name under which the servers serve the model.
        tokenizer: Folder of the model, whose tokenizer counts tokens.
        endpoints: Base URLs of the servers, without /v1.
        client: Workers, connections, name of the key's variable.
        report: The folder that the client writes.
    """

    round_: Round
    scenario: ScenarioRules
    target_qps: float
    samples: int
    model_name: str
    tokenizer: Path
    endpoints: Sequence[str]
    client: ClientSettings
    report: Path

    def text(self) -> str:
        """Return the configuration as YAML; the key is named by its variable, never written."""
        return yaml.safe_dump(self._data(), sort_keys=False, allow_unicode=True, width=1000)

    def _data(self) -> dict[str, Any]:
        rules, drive = self.round_.endpoints_rules, self.scenario.endpoints
        assert drive is not None
        preset = {"name": drive.dataset}
        scoring = {**rules.scoring.model_dump(), "num_repeats": 1}
        seeds = rules.seeds
        key = self.client.api_key_env
        return {
            "name": f"{self.scenario.name}-{self.round_.benchmark}",
            "version": "1.0",
            "type": drive.type,
            "submission_ref": {"model": rules.model, "ruleset": rules.ruleset},
            "model_params": {
                "name": self.model_name,
                "tokenizer_name": str(self.tokenizer),
                **({} if self.round_.max_tokens is None else {"max_new_tokens": self.round_.max_tokens}),
                "streaming": "on" if drive.streaming else "off",
                **self.round_.sampling.model_dump(exclude_none=True, exclude={"max_tokens"}),
            },
            # Performance first: other tools read the first one.
            "datasets": [
                {**preset, "type": "performance"},
                {**preset, "type": "accuracy", "accuracy_config": scoring},
            ],
            "settings": {
                "runtime": {
                    "min_duration_ms": round(
                        1000 * (rules.stated_duration_s or self.scenario.min_duration_s)
                    ),
                    "n_samples_to_issue": self.samples,
                    # The client sets these from submission_ref, but only warns of a misspelt one.
                    "scheduler_random_seed": seeds.scheduler,
                    "dataloader_random_seed": seeds.dataloader,
                },
                "load_pattern": self._load_pattern(drive.load_pattern),
                "warmup": {
                    "enabled": rules.warmup_requests > 0,
                    "n_requests": rules.warmup_requests or None,
                    "salt": False,  # refused where bodies are not plain text
                    "drain": True,  # or it overlaps the clock
                    "warmup_random_seed": seeds.dataloader,
                },
                # Null waits: our own stall limit ends what hangs, and cuts no answer that is late.
                "drain": dict.fromkeys(
                    ("warmup_timeout_s", "performance_timeout_s", "accuracy_timeout_s"), None
                ),
                "client": {
                    "num_workers": self.client.workers,
                    "max_connections": self.client.connections,
                    "stream_all_chunks": False,
                    "worker_initialization_timeout": _WORKER_START_S,
                },
            },
            "endpoint_config": {
                "endpoints": list(self.endpoints),
                "api_type": "openai",
                **({} if key is None else {"api_key": f"${{{key}}}"}),
            },
            "report_dir": str(self.report),
            # It would pin itself to half of the cores, and with them the servers that share them.
            "enable_cpu_affinity": False,
        }

    def _load_pattern(self, kind: str) -> dict[str, Any]:
        if kind == "max_throughput":
            return {"type": kind}
        # LoadGen's window for the rate, first issue to last answer, as in published results.
        return {"type": kind, "target_qps": self.target_qps, "use_legacy_loadgen_qps_metrics": True}
