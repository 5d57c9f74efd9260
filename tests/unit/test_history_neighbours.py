"""Which entries there are beside a run directory, also where neighbours let nobody look."""

from pathlib import Path

import pytest
from history_entries import history_entry, speed, write_entries

from weighbridge.history.read_history import entry_names, read_histories

CLOSED = "closed"


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run directories: two with a result, and one that another user has closed."""
    for name in ("monday", "tuesday", CLOSED):
        (tmp_path / name).mkdir()
        write_entries(tmp_path / name, history_entry(0, speed(48.3)))
    is_dir = Path.is_dir

    def refusing(path: Path) -> bool:
        # Tests may run as root, whom no mode of a folder keeps out.
        if path.parent.name == CLOSED:
            raise PermissionError(13, "Permission denied", str(path))
        return is_dir(path)

    monkeypatch.setattr(Path, "is_dir", refusing)
    return tmp_path


def test_names_are_those_of_the_entries_that_are_read(runs: Path) -> None:
    (runs / "monday" / "history" / "notes.txt").write_text("mine")
    read = sorted((each.run_directory.name, each.file.name) for each in read_histories([runs]))
    assert list(entry_names([runs])) == read
    assert [name for name, _ in read] == ["monday", "tuesday"]


def test_names_change_with_a_new_entry_alone(runs: Path) -> None:
    before = entry_names([runs])
    (runs / "monday" / "results").mkdir()
    assert entry_names([runs]) == before
    write_entries(runs / "monday", history_entry(1, speed(48.1)))
    assert len(entry_names([runs])) == len(before) + 1
