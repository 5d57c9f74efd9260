"""What a rerun replaces: set aside under `replaced/` of the run directory, not lost.

Snakemake deletes a job's declared outputs before the job starts. So the files of a finished result are linked
into `replaced/.current/NAME`, where nothing deletes them and they take no space. When the result is made
again, that folder becomes `replaced/TIME-NAME`.
"""

import os
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

_CURRENT = ".current"


@contextmanager
def replacing(
    replaced: Path | None,
    name: str,
    *places: Path,
    stale: Iterable[Path] = (),
    folders: Collection[str] = (),
) -> Iterator[None]:
    """Set an earlier result aside before a with block makes it again, and link the new one for next time.

    A block that fails leaves the earlier result in its folder below `replaced`, and none in its old place.

    Args:
        replaced: The folder of replaced results; None: nothing is set aside or linked.
        name: The result's name, such as offline-performance.
        places: Where the result's files lie: files, or folders that hold them. Folders in those stay.
        stale: Files made from the earlier result, which go with it where they exist.
        folders: Names of folders in the places that are of the result, and go with it whole.

    Raises:
        OSError: the folder cannot be written.
    """
    if replaced is None:
        yield
        return
    set_aside(replaced, name, *places, *stale, folders=folders)
    yield
    keep(replaced, name, *places, folders=folders)


def keep(replaced: Path, name: str, *places: Path, folders: Collection[str] = ()) -> None:
    """Link the files of a finished result, so that they outlive their deletion. See `replacing`."""
    folder = finished(replaced, name)
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    for file, path in _files(places, folders):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        _link(file, folder / path)


def finished(replaced: Path, name: str) -> Path:
    """Return the folder that has the files of a finished result by a second name."""
    return replaced / _CURRENT / name


def put_back_files(folder: Path, place: Path) -> None:
    """Link the files of a folder to their place again, from which something has deleted them.

    Raises:
        OSError: the place cannot be written.
    """
    place.mkdir(parents=True, exist_ok=True)
    for file in filter(Path.is_file, folder.rglob("*")):
        path = place / file.relative_to(folder)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _link(file, path)


def set_aside(replaced: Path, name: str, *places: Path, folders: Collection[str] = ()) -> Path | None:
    """Move an earlier result out of the way, finished or not. See `replacing`.

    Returns:
        The folder that holds it now; None where there was none.
    """
    current, leftovers = finished(replaced, name), _files(places, folders)
    if not current.is_dir() and not leftovers:
        return None
    aside = _unused(replaced, f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{name}")
    if current.is_dir():
        current.rename(aside)
    else:
        aside.mkdir(parents=True)
    for file, path in leftovers:
        # Another run of the scenario may take its verdict away at the same time.
        with suppress(FileNotFoundError):
            if (aside / path).exists():
                file.unlink()
            else:
                (aside / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.move(file, aside / path)
    return aside


def _files(places: tuple[Path, ...], folders: Collection[str]) -> list[tuple[Path, Path]]:
    """Return the files of a result, each with its path in a folder of that result alone."""
    found = [(place, Path(place.name)) for place in places]
    for place in places:
        if place.is_dir():
            found += [(path, Path(path.name)) for path in place.iterdir()]
            found += [
                (path, path.relative_to(place)) for name in folders for path in (place / name).rglob("*")
            ]
    return [(file, path) for file, path in found if file.is_file()]


def _link(file: Path, to: Path) -> None:
    try:
        os.link(file, to)
    except OSError:  # a file system without hard links
        shutil.copy2(file, to)


def _unused(replaced: Path, name: str) -> Path:
    """Return a folder that does not exist; two results may be replaced within one second."""
    folder, number = replaced / name, 1
    while folder.exists():
        number += 1
        folder = replaced / f"{name}-{number}"
    return folder
