"""Check what the official client says that it was told: its written configuration against the round.

The official checker reads little of it; what a run did depends on all of it.
"""

from collections.abc import Iterator

from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import ScenarioRules
from weighbridge.endpoints.written_config import WrittenConfig
from weighbridge.records.official_client import WRITTEN_CONFIG
from weighbridge.records.run_record import RunRecord
from weighbridge.records.verdict import Gate, Value

_OWN = "Repeat with the configuration that Weighbridge writes for the round."
_SAMPLING = ("temperature", "top_p", "top_k", "seed")
# What else its requests may carry, and no round asks for.
_FURTHER = ("repetition_penalty", "presence_penalty", "frequency_penalty", "chat_template_kwargs")


def config_checks(
    gate: Gate,
    config: WrittenConfig | None,
    record: RunRecord | None,
    round_: Round,
    scenario: ScenarioRules,
) -> None:
    """Check kind, load, streaming, datasets, limits of answers and seeds.

    Args:
        gate: Takes the checks.
        config: The written configuration; None: there is none.
        record: run.json, which has the rate that was asked for; None: there is none.
        round_: The round as it holds for the scenario.
        scenario: The scenario.
    """
    gate.holds(
        "configuration written",
        "present" if config else "missing",
        "present",
        config is not None,
        f"{WRITTEN_CONFIG} of the client's report is missing; restore it, or repeat the run.",
    )
    if config is None:
        return
    for name, value, wanted in _wanted(config, round_, scenario):
        gate.equals(name, value, wanted, _OWN)
    runtime = config.settings.runtime
    if record is not None and scenario.has_schedule:
        set_qps = config.settings.load_pattern.target_qps
        gate.equals("target rate set", set_qps, record.load.requested_qps, _OWN)
    stated_s = None if runtime.min_duration_ms is None else runtime.min_duration_ms / 1000
    gate.at_least("minimum duration set", stated_s, scenario.min_duration_s, "s", _OWN)
    gate.holds(
        "no longest duration set",
        runtime.max_duration_ms or None,
        "none",
        not runtime.max_duration_ms,
        "A run that is cut off by max_duration_ms is not whole; remove it, and repeat.",
    )
    warmup = config.settings.warmup
    if warmup.enabled:
        gate.equals("warm-up drained", warmup.drain, True, f"It overlaps the clock. {_OWN}")


def _wanted(
    config: WrittenConfig, round_: Round, scenario: ScenarioRules
) -> Iterator[tuple[str, Value, Value]]:
    """Yield what must be so: name, value, wanted value."""
    rules, drive = round_.endpoints_rules, scenario.endpoints
    assert drive is not None
    settings, params = config.settings, config.model_params
    yield "kind of test", config.type, drive.type
    yield "load pattern", settings.load_pattern.type, drive.load_pattern
    yield "streaming", config.streams, drive.streaming
    ref = config.submission_ref
    yield "round named", f"{ref.model}, {ref.ruleset}" if ref else None, f"{rules.model}, {rules.ruleset}"
    yield "seed of the schedule", settings.runtime.scheduler_random_seed, rules.seeds.scheduler
    yield "seed of the order", settings.runtime.dataloader_random_seed, rules.seeds.dataloader
    yield "longest answer", params.max_new_tokens, round_.max_tokens
    for name in _SAMPLING:
        yield name, getattr(params, name), getattr(round_.sampling, name, None)
    further = [name for name in _FURTHER if getattr(params, name) is not None]
    yield "further sampling parameters", ", ".join(further) or None, None
    yield "dataset", ", ".join(each.name for each in config.of_type("performance")) or None, drive.dataset
    own = {name for each in config.datasets for name in each.own_settings}
    yield "settings of the datasets' own", ", ".join(sorted(own)) or None, None
    scored = config.of_type("accuracy")
    yield "dataset scored", ", ".join(each.name for each in scored) or None, drive.dataset
    for each in scored[:1]:
        scoring, wanted = each.accuracy_config, rules.scoring
        found = None if scoring is None else scoring.words
        yield "scoring", found, f"{wanted.eval_method} of {wanted.ground_truth} by {wanted.extractor}"
        yield "passes scored", None if scoring is None else scoring.num_repeats, 1
