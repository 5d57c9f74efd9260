"""Measure what the client of comparisons costs: closed loops, streams, and arrivals at equal distances.

    python bench/issuers.py [--rounds 5] [--quick]

Closed loops of 64 against an endpoint that answers after 50 ms, with small bodies and with those of 116 KB;
64 streams of 100 chunks/s each; 1,000 arrivals/s at equal distances; and, for its limit, an endpoint that
answers at once. One worker, and one driver process.
`cores` is the CPU of the whole client, of all its processes together, while it issues: below 0.7 all of it
fits on a single core with room to spare. `delay` is from a request's due time (in a closed loop: from the end
of the one before it) to the sending of its last byte.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from endpoint import endpoint
from measure import CannotRunError, Figures, interleaved, spent_by
from options import show
from ours import ROOT, percentiles_ms
from peers import figures_of
from stores import PICTURE_BYTES, SMALL_PICTURE_BYTES, request_store

_MOST_CORES = 0.7
_BODIES = 1_000


@dataclass(frozen=True)
class Case:
    """A load: closed loops of so many, or so many arrivals/s at equal distances."""

    title: str
    closed: int = 0
    rate: float = 0
    requests: int = 10_000
    picture_bytes: int = SMALL_PICTURE_BYTES
    stream: bool = False
    delay_ms: float = 50
    least_rate: float = 1_000
    least_chunks_s: float = 0
    most_cores: float = _MOST_CORES

    @property
    def answers(self) -> dict[str, float]:
        """The endpoint's options."""
        pace = {"waves_ms": 10, "tokens": 128} if self.stream else {}
        return {"delay_ms": self.delay_ms} | pace


CASES = (
    Case("closed 64, small bodies", closed=64),
    Case("closed 64, bodies of 116 KB", closed=64, picture_bytes=PICTURE_BYTES),
    Case("closed 64, streams", closed=64, requests=500, stream=True, least_rate=0, least_chunks_s=5_000),
    Case("1,000 arrivals/s at equal distances", rate=1_000, least_rate=980),
    Case("closed 64, answers at once", closed=64, delay_ms=0, most_cores=os.cpu_count() or 1),
)


def measured(case: Case, store: Path) -> Figures:
    """Run one case in a process tree of its own.

    Raises:
        CannotRunError: the run failed, or did not reach its load.
    """
    with tempfile.TemporaryDirectory() as folder:
        with endpoint(**case.answers) as server:
            run = {"url": server.url, "store": str(store), "case": asdict(case)}
            command = [sys.executable, __file__, "--drive", json.dumps(run), "--out", folder]
            spent = spent_by(command, env=os.environ | {"PYTHONPATH": f"{ROOT}/src"})
        report = json.loads(spent.output.splitlines()[-1])
        if report["aborted"] or report["failed"]:
            raise CannotRunError(f"the run ended with {report['aborted'] or report['failed']}")
        table = pq.read_table(Path(folder) / "requests.parquet").to_pandas()
    start_ns, end_ns = int(table.planned_ns.min()), int(table.end_ns.max())
    found = figures_of(spent, server.rows, start_ns=start_ns, end_ns=end_ns)
    return found | percentiles_ms("delay", (table.sent_ns - table.planned_ns).to_numpy())


def drive(run: dict[str, Any], out: Path) -> dict[str, Any]:
    """Issue the requests of a case from this process and those that it starts."""
    import numpy as np

    from weighbridge.client.conversation_issuer import ConversationIssuer
    from weighbridge.client.issuer import Target
    from weighbridge.config.client_settings import ClientSettings
    from weighbridge.config.load_level import LoadLevel
    from weighbridge.core.openai_api import AnswerKind
    from weighbridge.requests.run_phase import RunPhase
    from weighbridge.requests.store import RequestStore
    from weighbridge.requests.turns import TURN_TYPE

    class Compared(RequestStore):
        """The requests of a store as a comparison sends them."""

        answers = AnswerKind.GENERATED  # type: ignore[assignment]

    case = Case(**run["case"])
    turns = np.zeros(case.requests, dtype=TURN_TYPE)
    turns["conversation"] = np.arange(case.requests)
    turns["request"] = turns["conversation"] % _BODIES
    turns["phase"] = RunPhase.MEASURED
    turns["due_s"] = turns["conversation"] / (case.rate or 1)
    level = LoadLevel(closed=case.closed) if case.closed else LoadLevel(constant=case.rate)
    target = Target((run["url"],), Compared.open(Path(run["store"])), ClientSettings(workers=1))
    report = ConversationIssuer(case.title, level, turns).issue(target, out)
    return report.model_dump(mode="json", include={"aborted", "failed", "client"})


def too_much(case: Case, figures: dict[str, dict[str, float]]) -> str | None:
    """Return why a case misses what is promised of it, by its medians."""
    if figures["cores"]["median"] > case.most_cores:
        return f"took {figures['cores']['median']:.2f} cores, more than {case.most_cores:g}"
    if figures["rate"]["median"] < case.least_rate:
        return f"reached {figures['rate']['median']:.0f} requests/s, fewer than {case.least_rate:g}"
    if case.least_chunks_s and figures["chunks_s"]["median"] < case.least_chunks_s:
        return f"reached {figures['chunks_s']['median']:.0f} chunks/s, fewer than {case.least_chunks_s:g}"
    return None


def main() -> None:
    """Measure all cases, print medians and spreads, and fail where a promise is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, help="How often each case runs.")
    parser.add_argument("--quick", action="store_true", help="A third of the requests.")
    parser.add_argument("--drive", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.drive:
        print(json.dumps(drive(json.loads(options.drive), options.out)))
        return
    contenders: dict[str, Callable[[], Figures]] = {}
    cases = [replace(case, requests=case.requests // (3 if options.quick else 1)) for case in CASES]
    for case in cases:
        store = request_store(_BODIES, stream=case.stream, picture_bytes=case.picture_bytes)
        contenders[case.title] = partial(measured, case, store)
    compared = interleaved("Issuers", contenders, options.rounds)
    show("The client of comparisons", compared)
    found = compared.summary()
    missed = [f"{case.title}: {why}" for case in cases if (why := too_much(case, found[case.title]))]
    print("\n" + ("\n".join(missed) or "All promises are kept."))
    sys.exit(1 if missed or compared.missing else 0)


if __name__ == "__main__":
    main()
