"""The other clients of a comparison, each started as a program of its own, against an endpoint of its own."""

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from compiled import compiled
from contenders import WARM_UP, Load
from endpoint import Rows, endpoint
from measure import CannotRunError, Compared, Figures, Spent, spent_by
from ours import ROOT
from stores import BUILD

from weighbridge.requests.store import RequestStore

Contenders = dict[str, Callable[[], Figures]]

# Names in tables, and keys of contenders.CLIENTS.
LEAST = "the least in C: one body, nothing parsed"
PYTHON_CLIENTS = (("aiohttp", "aiohttp"), ("AsyncOpenAI, as the reference calls", "reference"))
_FULL_CORE = 0.8
_CONTENDERS = Path(__file__).parent / "contenders.py"
_WRK_SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = io.open("%s", "rb"):read("*a")
"""


@dataclass(frozen=True)
class Bench:
    """What is compared, and how long.

    Attributes:
        rounds: How often each contender runs.
        quick: Whether the runs are short.
        only_ours: Whether the other clients are left out.
        sources: Checkouts of Weighbridge whose clients run, by name.
        python: Interpreter with aiohttp and openai.
        vllm: Interpreter with vLLM, whose `bench serve` is a contender.
        endpoints: Interpreter with the official endpoints client (mlcommons/endpoints), if any.
        reference: Checkout of mlcommons/inference, if any, whose harness is a contender.
        reference_python: Interpreter with what that harness imports.
    """

    rounds: int
    quick: bool
    only_ours: bool
    sources: dict[str, Path]
    python: str = sys.executable
    vllm: str = str(BUILD / "vllm" / "bin" / "python")
    endpoints: str | None = None
    reference: Path | None = None
    reference_python: str = str(BUILD / "reference" / "bin" / "python")


def figures_of(
    spent: Spent, rows: Rows, *, skip: int = 0, start_ns: int | None = None, end_ns: int | None = None
) -> Figures:
    """Return what a run cost a request and a chunk.

    Args:
        spent: What the contender's tree used.
        rows: The endpoint's rows.
        skip: Requests of a warm-up, the first to arrive.
        start_ns: When the client issued the first request; default: when the first arrived.
        end_ns: When it had read the last answer; default: when the last was sent.
    """
    rows = np.sort(rows, order="arrived_ns")[skip:]
    if not len(rows):
        raise CannotRunError("the endpoint saw no request of it")
    start, end = start_ns or int(rows["arrived_ns"].min()), end_ns or int(rows["last_ns"].max())
    cpu_s, wall_s, chunks = spent.between(start, end), (end - start) / 1e9, int(rows["chunks"].sum())
    found = {"cpu_us": cpu_s / len(rows) * 1e6, "rate": len(rows) / wall_s}
    if chunks:
        found |= {"chunk_us": cpu_s / chunks * 1e6, "chunks_s": chunks / wall_s}
    return found | {
        "cores": cpu_s / wall_s,
        "around_s": spent.total_s - cpu_s,
        "private_mb": spent.private_bytes / 1e6,
    }


def least(store: Path, requests: int, rate: float, **answers: float) -> Figures:
    """Run least.c, which sends one body again and again and looks at nothing but the end of an answer."""
    program = compiled(Path(__file__).parent / "least.c")
    with tempfile.TemporaryDirectory() as folder, endpoint(**answers) as server:
        body = Path(folder) / "body"
        body.write_bytes(bytes(RequestStore.open(store).body(0)))
        port = server.url.rpartition(":")[2]
        end = "0\r\n\r\n" if answers else "}}"
        spent = spent_by([str(program), port, str(rate), str(requests), str(body), end])
    told = json.loads(spent.output)
    start, ended = told.pop("start_ns"), told.pop("end_ns")
    return figures_of(spent, server.rows, start_ns=start, end_ns=ended) | told


def with_true_ttft(figures: Figures, rows: Rows, *, skip: int = 0) -> Figures:
    """Add how much longer the client counts the time to first token than it was at the endpoint.

    There it is the time from a request's arrival until its first chunk is sent.
    """
    rows = np.sort(rows, order="arrived_ns")[skip:]
    if rows["chunks"].max(initial=0) <= 1 or "first_token_p50_ms" not in figures:
        return figures
    true_ns = rows["first_ns"] - rows["arrived_ns"]
    shares = {"p50": 0.5, "p99": 0.99}
    return figures | {
        f"ttft_{name}_off_ms": figures[f"first_token_{name}_ms"] - float(np.quantile(true_ns, share)) / 1e6
        for name, share in shares.items()
    }


def without_the_busy(contenders: Contenders, slower: Compared | None, keep: Collection[str]) -> Contenders:
    """Return the contenders, of which those say why they do not run that were busy at a lower rate.

    A Python client uses one core, and beyond it only falls behind, for minutes.
    """
    if slower is None:
        return contenders
    reasons = dict(slower.missing)
    for name, summary in slower.summary().items():
        if (cores := summary["cores"]["median"]) > _FULL_CORE and name not in keep:
            reasons[name] = f"not tried: at a lower rate it keeps a core {cores:.0%} busy, and uses no other"
    return contenders | {name: partial(_refuse, reasons[name]) for name in contenders if name in reasons}


def _refuse(reason: str) -> Figures:
    raise CannotRunError(reason)


def python_client(bench: Bench, load: Load, **answers: float) -> Figures:
    """Run one of contenders.py; `answers` are options of the endpoint."""
    environment = os.environ | {"PYTHONPATH": f"{ROOT}/src"}
    with endpoint(**answers) as server:
        load = Load(**vars(load) | {"url": server.url})
        spent = spent_by([bench.python, str(_CONTENDERS), load.as_argument()], env=environment)
    told = json.loads(spent.output)
    start, end = told.pop("start_ns"), told.pop("end_ns")
    found = figures_of(spent, server.rows, skip=WARM_UP, start_ns=start, end_ns=end) | told
    return with_true_ttft(found, server.rows, skip=WARM_UP)


def wrk(store: Path, connections: int, seconds: int) -> Figures:
    """Run wrk with one thread and one body, which stays in the processor's caches."""
    if shutil.which("wrk") is None:
        raise CannotRunError("wrk is not installed (Debian: apt-get install wrk)")
    with tempfile.TemporaryDirectory() as folder, endpoint() as server:
        (Path(folder) / "body").write_bytes(bytes(RequestStore.open(store).body(0)))
        script = Path(folder) / "post.lua"
        script.write_text(_WRK_SCRIPT % (Path(folder) / "body"))
        arguments = ["-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script)]
        spent = spent_by(["wrk", *arguments, f"{server.url}/v1/chat/completions"])
    if failed := re.search(r"Socket errors: .*|Non-2xx .*", spent.output):
        raise CannotRunError(f"wrk reports: {failed[0]}")
    return figures_of(spent, server.rows)
