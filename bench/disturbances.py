"""Print how often quiet runs are called disturbed, and which disturbances are found.

    PYTHONPATH=tests/unit python bench/disturbances.py [--scenarios 4000] [--seed 2026]

Runs are simulated: a first-come queue in front of servers (tests/unit/queued_runs.py). No signs of the
machine, such as load by others, are among them: their limits are reasoned, not measured.
"""

import argparse
from collections import Counter
from collections.abc import Callable

import numpy as np
from queued_runs import LENGTHS, QuietScenario, System, kinds_of

from weighbridge.disturbances.run_trace import RunTrace

# A small vLLM: 32 answers at once of 1.1 s, 29 a second.
SERVERS, MEAN_S = 32, 1.1
LOADS = {"Offline": None, "Server at 33 %": 0.33, "Server at 80 %": 0.8}
Disturbed = Callable[[np.random.Generator, System, float | None], RunTrace]


def frozen(rng: np.random.Generator, system: System, load: float | None) -> RunTrace:
    """Return a run in which nothing works for 23 s."""
    return system.run(load, freeze=(float(rng.uniform(0.2, 0.6)), 23.0))


def slowed(speed: float) -> Disturbed:
    """Return what runs at a share of the speed."""
    return lambda _rng, system, load: system.run(load, speed=speed)


DISTURBANCES = {"23 s frozen": frozen, "half the speed": slowed(0.5), "four fifths of the speed": slowed(0.8)}


def print_false_alarms(scenarios: int, seed: int) -> None:
    """Print how many quiet scenarios are called disturbed, and as what."""
    rng, called, kinds = np.random.default_rng(seed), 0, Counter[str]()
    for _ in range(scenarios):
        found = kinds_of(QuietScenario.draw(rng).runs(rng))
        called += bool(found)
        kinds.update(found)
    print(f"quiet: {called} of {scenarios} called disturbed, {called / scenarios:.2%}; {dict(kinds)}")


def print_found(pairs: int, seed: int) -> None:
    """Print the share of pairs of runs, one of them disturbed, in which something is found."""
    for name, disturb in DISTURBANCES.items():
        for requests in (512, 5000):
            for title, load in LOADS.items():
                rng, found = np.random.default_rng(seed), Counter[str]()
                for lengths in LENGTHS:
                    for _ in range(pairs):
                        system = System(rng, requests, lengths, servers=SERVERS, mean_s=MEAN_S)
                        runs = {"performance": disturb(rng, system, load), "accuracy": system.run(load)}
                        found[lengths] += bool(kinds_of(runs))
                shares = ", ".join(f"{lengths} {found[lengths] / pairs:.0%}" for lengths in LENGTHS)
                print(f"{name}, {requests} requests, {title}: {shares}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenarios", type=int, default=4000, help="Quiet scenarios.")
    parser.add_argument("--pairs", type=int, default=50, help="Pairs of runs for each kind of disturbance.")
    parser.add_argument("--seed", type=int, default=2026)
    asked = parser.parse_args()
    print_false_alarms(asked.scenarios, asked.seed)
    print_found(asked.pairs, asked.seed)
