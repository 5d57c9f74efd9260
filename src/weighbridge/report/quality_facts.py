"""With what model quality was measured: questions, model, server and versions, for the report's page."""

from weighbridge.core.formatting import utc_time
from weighbridge.records.quality_answers import QuestionSource
from weighbridge.records.quality_scores import SAMPLES, OverallQuality
from weighbridge.report.provenance_facts import ProvenanceFact


def quality_facts(overall: OverallQuality) -> list[ProvenanceFact]:
    """Return the facts of a measurement."""
    values = {
        "questions": _source(overall.source),
        "questions, sha256 of the files": overall.source.digest,
        "model": overall.model_name,
        "model, sha256 of the files": overall.model_digest or "not proven: an endpoint's",
        "server": overall.server or "it reports neither kind nor version",
        "beginning of sequence": "added to prompts" if overall.bos else "not added to prompts",
        "versions": ", ".join(f"{name} {version}" for name, version in overall.versions.items()),
        "measured": utc_time(overall.finished_at.isoformat()),
        f"{SAMPLES}, sha256": overall.samples_sha256,
    }
    return [ProvenanceFact(name, ((value, ""),)) for name, value in values.items()]


def _source(source: QuestionSource) -> str:
    if source.made_up:
        return "made up by Weighbridge"
    if source.repo is None:
        return f"{source.name}, from a folder"
    return f"{source.repo} at {source.revision}"
