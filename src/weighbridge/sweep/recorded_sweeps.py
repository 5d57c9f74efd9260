"""Read the sweeps that `compare` is given: folders of ours, or another tool's results."""

from collections.abc import Sequence
from pathlib import Path

from weighbridge.core.errors import InputError
from weighbridge.records.comparison import COMPARISON, SweepComparison
from weighbridge.records.verdict import VERDICT
from weighbridge.records.vllm_bench import VLLM_SUMMARY
from weighbridge.sweep.compare_sweeps import RecordedSweep
from weighbridge.sweep.import_vllm import read_vllm


def are_sweeps(paths: Sequence[Path]) -> bool:
    """Return whether one of the paths is a sweep, or a result of `vllm bench`, and no run directory."""
    return any(path.is_file() or (path / COMPARISON).is_file() or _is_of_vllm(path) for path in paths)


def _is_of_vllm(folder: Path) -> bool:
    # A run directory has a summary.json of its own.
    own = (folder / "results").is_dir() or any(folder.glob(f"*/{VERDICT}"))
    return not own and any(folder.rglob(VLLM_SUMMARY))


def read_two(paths: Sequence[Path]) -> tuple[RecordedSweep, RecordedSweep]:
    """Read the old and the new sweep.

    Raises:
        InputError: there are not two, or one cannot be read.
    """
    if len(paths) != 2:
        raise InputError(f"give two sweeps, the old one and the new one; there are {len(paths)}.")
    old, new = map(read_sweep, paths)
    return old, new


def read_sweep(path: Path) -> RecordedSweep:
    """Read the folder of a sweep, its comparison.json, or results of `vllm bench serve`.

    Raises:
        InputError: it is none of these.
    """
    file = path / COMPARISON if path.is_dir() else path
    if file.name == COMPARISON and (file.is_file() or not path.is_dir()):
        return RecordedSweep(str(path), SweepComparison.read(file))
    return read_vllm(path)
