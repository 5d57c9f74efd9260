"""Checks of token latencies and token counts by the detail log of a performance run."""

import math
import re

from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import LatencyLimit, ScenarioRules
from weighbridge.gates.token_figures import FEWEST_TOKENS, TOKEN_LATENCIES, TokenLatency, tokens_counted
from weighbridge.loadgen.logs import DetailLog
from weighbridge.records.verdict import Gate

_PASSED = "Run successful."
_MISSING = re.compile(r"at least (\d+) more queries")
_DIGITS = 1e-4  # LoadGen logs six digits, and two of its rates are divided


def token_checks(
    gate: Gate,
    log: DetailLog,
    queries: int | None,
    round_: Round,
    scenario: ScenarioRules,
    own_settings: str,
    slower: str,
) -> None:
    """Check the limits of token latencies, and that the tokens counted are possible.

    Args:
        gate: Receives the checks.
        log: The run's detail log.
        queries: Queries issued; Offline: samples of the single query.
        round_: The rules.
        scenario: The scenario's.
        own_settings: Remedy of settings that are not the round's.
        slower: Remedy of a limit that was missed: what to lower.
    """
    for latency in TOKEN_LATENCIES:
        limit = latency.limit_of(scenario)
        if limit is not None:
            _limit(gate, log, latency, limit, own_settings, slower)
            if round_.loadgen_rules.early_stopping:
                _early_stopping(gate, log, latency, limit, slower)
    limits = list(scenario.limits.by_name.values())
    if limits and scenario.limits.latency is None:
        # LoadGen has one percentile for all limits, and is told that of the first.
        percentile_set = log.number("effective_target_latency_percentile")
        gate.equals("latency percentile set", percentile_set, limits[0].percentile, own_settings)
    if round_.loadgen_rules.token_latencies:
        _tokens(gate, log, queries, round_, scenario)


def limits_missed(log: DetailLog, scenario: ScenarioRules) -> bool | None:
    """Return whether a token latency missed its limit or early stopping; None: the scenario has no limit."""
    limits = [(latency, limit) for latency in TOKEN_LATENCIES if (limit := latency.limit_of(scenario))]
    if not limits:
        return None
    return any(
        _share(log, latency, limit) >= 1 or not _stopped_early(log, latency) for latency, limit in limits
    )


def largest_share(log: DetailLog, scenario: ScenarioRules) -> float:
    """Return the largest token latency as a share of its limit; 0 where there is no limit."""
    shares = [
        _share(log, latency, limit) for latency in TOKEN_LATENCIES if (limit := latency.limit_of(scenario))
    ]
    return max(shares, default=0.0)


def _share(log: DetailLog, latency: TokenLatency, limit: LatencyLimit) -> float:
    measured_s = latency.logged_s(log, limit.percentile)
    return math.inf if measured_s is None else measured_s / limit.limit_s


def _limit(
    gate: Gate, log: DetailLog, latency: TokenLatency, limit: LatencyLimit, own_settings: str, slower: str
) -> None:
    """Check a percentile, and what LoadGen was told; its log holds 50, 90, 95, 97, 99 and 99.9 alone."""
    measured_s = latency.logged_s(log, limit.percentile)
    gate.holds(
        f"{100 * limit.percentile:g}th percentile {latency.title}",
        measured_s,
        f"< {limit.limit_s:g} s",  # the official checker refuses a value at the limit
        measured_s is not None and measured_s < limit.limit_s,
        f"Too many queries were too slow: {slower}",
    )
    set_ns = log.number(latency.setting_key)
    set_s = None if set_ns is None else set_ns / 1e9
    gate.at_most(f"{latency.title} limit set", set_s, limit.limit_s, "s", own_settings)


def _stopped_early(log: DetailLog, latency: TokenLatency) -> bool:
    return _said(log, latency) == _PASSED


def _said(log: DetailLog, latency: TokenLatency) -> str | None:
    text = log.text(latency.verdict_key)
    return None if text is None else " ".join(text.replace("*", " ").split())


def _early_stopping(
    gate: Gate, log: DetailLog, latency: TokenLatency, limit: LatencyLimit, slower: str
) -> None:
    """Check what LoadGen's early stopping says of one latency.

    It tests the time to the first token only where that per output token has passed, and else says nothing.
    """
    said = _said(log, latency)
    missing = _MISSING.search(said or "")
    count = f"{int(missing[1]):,} further queries within {limit.limit_s:g} s" if missing else None
    remedy = f"Passing would take {count}: {slower}" if count else f"LoadGen did not come to this: {slower}"
    gate.holds(f"early stopping of {latency.title}", said, _PASSED, said == _PASSED, remedy)


def most_tokens(round_: Round) -> int | None:
    """Return the most tokens that the closed division allows an answer; None: it limits none."""
    closed = round_.closed.requests
    return None if closed is None else closed.sampling.max_tokens or round_.max_tokens


def _tokens(gate: Gate, log: DetailLog, queries: int | None, round_: Round, scenario: ScenarioRules) -> None:
    """Check that the mean answer has as many tokens as an answer can have.

    Published systems count the token that ends an answer beside those that are limited.
    """
    counted = tokens_counted(log, scenario, queries)
    mean = None if counted is None or not queries else counted / queries
    limited = most_tokens(round_)
    most = None if limited is None else limited + 1
    limit = f"{FEWEST_TOKENS} to {most}" if most else f">= {FEWEST_TOKENS}"
    least, largest = FEWEST_TOKENS * (1 - _DIGITS), (most or math.inf) * (1 + _DIGITS)
    possible = mean is not None and least <= mean <= largest
    gate.holds(
        "mean tokens of an answer",
        mean,
        limit,
        possible,
        "The rates of tokens and of samples in the log contradict the limits of an answer's length; "
        "send the round's sampling parameters, count each token once, and repeat the run.",
    )
