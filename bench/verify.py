"""Measure how fast `weighbridge verify` verifies a folder, and sha256sum on the same files.

    python bench/verify.py [--gigabytes 2] [--files 8] [--rounds 5]

Each contender runs once per round, in an order that changes between rounds, so that disturbances affect all
alike. The files are read once before, so the comparison is of hashing and not of the disk. Each time is that
of the whole command, including the start of the interpreter.
"""

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHUNK_BYTES = 1 << 24
BASELINE = "sha256sum"


def make_folder(folder: Path, total_bytes: int, files: int) -> None:
    """Write files of equal size, as a model's shards are, of bytes that cannot be compressed."""
    noise = random.Random(1)
    for number in range(files):
        left = total_bytes // files
        with (folder / f"shard-{number:03}.safetensors").open("wb") as stream:
            while left:
                left -= stream.write(noise.randbytes(min(CHUNK_BYTES, left)))


def contenders(folder: Path, lock: Path) -> dict[str, list[str]]:
    """Return the commands to compare.

    sha256sum on all cores and verify on one core separate the effects of the cores and of the library.
    """
    weighbridge = [sys.executable, "-c", "from weighbridge.cli import main; main()"]
    subprocess.run([*weighbridge, "lock", str(folder), "--out", str(lock)], check=True, capture_output=True)
    verify = [*weighbridge, "verify", str(folder), "--lock", str(lock)]
    names = sorted(str(file) for file in folder.iterdir())
    cores, one = len(os.sched_getaffinity(0)), str(min(os.sched_getaffinity(0)))
    parallel = f'printf "%s\\0" "$@" | xargs -0 -n 1 -P {cores} sha256sum'
    return {
        BASELINE: ["sha256sum", *names],
        f"xargs -P {cores} sha256sum": ["bash", "-c", parallel, "-", *names],
        "weighbridge verify --full": [*verify, "--full"],
        "the same on one core": ["taskset", "--cpu-list", one, *verify, "--full"],
        "weighbridge verify (stamped)": verify,
    }


def measure(commands: dict[str, list[str]], rounds: int) -> dict[str, list[float]]:
    """Time every command in every round, in seconds."""
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name in random.sample(list(commands), len(commands)):
            started_s = time.perf_counter()
            subprocess.run(commands[name], check=True, capture_output=True)
            taken[name].append(time.perf_counter() - started_s)
    return taken


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    total_bytes = int(arguments.gigabytes * 1e9) // arguments.files * arguments.files
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "model"
        folder.mkdir()
        make_folder(folder, total_bytes, arguments.files)
        # Hashes of files this young are not cached; a real artifact is older when it is verified again.
        for file in folder.iterdir():
            os.utime(file, (1_600_000_000, 1_600_000_000))
        os.environ["XDG_CACHE_HOME"] = f"{temporary}/cache"
        taken = measure(contenders(folder, Path(temporary) / "lock.json"), arguments.rounds)

    print(
        f"{total_bytes / 1e9:.1f} GB in {arguments.files} files, {len(os.sched_getaffinity(0))} cores, "
        f"{arguments.rounds} rounds"
    )
    print(f"{'':30} {'median s':>9} {'min-max s':>13} {'GB/s':>7} {'against ' + BASELINE:>18}")
    baseline_s = statistics.median(taken[BASELINE])
    for name, times in taken.items():
        median_s = statistics.median(times)
        spread = f"{min(times):.2f}-{max(times):.2f}"
        ratio = f"{baseline_s / median_s:.1f}x"
        print(f"{name:30} {median_s:9.2f} {spread:>13} {total_bytes / 1e9 / median_s:7.2f} {ratio:>18}")


if __name__ == "__main__":
    main()
