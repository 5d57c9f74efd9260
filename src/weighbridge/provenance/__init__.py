"""The RO-Crate of a run directory: what came of what, for programs that follow provenance."""

import json
from collections.abc import Sequence
from pathlib import Path

from weighbridge.artifacts.proof import Proof
from weighbridge.config.round import Mode
from weighbridge.core.errors import InputError
from weighbridge.core.files import write_atomic
from weighbridge.provenance.crate_content import describe
from weighbridge.provenance.graph import Graph
from weighbridge.records.run_record import RUN_RECORD, RunRecord

CRATE = "ro-crate-metadata.json"


def write_crate(results: Path, artifacts: Sequence[Proof], submitter: str) -> None:
    """Write ro-crate-metadata.json beside the files that it names; the same files give the same bytes.

    Args:
        results: The run directory's results/.
        artifacts: Proofs of the inputs.
        submitter: Who ran it all.

    Raises:
        InputError: there is no run, or a file is damaged.
    """
    runs = {
        (folder.name, mode): RunRecord.read(path)
        for folder in sorted(results.iterdir() if results.is_dir() else ())
        for mode in Mode
        if (path := folder / mode / RUN_RECORD).is_file()
    }
    if not runs:
        raise InputError(f"{results}: no run in it yet; run `snakemake verdicts` first.")
    graph = Graph(results)
    describe(graph, results, runs, artifacts, submitter)
    write_atomic(results / CRATE, json.dumps(graph.metadata(), indent=2, ensure_ascii=False) + "\n")
