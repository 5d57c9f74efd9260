"""How much work LoadGen will make of a run, before it is started: pure mathematics."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weighbridge.rounds import Round
from weighbridge.terms import Mode, Scenario

# Offline, LoadGen plans for a tenth more than the expected rate. Source: test_settings_internal.cc of
# LoadGen.
_SLACK = 1.1


@dataclass(frozen=True)
class WorkSize:
    """What a run will issue.

    Attributes:
        samples: Samples in all; whole passes over the dataset, unless the round probes.
        scheduled_s: When the last query is due (Server); the time expected at the target rate (Offline).
    """

    samples: int
    scheduled_s: float


def work_size(round_: Round, scenario: Scenario, mode: Mode, target_qps: float) -> WorkSize:
    """Tell how many samples LoadGen will issue, and how long that takes at the target rate.

    Source: test_settings_internal.cc and loadgen.cc of LoadGen; the Server schedule is drawn as LoadGen draws
    it.
    """
    rules = round_.scenarios[scenario]
    unit = round_.samples if round_.loadgen.whole_passes else 1
    wanted = round_.samples if mode is Mode.ACCURACY else rules.min_query_count
    if scenario is Scenario.OFFLINE:
        if mode is Mode.PERFORMANCE:
            wanted = max(wanted, int(_SLACK * rules.min_duration_s * target_qps))
        samples = math.ceil(wanted / unit) * unit
        return WorkSize(samples, samples / target_qps)
    samples = math.ceil(wanted / unit) * unit
    due_s = server_schedule_s(samples, target_qps, round_.loadgen.seeds.schedule)
    while mode is Mode.PERFORMANCE and due_s[-1] < rules.min_duration_s:
        missing = rules.min_duration_s - due_s[-1]
        samples += max(1, int(0.9 * missing * target_qps / unit)) * unit
        due_s = server_schedule_s(samples, target_qps, round_.loadgen.seeds.schedule)
    return WorkSize(samples, float(due_s[-1]))


def server_schedule_s(queries: int, target_qps: float, seed: int) -> NDArray[np.float64]:
    """Draw the due times of Server queries, in seconds since the start, exactly as LoadGen does.

    LoadGen draws exponential gaps with libstdc++: a Mersenne twister whose seed keeps 32 bits, two of its
    words a number in [0, 1), the logarithm of one minus that, cut to whole nanoseconds.
    """
    twister = np.random.RandomState(seed & 0xFFFFFFFF)
    words = twister.randint(0, 1 << 32, size=2 * queries, dtype=np.uint32).astype(np.float64)
    uniform = (words[0::2] + words[1::2] * 2.0**32) / 2.0**64
    gaps_ns = (-np.log1p(-uniform) / target_qps * 1e9).astype(np.int64)
    due_s: NDArray[np.float64] = np.cumsum(gaps_ns) / 1e9
    return due_s
