"""Unpack a zip archive whose content nobody has looked at yet."""

import lzma
import shutil
import stat
import zipfile
import zlib
from pathlib import Path

from weighbridge.core.errors import SetupError
from weighbridge.core.files import disk_needed, stays_inside
from weighbridge.core.formatting import disk_size
from weighbridge.core.replaced_folder import replaced_folder

_MOST_FILES = 1_000_000
_LARGEST_RATIO = 50  # of the unpacked size to the archive's; images hardly shrink
_SLACK_BYTES = 64 << 20


def unpack_zip(archive: Path, folder: Path) -> None:
    """Unpack an archive's files into a folder, which is replaced, completely or not at all.

    Raises:
        SetupError: the archive is damaged or encrypted, has a path outside of the folder, a link, a path
            twice or far more data than its size explains; or the disk is full.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = [entry for entry in opened.infolist() if not entry.is_dir()]
            _check(archive, entries)
            with disk_needed(folder.parent), replaced_folder(folder) as unfinished:
                for entry in entries:
                    target = unfinished / entry.filename
                    target.parent.mkdir(parents=True, exist_ok=True)
                    # Not extract(), which silently changes names.
                    with opened.open(entry) as source, target.open("xb") as stream:
                        shutil.copyfileobj(source, stream, 1 << 20)
    # OSError: of the content too, where bzip2 packed it. What the disk refuses is a SetupError by now.
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError, EOFError, OSError) as error:
        raise SetupError(f"{archive}: cannot be unpacked ({error}); fetch it again.") from None


def _check(archive: Path, entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > _MOST_FILES:
        raise _refused(archive, f"{len(entries)} files")
    seen = set()
    for entry in entries:
        name = entry.filename
        if not stays_inside(name) or "\\" in name or name in seen:
            raise _refused(archive, f"the path {name!r}")
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise _refused(archive, f"the link {name!r}")
        if entry.flag_bits & 1:
            raise _refused(archive, f"the encrypted file {name!r}")
        seen.add(name)
    total = sum(entry.file_size for entry in entries)
    if total > _LARGEST_RATIO * archive.stat().st_size + _SLACK_BYTES:
        raise _refused(archive, f"{disk_size(total)} of data")
    if total > (free := shutil.disk_usage(archive.parent).free):
        raise SetupError(
            f"{archive}: unpacked, it needs {disk_size(total)}, and {disk_size(free)} are free; make room."
        )


def _refused(archive: Path, what: str) -> SetupError:
    return SetupError(f"{archive}: has {what}, which no archive of images has; do not use it.")
