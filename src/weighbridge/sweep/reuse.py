"""How much of a run's prompts came from caches, and how much of that the workload itself explains."""

from dataclasses import dataclass

import numpy as np

from weighbridge.records.sweep_run import Reuse
from weighbridge.sweep.run_rows import Flags, Floats, RunRows


@dataclass(frozen=True)
class CacheFacts:
    """What is known of a server's prefix cache beside what its answers say.

    Attributes:
        caching: 'off', 'on' or 'unknown', as ServerRecord.prefix_caching.
        queried, hit: Growth of the servers' counters over the run, in tokens; None: they have none.
        common_tokens: Tokens that all prompts begin with, such as a chat template's; the prompt tokens of a
            one-word request bound them.
    """

    caching: str = "unknown"
    queried: int | None = None
    hit: int | None = None
    common_tokens: int = 0


NOTHING_KNOWN = CacheFacts()


def reuse_of(rows: RunRows, facts: CacheFacts, *, live_history: bool, cut_off: int = 0) -> Reuse:
    """Return the share of prompt tokens from caches, by the first of these that says it.

    1. `usage` of the answers, over the measured requests. Servers leave a count of 0 out, so an answer
       without it has 0 if any other of the run has one.
    2. The servers' counters, over the whole run.
    3. A server without prefix caching reuses nothing.

    The expected share is over the same requests, and the largest that the workload explains: a later turn
    repeats the whole prompt before it (and that answer, if history is live), a shared prefix may have been
    seen in an earlier conversation, a filler's repeat may have been seen whole. Caches keep whole blocks, so
    they reach a little less.

    Args:
        rows: The run's requests.
        facts: What else is known.
        live_history: Whether later turns repeat the server's own answers.
        cut_off: Number of fillers that the client cut off, which the counters contain.
    """
    explained = _explained(rows, facts.common_tokens, live_history=live_history)
    prompts = np.where(rows.ok, rows.prompt_tokens, 0).astype(np.float64)
    chosen = rows.measured & rows.ok
    if (rows.cached_tokens >= 0).any() and prompts[chosen].sum() > 0:
        cached = float(np.maximum(rows.cached_tokens, 0)[chosen].sum())
        return Reuse(
            share=cached / float(prompts[chosen].sum()),
            expected=_share(explained, prompts, chosen),
            source="usage of the answers",
        )
    if facts.queried and facts.hit is not None:
        return Reuse(
            share=facts.hit / facts.queried,
            expected=_with_cut_off(rows, explained, prompts, cut_off),
            source="the server's counters, over the whole run",
        )
    expected = _share(explained, prompts, chosen)
    if facts.caching == "off":
        return Reuse(share=0.0, expected=expected, source="the server's prefix caching is off")
    return Reuse(
        share=None,
        expected=expected,
        source="not known: the server tells it neither in its answers nor in its metrics",
    )


def _explained(rows: RunRows, common_tokens: int, *, live_history: bool) -> Floats:
    """Return how many tokens of each prompt may come from a cache, shape (n,)."""
    prompts = np.where(rows.ok, rows.prompt_tokens, 0).astype(np.float64)
    repeated = np.where(rows.turn("turn") > 0, _before(rows, live_history=live_history), 0.0)
    prefixes = rows.turn("prefix_share").astype(np.float64) * prompts
    if len(rows):
        prefixes[0] = 0.0  # nothing came before
    known = np.where(rows.lap > 0, prompts, np.maximum(repeated, prefixes + common_tokens))
    return np.minimum(known, prompts)


def _before(rows: RunRows, *, live_history: bool) -> Floats:
    """Return the prompt tokens of the turn before each request, with its answer's if history is live."""
    tokens = np.where(rows.ok, rows.prompt_tokens + (np.maximum(rows.tokens, 0) if live_history else 0), 0)
    found = np.zeros(len(rows))
    turn = rows.turn("turn").astype(np.int64)
    follows = (rows.held[1:] == rows.held[:-1]) & (turn[1:] == turn[:-1] + 1)
    found[1:] = np.where(follows, tokens[:-1], 0)
    return found


def _share(explained: Floats, prompts: Floats, chosen: Flags) -> float:
    total = float(prompts[chosen].sum())
    return float(explained[chosen].sum()) / total if total else 0.0


def _with_cut_off(rows: RunRows, explained: Floats, prompts: Floats, cut_off: int) -> float:
    """Return the expected share of the whole run; a filler that was cut off may have been a repeat."""
    repeated = cut_off * (float(prompts[rows.ok].mean()) if rows.ok.any() else 0.0)
    total = float(prompts.sum()) + repeated
    return (float(explained.sum()) + repeated) / total if total else 0.0
