"""Try all faults, print each that is wrong, and write the matrix; exit 1 if any is wrong.

Usage: python -m injection FILE [SEEDS [SHARE]]: SHARE 10 tries every tenth failed call.
"""

import contextlib
import shutil
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path
from queue import Empty, Queue

from injection.bench import Bench, bench
from injection.matrix import NEVER_REACHED, Row, summary, write
from injection.plan import Attempt, all_faults
from injection.shim import compiled, compiler

_LINES = 2  # of faults at once: each waits half of its time
_SEEDS = 100


def main() -> int:
    """Run the program; return its exit code."""
    if compiler() is None:
        print("faults: no C compiler here; install gcc", file=sys.stderr)
        return 3
    path = Path(sys.argv[1])
    seeds = int(sys.argv[2]) if len(sys.argv) > 2 else _SEEDS
    share = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    try:
        library = compiled(folder)
        with contextlib.ExitStack() as stack:
            benches = [stack.enter_context(bench(library, folder / str(n))) for n in range(_LINES)]
            attempts = all_faults(benches[0], seeds, share)
            print(f"{len(attempts)} faults", flush=True)
            rows = [row for row in _all_of(attempts, benches) if row.complaints or row.seen != NEVER_REACHED]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    write(rows, path)
    print("\n".join(summary(rows)))
    wrong = sum(bool(row.complaints) for row in rows)
    print(f"{len(rows)} faults in {time.monotonic() - started:.0f} s, {wrong} wrong; all of them in {path}")
    return int(wrong > 0)


def _all_of(attempts: list[Attempt], benches: list[Bench]) -> list[Row]:
    """Try all faults on several benches; return the rows in the order of the faults."""
    waiting: Queue[tuple[int, Attempt]] = Queue()
    for numbered in enumerate(attempts):
        waiting.put(numbered)
    rows: dict[int, Row] = {}

    def work(place: Bench) -> None:
        with contextlib.suppress(Empty):
            while True:
                number, attempt = waiting.get_nowait()
                rows[number] = _try(attempt, place)
                if rows[number].complaints:
                    print(
                        f"WRONG {rows[number].fault}: {'; '.join(rows[number].complaints)[:300]}", flush=True
                    )

    threads = [threading.Thread(target=work, args=(place,)) for place in benches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [rows[number] for number in sorted(rows)]


def _try(attempt: Attempt, place: Bench) -> Row:
    try:
        return attempt(place)
    except Exception as error:  # a fault of this program counts as wrong, and ends nothing else
        traceback.print_exc()
        return Row("this program", repr(attempt)[:80], "a row", repr(error), ("the attempt itself failed",))


if __name__ == "__main__":
    sys.exit(main())
