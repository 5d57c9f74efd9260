"""The setup of a measurement, from the options of the commands that measure."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from weighbridge.cli.options import server_of
from weighbridge.config.fingerprint import JobSettings

if TYPE_CHECKING:
    from weighbridge.config.closed_settings import Division
    from weighbridge.run.session import Setup

log = logging.getLogger(__name__)


def measurement_setup(
    round_file: str,
    job: JobSettings,
    model: Path,
    store: Path,
    program: Path | None,
    division: "Division",
) -> "Setup":
    """Return the setup of a measurement from the command's options.

    Raises:
        InputError: an input deviates from what the closed division fixes; in the open one it is a warning.
    """
    from weighbridge.artifacts.proof import Proof
    from weighbridge.benchmarks.rounds import load_round
    from weighbridge.records.store_manifest import MANIFEST_FILE, StoreManifest
    from weighbridge.run.closed_division import fixed_parts, input_deviations, told
    from weighbridge.run.session import Setup
    from weighbridge.serving.program import ServerProgram

    server = server_of(job)
    executable = ServerProgram.read(program).executable if program else None
    if executable is not None:
        server = server.model_copy(update={"executable": executable})
    round_ = load_round(round_file)
    proof, requests = Proof.read(model), StoreManifest.read(store / MANIFEST_FILE).settings
    for sentence in told(input_deviations(proof, requests, round_), round_, division):
        log.warning("%s", sentence)
    return Setup(round_, server, job.client, proof, store, fixed_parts(round_, division))
