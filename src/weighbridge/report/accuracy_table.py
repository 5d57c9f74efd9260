"""The table of model quality: accuracy by domain and in all, on a terminal and as Markdown."""

from collections.abc import Iterator, Mapping

from rich.console import Group
from rich.text import Text

from weighbridge.core.formatting import number
from weighbridge.records.quality_scores import DomainAccuracy, OverallQuality
from weighbridge.records.verdict import by_remedy
from weighbridge.report.accuracy_texts import (
    QUALITY_TITLE,
    asked_text,
    banners,
    request_sentences,
    share_text,
    stderr_text,
    verdict_line,
)
from weighbridge.report.summary_columns import SummaryColumn, markdown_table, rich_table


def render_accuracies(overall: OverallQuality, domains: Mapping[str, DomainAccuracy]) -> Group:
    """Return the table for a terminal, what must be read with it, and the verdict in the last line."""
    title = Text(f"{QUALITY_TITLE}: {asked_text(overall)}", style="bold")
    return Group(
        title,
        rich_table(_columns(overall, domains)),
        *map(Text, (*_sentences(overall), verdict_line(overall))),
    )


def accuracies_markdown(overall: OverallQuality, domains: Mapping[str, DomainAccuracy]) -> str:
    """Return the same as a section of a page in Markdown."""
    sentences = "\n".join(f"- {sentence}" for sentence in _sentences(overall))
    table = markdown_table(_columns(overall, domains))
    return "\n\n".join([f"## {QUALITY_TITLE}", f"{verdict_line(overall)}.", table, sentences])


def _columns(overall: OverallQuality, domains: Mapping[str, DomainAccuracy]) -> list[SummaryColumn]:
    names = (*domains, "All")
    shares = (*domains.values(), overall.share)
    subjects = (*(domain.subjects for domain in domains.values()), overall.subjects)
    return [
        SummaryColumn("Domain", names, left=True),
        SummaryColumn("Accuracy [95 %]", tuple(map(share_text, shares))),
        SummaryColumn("Std. error", tuple(map(stderr_text, shares))),
        SummaryColumn("Questions", tuple(number(share.n) for share in shares)),
        SummaryColumn("Subjects", tuple(map(number, subjects))),
    ]


def _sentences(overall: OverallQuality) -> Iterator[str]:
    yield from banners(overall)
    yield from request_sentences(overall)
    for remedy, checks in by_remedy(overall.failed).items():
        yield f"Failed: {'; '.join(check.wording for check in checks)}. Next: {remedy}"
