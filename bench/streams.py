"""Streamed answers, of text and of token ids: the cost of a chunk, and how far stamps are from the truth.

    python bench/streams.py [--rounds 3] [--quick] [--only-ours] [--source NAME=CHECKOUT ...]

Requests arrive as a Poisson process; each answer is a stream of 128 chunks over 1.3 s, sent in waves or as a
Poisson process of its own. The content of a chunk is the time at which it was sent. Completions with token
ids, one a chunk, are measured with our client alone: no other one here reads them.
"""

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from contenders import Load
from endpoint import endpoint
from measure import Compared, Figures, interleaved
from options import parsed, show
from ours import OurRun, our_client, stamps_against_truth
from peers import LEAST, PYTHON_CLIENTS, Bench, Contenders, figures_of, least, python_client, without_the_busy
from programs import once_of, using_more_cores, whole_programs
from stores import SMALL_PICTURE_BYTES, request_store, token_store

TOKENS = 128
_PREFILL_MS = 20


@dataclass(frozen=True)
class Case:
    """How the endpoint sends, and at how many requests/s; 100 chunks/s a stream."""

    title: str
    sends: dict[str, float]
    rate: float
    token_ids: bool = False

    @property
    def answers(self) -> dict[str, float]:
        """The endpoint's options."""
        return self.sends | {"tokens": TOKENS, "delay_ms": _PREFILL_MS}


CASES = (
    Case("Waves, 10,000 chunks/s", {"waves_ms": 10}, 78),
    Case("Waves, 50,000 chunks/s", {"waves_ms": 10}, 390),
    Case("Poisson, 10,000 chunks/s", {"poisson_each": 100}, 78),
    Case("Poisson, 50,000 chunks/s", {"poisson_each": 100}, 390),
    Case("Token ids in waves, 10,000/s", {"waves_ms": 10}, 78, token_ids=True),
    Case("Token ids in waves, 50,000/s", {"waves_ms": 10}, 390, token_ids=True),
    Case("Token ids, Poisson, 10,000/s", {"poisson_each": 100}, 78, token_ids=True),
    Case("Token ids, Poisson, 50,000/s", {"poisson_each": 100}, 390, token_ids=True),
)


def _ours(case: Case, store: Path, samples: int, source: Path) -> Figures:
    """Run our client with LoadGen, which counts first tokens."""
    with endpoint(**case.answers) as server:
        run = OurRun((server.url,), str(store), samples, "server", case.rate, tokens=True, source=str(source))
        driven = our_client(run)
    return figures_of(driven.spent, server.rows, **driven.span) | stamps_against_truth(driven, server.rows)


def _store(case: Case, samples: int) -> Path:
    if case.token_ids:
        return token_store(samples)
    return request_store(samples, stream=True, picture_bytes=SMALL_PICTURE_BYTES)


def compare(bench: Bench) -> dict[str, Compared]:
    """Measure all cases."""
    found: dict[str, Compared] = {}
    for case in CASES:
        samples = round(case.rate * (5 if bench.quick else 20))
        store = _store(case, samples)
        contenders: Contenders = {
            name: partial(_ours, case, store, samples, source) for name, source in bench.sources.items()
        }
        if case.token_ids:
            found[case.title] = interleaved(case.title, contenders, bench.rounds)
            continue
        for name, client in () if bench.only_ours else PYTHON_CLIENTS:
            load = Load(client, "", str(store), samples, rate=case.rate, stream=True)
            contenders[name] = partial(python_client, bench, load, **case.answers)
        if not bench.only_ours:
            contenders[LEAST] = partial(least, store, samples, case.rate, **case.answers)
            contenders |= {
                name: partial(run, bench, store, samples, case.rate, case.answers)
                for name, run in whole_programs(bench).items()
            }
        slower = found.get(f"{case.title.split(',')[0]}, 10,000 chunks/s")
        contenders = without_the_busy(
            contenders, slower, keep=(LEAST, *bench.sources, *using_more_cores(bench))
        )
        found[case.title] = interleaved(case.title, contenders, bench.rounds, once=once_of(bench))
    return found


if __name__ == "__main__":
    for title, compared in compare(parsed(sys.argv[1:], __doc__)).items():
        show(title, compared)
