"""A submission tree: its paths, its forbidden files, its truncated logs, its manifest and its archive."""

import gzip
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from weighbridge.artifacts.manifest import FileEntry, Manifest
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode, RunRules, ScenarioRules
from weighbridge.config.settings import SubmissionSettings
from weighbridge.core.errors import InputError
from weighbridge.core.files import open_regular, sha256_of, write_atomic
from weighbridge.loadgen.logs import TRUNCATION_MARK
from weighbridge.records.run_record import ANSWERS, DETAIL, SUMMARY

RECORDS = "records"
# Folders of LoadGen's logs in a scenario's folder.
RUN_FOLDERS = {Mode.PERFORMANCE: Path("performance/run_1"), Mode.ACCURACY: Path("accuracy")}
LARGEST_FILE_BYTES = 50 * 2**20
_TRUNCATED_END_BYTES = 4096  # kept at each end of an accuracy log


@dataclass(frozen=True)
class TreeLayout:
    """The paths of a tree, as the official checker expects them from v6.0 on."""

    root: Path
    settings: SubmissionSettings
    round_: Round

    @property
    def submitter(self) -> Path:
        """Return the submitter's folder, the only folder of its division."""
        return self.root / self.settings.division / self.settings.submitter

    @property
    def system(self) -> Path:
        """Return the file of the system description."""
        return self.submitter / "systems" / f"{self.settings.system}.json"

    @property
    def sources(self) -> Path:
        """Return the folder of the code that ran; it is called src, not code, from v6.0 on."""
        return self.submitter / "src" / self.round_.folder

    @property
    def records(self) -> Path:
        """Return the folder of the records; the official checkers accept further files only in src."""
        return self.sources / RECORDS / self.settings.system

    @property
    def calibration(self) -> Path:
        """Return the file that describes how the weights were quantised."""
        return self.submitter / "documentation" / "calibration.md"

    def scenario(self, scenario: ScenarioRules) -> Path:
        """Return the folder of a scenario's results; the checker of v6.1 requires its capitalised name."""
        results = self.submitter / "results" / self.settings.system
        return results / self.round_.folder / scenario.folder


def run_logs(scenario: Path, run: RunRules) -> dict[str, Path]:
    """Return the path of each of LoadGen's logs of a run in a scenario's folder of a tree, by its file name.

    A compliance test has a folder of its own, which the official checker knows: its accuracy log lies in
    `accuracy`, whole, and its other logs where those of older tests lie.
    """
    folder = scenario / (run.compliance_test or "")
    modes = dict.fromkeys((DETAIL, SUMMARY, ANSWERS), run.mode)
    if run.compliance_test is not None:
        modes[ANSWERS] = Mode.ACCURACY
    return {name: folder / RUN_FOLDERS[mode] / name for name, mode in modes.items()}


def manifest_of(folder: Path) -> Manifest:
    """Return the manifest of all files below a folder: paths, sizes in bytes, sha256."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return Manifest(
        files=tuple(
            FileEntry(
                path=path.relative_to(folder).as_posix(), size=path.stat().st_size, sha256=sha256_of(path)
            )
            for path in files
        )
    )


def check_tree(root: Path) -> None:
    """Check that a tree holds nothing that the official checkers refuse by name, kind or size.

    Raises:
        InputError: the tree holds such a file or folder; the first one is named.
    """
    for path, fault in tree_faults(root):
        raise InputError(f"{path.relative_to(root)}: {fault}; a submission tree must not hold it.")


def tree_faults(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield each file and folder that a tree must not hold, with the reason."""
    for path in sorted(root.rglob("*")):
        fault = _fault(path)
        if fault is not None:
            yield path, fault


def _fault(path: Path) -> str | None:
    if path.name.startswith(".") or " " in path.name or path.name.endswith("__pycache__"):
        return "its name starts with a dot, contains a space, or is __pycache__"
    if not path.name.isprintable():
        return "its name contains a line break or another character that cannot be printed"
    if path.is_symlink():
        return "it is a symbolic link"
    if path.is_dir():
        return None if any(path.iterdir()) else "it is an empty folder"
    return "it is larger than 50 MB" if path.stat().st_size > LARGEST_FILE_BYTES else None


def copy_file(path: Path, into: Path) -> None:
    """Copy a file into the tree, and make its folders.

    Raises:
        InputError: the file cannot be read, or not written.
    """
    into.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copyfile(path, into)
    except OSError as error:
        raise InputError(f"{path}: cannot be copied into the tree ({error.strerror}).") from None


def truncate_log(log: Path, into: Path) -> None:
    """Write the truncated form of an accuracy log to another file; the log itself stays whole."""
    write_atomic(into, truncated(log))


def truncated(log: Path) -> bytes:
    """Return the first and the last 4096 bytes of a log, with a mark between them.

    The official tool (tools/submission/truncate_accuracy_log.py in mlcommons/inference) truncates every log
    without a hash, however short: below 8192 bytes the two ends overlap, and so they do here.
    """
    content = log.read_bytes()
    return content[:_TRUNCATED_END_BYTES] + TRUNCATION_MARK + content[-_TRUNCATED_END_BYTES:]


def with_hash(accuracy_text: str, log: Path) -> str:
    """Return the text of accuracy.txt with the hash of the whole log on a line of its own.

    An older hash line is dropped, because the checker reads the first one.
    """
    lines = [line for line in accuracy_text.splitlines() if not line.startswith("hash=")]
    return "\n".join([*lines, f"hash={sha256_of(log)}"]) + "\n"


def pack(root: Path, manifest: Manifest) -> Path:
    """Write a tree's archive and checksums beside the tree, and return the archive's path.

    ROOT.tar.gz holds the tree under its own name, sorted by path, without times, owners or permissions of
    this machine: the same tree gives the same bytes. ROOT.sha256 lists the archive and every file, for
    `sha256sum --check`.
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


def unpack(archive: Path, folder: Path) -> None:
    """Write the files and folders of an archive into a folder; a link becomes a copy of what it leads to.

    tarfile's own filters against archives that write elsewhere came with Python 3.11.4; Debian 12 has 3.11.2.

    Raises:
        OSError: the archive cannot be read, or a file cannot be written.
        EOFError: the archive ends too early.
        zlib.error: its compression is damaged.
        tarfile.TarError: it is no archive.
        ValueError: a member would lie outside the folder, or is neither a file nor a folder.
        KeyError: a link leads out of the archive.
    """
    with open_regular(archive) as stream, tarfile.open(fileobj=stream) as tar:
        for member in tar:
            place = (folder / member.name.lstrip("/")).resolve()
            if not place.is_relative_to(folder.resolve()):
                raise ValueError(f"{member.name} leads out of it")
            if member.isdir():
                place.mkdir(parents=True, exist_ok=True)
                continue
            content = tar.extractfile(member)
            if content is None:
                raise ValueError(f"{member.name} is neither a file nor a folder")
            place.parent.mkdir(parents=True, exist_ok=True)
            with content, place.open("wb") as file:
                shutil.copyfileobj(content, file)
