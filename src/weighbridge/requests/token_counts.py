"""Count the tokens of a store's prompts, and check that they fit into the server's context length.

A prompt that is too long fails its request, and the whole run with it. Counting takes a minute on CPUs and
saves the GPU hours of such a run.
"""

import logging
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from weighbridge.benchmarks.protocol import TokenCounter
from weighbridge.benchmarks.registry import load_benchmark
from weighbridge.core.errors import InputError
from weighbridge.core.models import Model, read_data
from weighbridge.requests.store import RequestStore

log = logging.getLogger(__name__)

_BATCH = 256
_NAMED = 5


class PromptLength(Model):
    """Length of one prompt, in tokens."""

    sample: int
    tokens: int


class PromptTokens(Model):
    """Statistics of the prompt lengths of a store, in tokens."""

    count: int
    mean: float
    p50: int
    p99: int
    longest: tuple[PromptLength, ...]
    limit: int | None
    """The server's context length, prompt and answer together; null if unknown."""


def check_lengths(store: Path, model: Path, limit: int | None, limit_option: str) -> PromptTokens | None:
    """Count the tokens of all prompts of a store, and check that each fits with its answer.

    Args:
        store: Folder of the request store.
        model: Folder of the model.
        limit: Tokens that the server admits, prompt and answer together; None: the model's own limit.
        limit_option: The server's option that sets this limit, for the remedy.

    Returns:
        None if the model's folder has no tokenizer.

    Raises:
        InputError: prompts are too long; the message names them and a sufficient limit.
    """
    requests = RequestStore.open(store)
    benchmark = load_benchmark(requests.manifest.benchmark)
    counter = benchmark.token_counter(model)
    if counter is None:
        log.warning("%s has no tokenizer, so prompt lengths are not checked", model)
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
        _check_limit(found, tokens, found.limit, benchmark.answer_tokens, limit_option)
    return found


def _check_limit(
    found: PromptTokens, tokens: NDArray[np.int64], limit: int, answer_tokens: int, limit_option: str
) -> None:
    too_long = int((tokens + answer_tokens > limit).sum())
    if too_long:
        named = ", ".join(f"sample {it.sample} ({it.tokens} tokens)" for it in found.longest[:too_long])
        raise InputError(
            f"{too_long} of {found.count} prompts do not fit into the server's context of {limit} tokens "
            f"with {answer_tokens} tokens for an answer: {named}{', ...' if too_long > _NAMED else ''}; set "
            f"{limit_option}={found.longest[0].tokens + answer_tokens} or more in server.args."
        )


def _model_limit(model: Path) -> int | None:
    path = model / "config.json"
    config = read_data(path) if path.is_file() else {}
    limit = config.get("text_config", config).get("max_position_embeddings")
    return None if limit is None else int(limit)


def count(store: RequestStore, counter: TokenCounter) -> NDArray[np.int64]:
    """Return the number of tokens of every prompt, in the order of the samples, shape (n,)."""
    field = store.manifest.api.prompt_field
    tokens = np.empty(len(store), dtype=np.int64)
    for start in range(0, len(store), _BATCH):
        stop = min(start + _BATCH, len(store))
        prompts = [msgspec.json.decode(store.body(index))[field] for index in range(start, stop)]
        tokens[start:stop] = counter.count(prompts)
    return tokens
