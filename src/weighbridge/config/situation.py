"""Where the model is served, which a first configuration is written for."""

from enum import StrEnum


class Situation(StrEnum):
    """Servers of the user, this node, or jobs of a cluster."""

    ENDPOINT = "endpoint"
    NODE = "node"
    SLURM = "slurm"
