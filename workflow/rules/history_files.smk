"""Where recorded results are looked for, and which there are.

In:  ROOT; the names of the entries in history/ of the run directories
Out: history_root(), recorded_entries()
"""

from hashlib import sha256

from weighbridge.history.entry_files import entry_files
from weighbridge.history.read_history import run_directories
from weighbridge.records.history_entry import HISTORY_FOLDER


def history_root():
    """Return where the run directories are: below the checkout, or beside this one."""
    return Path() if Path.cwd().samefile(ROOT) else Path("..")


def recorded_entries():
    """Return a hash over the names of all entries, which never change."""
    names = [
        (directory.resolve().name, file.name)
        for directory in run_directories([history_root()])
        for file in entry_files(directory / HISTORY_FOLDER)
    ]
    return sha256(canonical(sorted(names)).encode()).hexdigest()
