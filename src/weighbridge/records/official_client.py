"""The official endpoints client in a run's folder: its files, and what proves which client wrote them."""

from pathlib import Path

from pydantic import Field

from weighbridge.core.models import Model, Sha256

# What we ask of it, and what it prints.
CLIENT_REQUEST, CLIENT_LOG = "client.yaml", "client.log"
# Its report folder in the run's folder; others publish these files without a folder of their own around them.
CLIENT_FOLDER = Path("client")
WRITTEN_CONFIG = Path("config.yaml")
RESULT_SUMMARY = Path("performance/result_summary.json")
ACCURACY_RESULTS = Path("accuracy/accuracy_results.json")
EVENTS = Path("events.jsonl")
SAMPLE_MAP = Path("sample_idx_map.json")
SNAPSHOT = Path("metrics/final_snapshot.json")
CLIENT_FILES = (WRITTEN_CONFIG, RESULT_SUMMARY, ACCURACY_RESULTS, EVENTS, SAMPLE_MAP, SNAPSHOT)
"""The files that prove a run, in its report folder."""
PHASE_ANSWERS = "answers.jsonl"
"""Of the accuracy phase: lines of {"sample": 7, "text": "..."}, in the order in which they were completed."""


def client_folder(run: Path) -> Path:
    """Return the folder of the client's own files: the run's `client`, or where others published them.

    Of a folder that has both it is the folder itself, which is what the official checker reads.
    """
    inside = run / CLIENT_FOLDER
    published = any((run / name).is_file() for name in CLIENT_FILES)
    return inside if inside.is_dir() and not published else run


class OfficialClient(Model):
    """Which official client made a run, proven before and after it."""

    repo: str = Field(description="Repository, as owner/name on GitHub or a URL.")
    commit: str = Field(pattern=r"^[0-9a-f]{40}$")
    tree: str = Field(pattern=r"^[0-9a-f]{40}$", description="git's hash of all its files.")
    modified: bool = Field(description="Whether a file differed from the commit before or after the run.")
    packages_sha256: Sha256 = Field(
        description="Of its environment: the sorted list of installed packages, as NAME==VERSION lines."
    )
    python: str = Field(description="Version of the interpreter.")
    dataset_name: str = Field(description="Its preset of the dataset, as NAME::PRESET.")
    dataset_sha256: Sha256 = Field(
        description="Of the rows that it read, made from the proven dataset by its own function."
    )
    dataset_rows: int
    exit_code: int | None = Field(description="Negative: the signal that ended it; null: not known.")
