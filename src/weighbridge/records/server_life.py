"""life.json: one start of the model server, from its start to its end, and all that used it."""

from pydantic import Field

from weighbridge.core.models import Model

LIVES_FOLDER = "lives"  # in the folder of results: one folder a life, with life.json and the server's log
LIFE_RECORD = "life.json"


class LifeBrief(Model):
    """What run.json says of the life of the server that the run used."""

    id: str = Field(description="Name of the life's folder.")
    number: int = Field(ge=1, description="Which use of this life the run was, from 1.")
    before: tuple[str, ...] = Field(
        default=(), description="What used the server before, in order, such as 'offline performance'."
    )


class ServerUse(Model):
    """One use of a server by one job: from its attachment to its release."""

    label: str = Field(description="What it was used for, such as 'offline performance'.")
    folder: str = Field(description="Folder of the run or the search, as its command was given it.")
    began: str = Field(description="UTC, ISO 8601.")
    ended: str | None = Field(default=None, description="Null: it goes on, or the life ended with it.")


class ServerLife(Model):
    """Contents of life.json. The guard writes it, whenever something in it changes."""

    id: str
    gpus: int = Field(ge=0, description="GPUs that the servers hold, over all nodes; 0: none.")
    started: str = Field(description="UTC, ISO 8601.")
    ready: str | None = Field(default=None, description="When all servers answered for the first time.")
    stages: dict[str, float] = Field(
        default={}, description="Seconds of each stage of the start, as the server's log shows it."
    )
    uses: tuple[ServerUse, ...] = ()
    stopping: str | None = Field(default=None, description="When their stop began; null: not recorded.")
    ended: str | None = Field(default=None, description="Null: it goes on, or its guard was killed.")
    reason: str | None = Field(default=None, description="Why it ended, for people.")
