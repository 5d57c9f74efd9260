"""How many tokens each prompt of a store has, and whether all of them fit into the server's context.

A prompt that is longer than the server admits fails its request, and with it the run. Counting takes a minute
on CPUs; to find it out on GPUs takes their hours.
"""

import json
import logging
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from weighbridge.benchmarks.protocol import TokenCounter
from weighbridge.benchmarks.registry import load_benchmark
from weighbridge.core.errors import InputError
from weighbridge.core.models import Model
from weighbridge.requests.store import RequestStore

log = logging.getLogger(__name__)

_BATCH = 256
_NAMED = 5


class PromptLength(Model):
    """A sample and the number of tokens of its prompt."""

    sample: int
    tokens: int


class PromptTokens(Model):
    """The lengths of a store's prompts, in tokens."""

    count: int
    mean: float
    p50: int
    p99: int
    longest: tuple[PromptLength, ...]
    limit: int | None
    """What the server admits, prompt and answer together; null where nothing says it."""


def check_lengths(store: Path, model: Path, limit: int | None, limit_option: str) -> PromptTokens | None:
    """Count all prompts of a store, and refuse those that would not fit.

    Args:
        store: Folder of the request store.
        model: Folder of the model.
        limit: Tokens that the server admits, prompt and answer together; None: the model's own limit.
        limit_option: The server's option that sets this limit, for the remedy.

    Returns:
        None where the model's folder holds no tokenizer.

    Raises:
        InputError: prompts are longer than the server admits; names them and a limit that would do.
    """
    requests = RequestStore.open(store)
    benchmark = load_benchmark(requests.manifest.benchmark)
    counter = benchmark.token_counter(model)
    if counter is None:
        log.warning("%s has no tokenizer, so the prompts' lengths are not checked", model)
        return None
    tokens = count(requests, counter)
    order = np.argsort(-tokens, kind="stable")[:_NAMED]
    found = PromptTokens(
        count=len(tokens),
        mean=float(tokens.mean()),
        p50=int(np.percentile(tokens, 50, method="higher")),
        p99=int(np.percentile(tokens, 99, method="higher")),
        longest=tuple(PromptLength(sample=int(sample), tokens=int(tokens[sample])) for sample in order),
        limit=_model_limit(model) if limit is None else limit,
    )
    log.info("prompts have %.0f tokens on average, %d at most", found.mean, found.longest[0].tokens)
    if found.limit is not None:
        _refuse_what_does_not_fit(found, tokens, found.limit, benchmark.answer_tokens, limit_option)
    return found


def _refuse_what_does_not_fit(
    found: PromptTokens, tokens: NDArray[np.int64], limit: int, answer_tokens: int, limit_option: str
) -> None:
    too_long = int((tokens + answer_tokens > limit).sum())
    if too_long:
        named = ", ".join(f"sample {it.sample} ({it.tokens} tokens)" for it in found.longest[:too_long])
        raise InputError(
            f"{too_long} of {found.count} prompts do not fit into the server's {limit} tokens together with "
            f"{answer_tokens} for an answer: {named}{', ...' if too_long > _NAMED else ''}; set "
            f"{limit_option}={found.longest[0].tokens + answer_tokens} or more in server.args."
        )


def _model_limit(model: Path) -> int | None:
    config = _read(model / "config.json")
    limit = config.get("text_config", config).get("max_position_embeddings")
    return None if limit is None else int(limit)


def count(store: RequestStore, counter: TokenCounter) -> NDArray[np.int64]:
    """Return the number of tokens of every prompt, in the order of the samples; (n,)."""
    field = store.manifest.api.prompt_field
    tokens = np.empty(len(store), dtype=np.int64)
    for start in range(0, len(store), _BATCH):
        stop = min(start + _BATCH, len(store))
        prompts = [msgspec.json.decode(store.body(index))[field] for index in range(start, stop)]
        tokens[start:stop] = counter.count(prompts)
    return tokens


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return content
