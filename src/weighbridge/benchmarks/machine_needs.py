"""What a benchmark asks of a machine, from `needs.yaml` in its folder, which a benchmark need not have."""

from pydantic import Field

from weighbridge.benchmarks.registry import load_benchmark
from weighbridge.core.models import Model

_FILE = "needs.yaml"


class MachineNeeds(Model):
    """What the model and its requests take, in bytes."""

    disk_bytes: int = Field(gt=0, description="Model, dataset, requests and results.")
    memory_bytes: int = Field(gt=0, description="Of the host: requests, client and the server's processes.")
    gpu_memory_bytes: int = Field(gt=0, description="Of all GPUs: the weights, and room to serve from.")


def needs_of(benchmark: str) -> MachineNeeds | None:
    """Return what a benchmark needs; None: it does not say.

    Raises:
        InputError: there is no such benchmark, or its file is damaged.
    """
    path = load_benchmark(benchmark).folder / _FILE
    return MachineNeeds.read(path) if path.is_file() else None
