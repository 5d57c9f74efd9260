"""The RO-Crate of a run directory, which links files to the programs and inputs that made them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from weighbridge.artifacts.proof import Proof
from weighbridge.config.scenario_rules import Mode
from weighbridge.core.errors import InputError
from weighbridge.core.files import write_atomic
from weighbridge.gates.closed_checks import DatasetInputs
from weighbridge.provenance.crate_content import describe
from weighbridge.provenance.graph import CrateGraph
from weighbridge.records.run_record import RUN_RECORD, RunRecord

CRATE = "ro-crate-metadata.json"


def write_crate(
    results: Path,
    artifacts: Sequence[Proof],
    submitter: str,
    further: Mapping[str, DatasetInputs] | None = None,
) -> None:
    """Write ro-crate-metadata.json into a results folder; the same files give the same bytes.

    Args:
        results: The run directory's results/.
        artifacts: Proofs of the inputs.
        submitter: Who made the runs.
        further: Proofs of the round's further datasets, and of the requests made of them, by name.

    Raises:
        InputError: the folder holds no run, or a file is damaged.
    """
    runs = {
        (folder.name, path.parent.name): record
        for folder in sorted(results.iterdir() if results.is_dir() else ())
        for path in _in_order(folder)
        # Probes are runs too, of which no result is made.
        if (record := RunRecord.read(path)).compliance_test or path.parent.name in [*Mode]
    }
    if not runs:
        raise InputError(f"{results}: holds no run; run `snakemake verdicts` first.")
    graph = CrateGraph(results)
    describe(graph, results, runs, artifacts, submitter, further or {})
    write_atomic(results / CRATE, json.dumps(graph.metadata(), indent=2, ensure_ascii=False) + "\n")


def _in_order(scenario: Path) -> list[Path]:
    """Return the records of a scenario's runs, that of its performance run first."""
    found = sorted(scenario.glob(f"*/{RUN_RECORD}"))
    return sorted(found, key=lambda path: [*Mode, path.parent.name].index(path.parent.name))
