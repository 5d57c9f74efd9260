"""Runs of the real official client, mlcommons/endpoints @ ea332753, against a simulated server.

`tests/data/official_client_runs.tar.xz` has its reports as it left them, but for folders of the machine in
config.yaml, and the server's log of when it sent its answers. All ask the 24 products that
`synthesise(DATASET, 24)` writes: `interactive` (Poisson, 20 queries/s, streamed), `offline` (errors, broken
connections and empty answers among them), `cut` (a fifth of the streams broken off in the middle).
"""

from pathlib import Path

from unpacking import unpack

from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.closed_rules import ClosedRules
from weighbridge.config.dataset_rules import DatasetRules
from weighbridge.config.round import Round
from weighbridge.config.round_of_scenario import round_of_scenario

SAMPLES, TARGET_QPS = 24, 20.0
_PACKED = Path(__file__).parent / "data" / "official_client_runs.tar.xz"


def unpack_runs(folder: Path) -> Path:
    """Write the runs; return the folder that has them by their names."""
    unpack(_PACKED, folder)
    return folder


def round_of_runs(scenario: str) -> Round:
    """Return the round of the runs, as it holds for a scenario."""
    whole = load_round("v6.1-endpoints")
    update = {
        "submittable": False,
        "samples": SAMPLES,
        "further_datasets": {"8k": DatasetRules(samples=SAMPLES, splits=("train", "test"))},
        "closed": ClosedRules(),
    }
    return round_of_scenario(whole.model_copy(update=update), scenario)
