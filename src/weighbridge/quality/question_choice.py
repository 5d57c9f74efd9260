"""Choose which questions are asked: all, the first of each subject, or a draw from all subjects."""

from collections.abc import Mapping
from hashlib import sha256

import numpy as np

from weighbridge.config.quality_settings import MmluSettings
from weighbridge.quality.questions import QuestionSet


def asked_rows(questions: QuestionSet, settings: MmluSettings) -> dict[str, tuple[int, ...]]:
    """Return the rows that are asked of each subject, in increasing order.

    Args:
        questions: All questions.
        settings: Their `limit` or `total_limit`, and `seed`.

    Returns:
        By subject; one of which nothing is asked is left out.
    """
    sizes = {name: len(subject.test) for name, subject in questions.subjects.items()}
    if settings.total_limit is not None:
        shares = stratified(sizes, settings.total_limit)
        chosen = {name: _drawn(name, sizes[name], share, settings.seed) for name, share in shares.items()}
    elif settings.limit is not None:
        chosen = {name: tuple(range(min(size, settings.limit))) for name, size in sizes.items()}
    else:
        chosen = {name: tuple(range(size)) for name, size in sizes.items()}
    return {name: rows for name, rows in chosen.items() if rows}


def limited_text(limit: int | None, total_limit: int | None, *, asked: int, available: int) -> str | None:
    """Return what of the questions is asked, as text; None: all of them, whatever the limit allows.

    Args:
        limit: As in the settings.
        total_limit: Likewise.
        asked: Number of questions that are asked.
        available: Number of questions in the data.
    """
    if asked >= available:
        return None
    if limit is not None:
        return f"{limit:,} of each subject"
    if total_limit is not None:
        return f"{total_limit:,} drawn from all subjects"
    return f"{asked:,} of {available:,}"


def stratified(sizes: Mapping[str, int], total: int) -> dict[str, int]:
    """Divide a number of questions among subjects in proportion to their sizes, by the largest remainder.

    Each subject has at least one if there are enough for all; the others then divide what is left. Of two
    subjects with equal remainders, the first gets the question.

    Args:
        sizes: Questions of each subject, at least 1.
        total: How many to divide; more than there are means all of them.

    Returns:
        One number a subject: in sum `total`, each at most the subject's size.
    """
    total = min(total, sum(sizes.values()))
    free, single = dict(sizes), set[str]()
    while total >= len(sizes):
        left, of = total - len(single), sum(free.values())
        small = {name for name, size in free.items() if left * size < of}
        if not small:
            break
        single |= small
        free = {name: size for name, size in free.items() if name not in small}
    shares = _largest_remainder(free, total - len(single))
    return {name: shares.get(name, 1) for name in sizes}


def _largest_remainder(sizes: Mapping[str, int], total: int) -> dict[str, int]:
    of = sum(sizes.values())
    shares, remainders = {}, {}
    for name, size in sizes.items():
        shares[name], remainders[name] = divmod(total * size, of)
    left = total - sum(shares.values())
    for name in sorted(sizes, key=lambda name: -remainders[name])[:left]:
        shares[name] += 1
    return shares


def _drawn(subject: str, size: int, count: int, seed: int) -> tuple[int, ...]:
    """Draw rows without replacement; a draw of more contains that of fewer.

    The raw numbers of PCG64 are the same in every version of numpy, which is not promised of shuffles.
    """
    entropy = int.from_bytes(sha256(f"{seed} {subject}".encode()).digest())
    keys = np.random.PCG64(entropy).random_raw(size)
    return tuple(sorted(np.argsort(keys, kind="stable")[:count].tolist()))
