"""Where a worker's time goes while it reads streams: by kind of work, and by function of Python.

    python bench/profile_streams.py [--case "Poisson, 50,000 chunks/s"] [--source CHECKOUT] [--py-spy PROGRAM]

Uses perf (Debian: apt-get install linux-perf) and, for the functions, py-spy (PyPI; make bench-peers has it).
Prints Markdown: shares of the worker's samples. What is needed and missing is said.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import psutil
from endpoint import endpoint
from ours import ROOT, OurRun, our_client
from stores import BUILD, SMALL_PICTURE_BYTES, request_store
from streams import CASES, Case

_SECONDS = 6  # of a run that issues for 12 s
_WORKER = "weighbridge.client.worker"
_SHOWN = 12
# The first that fits a sample's library and symbol names its kind of work.
_KINDS = (
    (
        "kernel: waits and wakes",
        r"\[kernel.*(epoll|ep_|schedule|wake|idle|sched|pick_|finish_task|select_task|hrtimer)",
    ),
    ("kernel: network", r"\[kernel.*(tcp|sock|skb|inet|recv|send|copy_to|_copy_|net|ip_|fdget|fget)"),
    ("kernel: the rest", r"\[kernel"),
    ("JSON (msgspec)", r"msgspec|_core\.cpython"),
    ("HTTP (llhttp)", r"httptools|parser\.cpython|llhttp"),
    ("Python interpreter", r"python"),
    ("C library", r"libc[.-]|ld-linux|vdso"),
)


def _worker_of(pid: int) -> int:
    """Return the worker among the descendants of a process, as soon as there is one."""
    for _ in range(200):
        for child in psutil.Process(pid).children(recursive=True):
            if _WORKER in child.cmdline():
                return child.pid
        time.sleep(0.05)
    sys.exit("bench: no worker was started")


def _driven(case: Case, source: Path, profiler: list[str]) -> str:
    """Run our client on a case, and a profiler of its worker; {pid} and {out} are replaced in its command."""
    samples = round(case.rate * (_SECONDS + 6))
    store = request_store(samples, stream=True, picture_bytes=SMALL_PICTURE_BYTES)
    with tempfile.TemporaryDirectory() as folder, endpoint(**case.answers) as server:
        out = f"{folder}/profile"
        run = OurRun((server.url,), str(store), samples, "server", case.rate, tokens=True, source=str(source))
        thread = threading.Thread(target=our_client, args=(run,))
        thread.start()
        worker = _worker_of(psutil.Process().pid)
        time.sleep(3)  # until as many streams are open as there will be
        command = [part.format(pid=worker, out=out) for part in profiler]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        thread.join()
        if profiler[0] != "perf":
            return Path(out).read_text()
        report = ["perf", "report", "-i", out, "--stdio", "--no-children", "-g", "none"]
        report += ["--sort", "dso,symbol", "--field-separator", "|"]
        return subprocess.run(report, check=True, capture_output=True, text=True).stdout


def by_kind(report: str) -> Counter[str]:
    """Return the shares in percent by kind of work, of perf's report."""
    found: Counter[str] = Counter()
    for share, library, symbol in re.findall(r"^ *([\d.]+)% *\|([^|]*)\|\[.\] ([^|]*)", report, re.MULTILINE):
        text = f"{library.strip()} {symbol.strip()}"
        kind = next((name for name, pattern in _KINDS if re.search(pattern, text)), "other libraries")
        found[kind] += float(share)  # type: ignore[assignment]
    return found


def by_function(stacks: str) -> Counter[str]:
    """Return the shares in percent by the innermost function of Python, of py-spy's collapsed stacks."""
    counts: Counter[str] = Counter()
    for stack, count in re.findall(r"^(.*) (\d+)$", stacks, re.MULTILINE):
        counts[stack.rpartition(";")[2].replace("weighbridge/client/", "").rpartition(":")[0] + ")"] += int(
            count
        )
    total = counts.total() or 1
    return Counter({name: 100 * count / total for name, count in counts.items()})  # type: ignore[misc]


def _show(title: str, shares: Counter[str]) -> None:
    print(f"\n| share | {title} |\n| --- | --- |")
    for name, share in shares.most_common(_SHOWN):
        print(f"| {share:.0f} % | {name} |")


def main() -> None:
    """Profile one case twice: with perf, then with py-spy."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    titles = [case.title for case in CASES]
    parser.add_argument("--case", choices=titles, default=titles[-1])
    parser.add_argument("--source", type=Path, default=ROOT, help="The checkout whose client runs.")
    parser.add_argument("--py-spy", default=str(BUILD / "reference" / "bin" / "py-spy"))
    options = parser.parse_args()
    case = next(case for case in CASES if case.title == options.case)
    print(f"{case.title}, a worker of {options.source}")
    if shutil.which("perf") is None:
        print("perf is not installed (Debian: apt-get install linux-perf)")
    else:
        perf = ["perf", "record", "-F", "997", "-e", "cpu-clock", "-o", "{out}", "-p", "{pid}"]
        _show("kind of work", by_kind(_driven(case, options.source, [*perf, "--", "sleep", str(_SECONDS)])))
    if shutil.which(options.py_spy) is None:
        print(f"{options.py_spy} is not there (make bench-peers)")
        return
    spy = [options.py_spy, "record", "--format", "raw", "--rate", "500", "--gil"]
    spy += ["--duration", str(_SECONDS), "--output", "{out}", "--pid", "{pid}"]
    _show("innermost function while Python computes", by_function(_driven(case, options.source, spy)))


if __name__ == "__main__":
    main()
