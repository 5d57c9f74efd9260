"""Render what a machine can do as a table for the terminal."""

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from weighbridge.system.machine_check import Diagnosis, MachineState, MachineUse

_STYLES = {MachineState.OK: "green", MachineState.WARNING: "yellow", MachineState.MISSING: "bold red"}
USES = {
    MachineUse.BENCH: "compare endpoints (weighbridge bench)",
    MachineUse.DEMO: "the demo (make submission)",
    MachineUse.BENCHMARK: "the benchmark of config.yaml (snakemake submission)",
    MachineUse.SLURM: "the benchmark as Slurm jobs (snakemake --profile slurm)",
    MachineUse.MMLU: "the model's score in MMLU (snakemake quality)",
}


def render_diagnosis(diagnosis: Diagnosis) -> Group:
    """Return the checks as a table, then what to do, then what the machine can be used for."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Check", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("Found", overflow="fold")
    for check in diagnosis.checks:
        table.add_row(check.name, Text(check.state, style=_STYLES[check.state]), Text(check.found))
    remedies = [
        Text(f"{check.name}: {check.remedy}.") for check in diagnosis.checks if check.remedy is not None
    ]
    uses = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    uses.add_column("This machine can be used for")
    uses.add_column("", no_wrap=True)
    uses.add_column("Missing", overflow="fold")
    for each in diagnosis.uses:
        state = Text("yes", style="green") if each.possible else Text("no", style="bold red")
        uses.add_row(USES[each.use], state, ", ".join(each.missing))
    return Group(table, *remedies, Text(), uses)
