"""A verdict as one line: what was measured, why it does not count, and what to do first."""

from weighbridge.core.formatting import latency, score, value_text
from weighbridge.gates.performance_sentences import result_text
from weighbridge.records.verdict import Check, Verdict

_ENDED_EARLY = "ended early"
# LoadGen's own result says that a rule was broken; the checks below it say which value broke it.
_LOADGEN_SAYS = ("LoadGen's result", "result_", "early_stopping_met")


def verdict_line(verdict: Verdict) -> str:
    """Return the verdict in one line: outcome, rate, latency and score, or the first reason and remedy."""
    line = f"{verdict.scenario}: {verdict.outcome}{_rate(verdict)}"
    failed = verdict.failed or verdict.unknown
    if not failed:
        return f"{line}{_latency(verdict)}{_score(verdict)}"
    first = _first(failed)
    why = f"{first.run}: " if first.run else ""
    if first.name == _ENDED_EARLY:
        why += value_text(first.value)
    else:
        why += first.wording
    more = f" (and {others} more)" if (others := len(failed) - 1) else ""
    return f"{line}: {why}{more}. {first.remedy or ''}".rstrip()


def _first(checks: tuple[Check, ...]) -> Check:
    """Return the check that explains most: an early end, else the first with a value of its own."""
    ended = [check for check in checks if check.name == _ENDED_EARLY]
    own = [check for check in checks if not check.name.startswith(_LOADGEN_SAYS)]
    return (ended or own or list(checks))[0]


def _rate(verdict: Verdict) -> str:
    target = "" if verdict.target_qps is None else f"target {verdict.target_qps:g}"
    if verdict.rate is None:
        return f" at {target}" if target else ""
    return f" at {result_text(verdict)}{f' ({target})' if target else ''}"


def _latency(verdict: Verdict) -> str:
    return "" if verdict.p99_of_queries_s is None else f", p99 {latency(verdict.p99_of_queries_s)}"


def _score(verdict: Verdict) -> str:
    if verdict.accuracy is None:
        return ""
    floor = "" if verdict.floor is None else f" (at least {score(verdict.floor)})"
    value = score(verdict.accuracy, limits=verdict.limits_of(verdict.metric))
    return f", {verdict.metric} {value}{floor}"
