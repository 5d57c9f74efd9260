"""What is said of model quality: how the questions were asked, the accuracy, and how the requests went."""

import math

from weighbridge.core.formatting import NONE, accuracy, number
from weighbridge.records.quality_scores import AccuracyShare, OverallQuality

QUALITY_TITLE = "Model quality (MMLU)"


def share_text(share: AccuracyShare) -> str:
    """Return an accuracy with its interval: 68.3 % [67.5, 69.1]."""
    return accuracy(share.accuracy, share.stderr, (share.low, share.high))


def stderr_text(share: AccuracyShare) -> str:
    """Return a standard error in percent: 0.37 %; a dash where there is none."""
    if share.stderr is None:
        return NONE
    points = 100 * share.stderr
    decimals = max(1 - math.floor(math.log10(points)), 0) if points > 0 else 0
    return f"{points:.{decimals}f} %"


def asked_text(overall: OverallQuality) -> str:
    """Return how the questions were asked: log-likelihood, 5-shot, limited to 10 of each subject."""
    parts = [str(overall.protocol), f"{overall.shots}-shot"]
    if overall.bos:
        parts.append("beginning of sequence added")
    if overall.limited:
        parts.append(f"limited to {overall.limited}")
    return ", ".join(parts)


def verdict_line(overall: OverallQuality) -> str:
    """Return the result as one line, with all that must be read with it."""
    said = f"MMLU ({asked_text(overall)}): {share_text(overall.share)} of {overall.n:,} questions"
    made_up = ", which are made up" if overall.source.made_up else ""
    return f"{said}{made_up}, {overall.outcome}"


def banners(overall: OverallQuality) -> list[str]:
    """Return what a reader must know before the accuracy; nothing of a whole MMLU."""
    limited = f"Limited: {overall.limited}. This is not the accuracy over all questions."
    unjudged = [
        f"The floor was not applied: {check.limit.removeprefix('not asked: ')}."
        for check in overall.checks
        if not check.asked
    ]
    return [*([limited] if overall.limited else []), *([overall.note] if overall.note else []), *unjudged]


def request_sentences(overall: OverallQuality) -> list[str]:
    """Return how the requests went: repeated ones, failed attempts by kind, texts without a letter."""
    counts = overall.counts
    kinds = ", ".join(f"{kind}: {times:,}" for kind, times in counts.failed_attempts.items() if times)
    answered = f"{number(counts.requests)} requests were answered, {number(counts.retries)} attempts repeated"
    sentences = [f"{answered}; failed attempts: {kinds or 'none'}."]
    if overall.unreadable:
        sentences.append(
            f"{number(overall.unreadable)} of {number(overall.n)} answers have no letter, and count as wrong."
        )
    return sentences
