"""A tree as one file that is the same byte by byte whenever it is made from the same tree."""

import gzip
import tarfile
import tempfile
from pathlib import Path

from weighbridge.artifacts.manifest import Manifest
from weighbridge.core.files import sha256_of, write_atomic


def pack(root: Path, manifest: Manifest) -> Path:
    """Write the archive beside the tree, and its checksums; return the archive's path.

    ROOT.tar.gz holds the tree under its own name, in the order of the paths and without times, owners and
    rights of this machine. ROOT.sha256 lists the archive and every file, for `sha256sum --check`.
    """
    archive = root.with_name(f"{root.name}.tar.gz")
    with tempfile.TemporaryDirectory(dir=root.parent, prefix=f".{archive.name}.") as scratch:
        unfinished = Path(scratch) / archive.name
        with (
            unfinished.open("wb") as file,
            gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as stream,
            tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            for entry in manifest.files:
                member = tarfile.TarInfo(f"{root.name}/{entry.path}")
                member.size, member.mode = entry.size, 0o644
                with (root / entry.path).open("rb") as content:
                    tar.addfile(member, content)
        unfinished.replace(archive)
    lines = [f"{entry.sha256}  {root.name}/{entry.path}\n" for entry in manifest.files]
    lines.append(f"{sha256_of(archive)}  {archive.name}\n")
    write_atomic(root.with_name(f"{root.name}.sha256"), "".join(lines))
    return archive
