"""What the records of earlier releases leave unsaid."""

ONLY_BENCHMARK = "qwen3-vl-235b-a22b"
"""The benchmark of records and settings that name none: there was no other one when they were written."""


def round_reference(name: str, benchmark: str, category: str | None) -> str:
    """Return what finds a round again, such as BENCHMARK/ROUND@CATEGORY."""
    return f"{benchmark}/{name}" + (f"@{category}" if category else "")
