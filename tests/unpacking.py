"""Unpack an archive of the tests' own."""

import tarfile
from pathlib import Path


def unpack(archive: Path, folder: Path) -> None:
    """Write an archive's files into a folder."""
    with tarfile.open(archive) as opened:
        # As tarfile's documentation says to write it for Python 3.11.0 to 3.11.3, which have no filters.
        opened.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
        opened.extractall(folder)
