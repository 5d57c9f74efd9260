"""Check single answers: hardly one was cut off, and each belongs to the request that it answered."""

import json
from collections.abc import Sequence

import numpy as np

from weighbridge.client.frames import FinishReason
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode
from weighbridge.gates.request_rows import RequestRows
from weighbridge.records.run_record import RunRecord
from weighbridge.records.verdict import Check, Gate

# A sampled answer may repeat itself until the context is full. One in a thousand changes no result, and an
# honest run of hours must not be lost for it.
_CUT_OFF_SHARE = 0.001
# Keys of a request's body that limit its answer's length, in tokens.
_LIMITS = ("max_tokens", "max_completion_tokens")
_SENT_AGAIN = (
    "An answer that is not of its request was measured: remove proxies and caches between client and server, "
    "and repeat."
)
_REPEAT = "This run did not record it; repeat both runs with this release."


def body_of(record: RunRecord) -> dict[str, object]:
    """Return the fields of a run's bodies beside the prompt, as they were sent; empty if not recorded."""
    prefix, suffix = record.envelope or ("", "")
    try:
        body = json.loads(f"{prefix}null{suffix}")
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def answer_checks(
    record: RunRecord, rows: RequestRows, mode: Mode, round_: Round, counted_within: float = 0.0
) -> list[Check]:
    """Check one run's answers: their tokens, how they ended, and whether they carry their request's id.

    Args:
        record: The run's run.json.
        rows: Its requests.
        mode: Its mode.
        round_: The round.
        counted_within: Share by which numbers of tokens may be off that were counted again in the texts.
    """
    gate = Gate(mode)
    without = int((rows.tokens[rows.completed] < 1).sum())
    remedy = f"The server reports no tokens for {without} answers; use one that counts them, and repeat."
    gate.equals("answers without tokens", without, 0, remedy)
    _finished(gate, record, rows, round_, counted_within)
    _ids(gate, rows, round_)
    return gate.checks


def _finished(gate: Gate, record: RunRecord, rows: RequestRows, round_: Round, counted_within: float) -> None:
    """Check that at most one answer in a thousand was cut off but by a limit of the round or of the requests.

    The length of the server's context is no such limit: a server with a shorter one would have less to do.
    An answer that was cut off by a limit has exactly as many tokens.
    """
    name, done = "answers cut off", rows.completed
    allowed = int(_CUT_OFF_SHARE * int(done.sum()))
    limit = f"<= {allowed}"
    told = None if rows.finish is None else ~rows.finish.are(FinishReason.NOT_TOLD.label)
    if rows.finish is None or told is None or not told.any():
        if round_.held_to_rules:
            gate.unknown(name, limit, f"Nothing tells why answers ended (finish_reason). {_REPEAT}")
        return
    settings = record.requests.sampling.max_tokens if record.requests else None
    stated = [*(body_of(record).get(key) for key in _LIMITS), settings, round_.max_tokens]
    limits = [each for each in stated if isinstance(each, int)]
    cut = done & rows.finish.are(FinishReason.LENGTH.label)
    for each in limits:
        cut &= np.abs(rows.tokens - each) > counted_within * each
    count, untold = int(cut.sum()), int((done & ~told).sum())
    if count <= allowed and untold and round_.held_to_rules:
        remedy = "Use a server that tells for every answer why it ended (finish_reason), and repeat."
        gate.holds(name, f"{untold} do not tell", limit, None, remedy)
        return
    longest = int(rows.tokens[cut].max()) if count else 0
    rule = f"the limit is {limits[0]} tokens" if limits else "neither round nor requests limit their length"
    gate.at_most(
        name,
        count,
        allowed,
        "",
        f"{count} answers of up to {longest} tokens were ended by the server (finish_reason length), and "
        f"{rule}: raise the server's context (--max-model-len), remove a limit of its own "
        "(--override-generation-config, max_new_tokens), or find out why answers do not end; repeat.",
    )


def _ids(gate: Gate, rows: RequestRows, round_: Round) -> None:
    name, limit = "answers with their request's id", "all, or none"
    if rows.id_echoed is None:
        if round_.held_to_rules:
            gate.unknown(name, limit, _REPEAT)
        return
    echoed, completed = int((rows.id_echoed[rows.completed] != 0).sum()), int(rows.completed.sum())
    gate.holds(name, f"{echoed} of {completed}", limit, echoed in (0, completed), _SENT_AGAIN)


def identity_checks(runs: Sequence[RequestRows], round_: Round) -> list[Check]:
    """Check that a sample's prompt has the same number of tokens in every request of both runs.

    The same bytes have the same tokens, so an answer that reached another request shows here. Where servers
    use ids of their own, this alone ties answers to requests, and it does so only if prompts differ.
    """
    gate = Gate(None)
    name, limit = "prompt tokens of each sample", "equal in every request"
    columns = [(rows.sample[rows.completed], rows.prompt_tokens, rows.completed) for rows in runs]
    told = [(sample, tokens[completed]) for sample, tokens, completed in columns if tokens is not None]
    ids = all(
        rows.id_echoed is not None and bool((rows.id_echoed[rows.completed] != 0).all()) for rows in runs
    )
    samples = np.concatenate([sample for sample, _ in told]) if told else np.empty(0, dtype=np.int64)
    tokens = np.concatenate([tokens for _, tokens in told]) if told else np.empty(0, dtype=np.int64)
    if len(told) < len(runs) or not tokens.any():
        if not ids and round_.held_to_rules:
            remedy = (
                "Neither ids nor prompt tokens tie the answers to their requests; use a server that reports "
                f"usage.prompt_tokens. {_REPEAT}"
            )
            gate.unknown(name, limit, remedy)
        return gate.checks
    differing = _differing(samples, tokens)
    if not differing and not ids and round_.held_to_rules and bool((tokens == tokens[0]).all()):
        remedy = "Every prompt is reported with the same tokens; use a server that counts them."
        gate.holds(name, f"{tokens[0]} in all", limit, None, remedy)
        return gate.checks
    gate.holds(name, f"{differing} samples differ", limit, differing == 0, _SENT_AGAIN)
    return gate.checks


def _differing(samples: np.ndarray, values: np.ndarray) -> int:
    """Return the number of samples whose values are not all equal."""
    order = np.argsort(samples, kind="stable")
    samples, values = samples[order], values[order]
    change = (samples[1:] == samples[:-1]) & (values[1:] != values[:-1])
    return len(np.unique(samples[1:][change]))
