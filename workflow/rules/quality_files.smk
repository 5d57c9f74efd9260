"""The files of a measurement of the model's quality, and who else takes them.

In:  SETTINGS, MMLU, MEASURED_MMLU, asks_for_quality()
Out: OVERALL_MMLU, PASSED_MMLU, QUALITY_FILES, model_of_mmlu(), server_of_mmlu(), quality_results()
"""

from weighbridge.records.quality_scores import (
    BY_DOMAIN,
    BY_SUBJECT,
    OVERALL,
    PASSED,
    SAMPLES,
    SCORE_PLOT,
)

OVERALL_MMLU = f"{MMLU}/{OVERALL}"
PASSED_MMLU = f"{MMLU}/{PASSED}"
# Asked for by name, because Snakemake does not remake a deleted file that only others needed.
QUALITY_FILES = [
    MEASURED_MMLU,
    OVERALL_MMLU,
    f"{MMLU}/{BY_DOMAIN}",
    f"{MMLU}/{BY_SUBJECT}",
    f"{MMLU}/{SAMPLES}",
    f"{MMLU}/{SCORE_PLOT}.png",
    f"{MMLU}/{SCORE_PLOT}.svg",
    PASSED_MMLU,
]


def model_of_mmlu():
    """Return the proof of the model, where it is served or its tokenizer makes the prompts."""
    by_tokens = SETTINGS.quality.mmlu.by_likelihood
    return (
        ["resources/model.json"] if by_tokens or not SETTINGS.server.endpoints else []
    )


def server_of_mmlu():
    """Return the server's settings but those of what only runs ask it before they measure."""
    fields = type(SETTINGS.server).model_fields
    unread = {name: fields[name].default for name in ("golden", "warmup_requests")}
    return SETTINGS.server.model_copy(update=unread)


def quality_results(wildcards):
    """Return the scores that a report tells too: those that this command makes, or those that are there.

    Those are taken as they are: were they made for a report, a changed setting would repeat a measurement that
    nobody asked for.
    """
    if asks_for_quality():
        return [OVERALL_MMLU]
    return [before_update(OVERALL_MMLU)] if Path(OVERALL_MMLU).is_file() else []
