"""The user's settings: what config.yaml may say, with defaults and bounds."""

import json
import math
import re
import sys
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from weighbridge.config.round import Round
from weighbridge.core.errors import InputError
from weighbridge.core.models import Model

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
EnvironmentName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


def _from_root(path: Path, info: ValidationInfo) -> Path:
    """Resolve a path from the context `root`, or make it relative to the context `portable_from`.

    Both are the project's root; a path outside stays absolute. Without a context a path stays as written.
    """
    context = info.context or {}
    if "root" in context:
        return Path(context["root"]) / path
    root = context.get("portable_from")
    return path.relative_to(root) if root is not None and path.is_relative_to(root) else path


def _executable_from_root(name: str, info: ValidationInfo) -> str:
    if "/" not in name:
        return name
    path = str(_from_root(Path(name), info))
    return path if "/" in path else f"./{path}"  # a bare name would be looked up on PATH


ProjectPath = Annotated[Path, AfterValidator(_from_root)]
Executable = Annotated[str, AfterValidator(_executable_from_root)]


class Artifact(Model):
    """One pinned input: where it comes from, or the folder where it already lies."""

    repo: str | None = Field(default=None, description="Repository on the hub, owner/name.")
    revision: str | None = Field(default=None, description="Full commit; a branch is not a pin.")
    path: ProjectPath | None = Field(default=None, description="A folder that already holds the artifact.")
    synthetic: int | None = Field(
        default=None, gt=0, description="Make so many samples up instead, for a rehearsal."
    )
    manifest: ProjectPath | None = Field(default=None, description="Committed list of path, size and sha256.")

    @field_validator("revision")
    @classmethod
    def _is_a_commit(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[0-9a-f]{40}", value):
            raise ValueError("a revision is a full commit of 40 hexadecimal digits, never a branch or tag")
        return value

    @model_validator(mode="after")
    def _has_an_origin(self) -> "Artifact":
        if self.synthetic is not None:
            if self.repo or self.revision or self.path or self.manifest:
                raise ValueError("'synthetic' stands alone; set repo, revision, path and manifest to null")
        elif self.path is None and (self.repo is None or self.revision is None):
            raise ValueError("give 'repo' and 'revision', or the 'path' of a folder that holds it")
        return self


class Artifacts(Model):
    """The pinned inputs of a benchmark."""

    model: Artifact
    dataset: Artifact
    reference: Artifact | None = Field(default=None, description="The official reference: prompt, checker.")
    prompt: ProjectPath | None = Field(
        default=None, description="JSON file with 'system' and 'user' texts; default: the reference's."
    )


class Sampling(Model):
    """Sampling parameters of every request; what is unset is sent as null, as the reference does."""

    temperature: float | None = Field(default=None, ge=0)
    top_p: float | None = Field(default=None, gt=0, le=1)
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    max_tokens: int | None = Field(default=None, gt=0)


class RequestSettings(Model):
    """How a sample becomes a request body."""

    stream: bool = Field(default=False, description="Server-sent events; the official setting is false.")
    picture: Literal["reencode", "original"] = Field(
        default="reencode", description="'reencode' as the reference does, or pass the bytes through."
    )
    sampling: Sampling = Sampling()


class ServerSettings(Model):
    """The model server: one that a run starts and stops, or endpoints that the user runs."""

    adapter: str | None = Field(
        default=None,
        description="Kind of server: vllm, sglang, or an installed adapter's name. Default: vllm; endpoints "
        "are recognised by what they answer.",
    )
    executable: Executable | None = Field(
        default=None, description="Path from the project's root, or a name on PATH; default: the adapter's."
    )
    model_name: str = Field(description="Name under which the model is served and asked for.")
    args: tuple[str, ...] = Field(
        default=(), description="Further arguments of the server's command, as --name=value."
    )
    env: dict[EnvironmentName, str] = Field(default={}, description="Environment of the server; no secrets.")
    container: str | None = Field(
        default=None,
        description="Image that holds the executable, run by apptainer; docker://NAME@sha256:DIGEST.",
    )
    port: int | None = Field(default=None, ge=1024, le=65535, description="Fixed port; default: a free one.")
    gpus: int = Field(
        default=0, ge=0, description="Accelerators that must be visible before a server starts; a node's."
    )
    replicas: int = Field(
        default=1, ge=1, description="Servers on this machine; the visible GPUs are divided among them."
    )
    tensor_parallel_size: int = Field(default=1, ge=1, description="GPUs that each server shards over.")
    launcher: Literal["local", "srun"] = Field(
        default="local", description="'srun' starts a server on each node of the Slurm allocation."
    )
    nodes_per_replica: int = Field(
        default=1, ge=1, description="With srun: nodes that one server spans, for models too large for one."
    )
    endpoints: tuple[str, ...] = Field(default=(), description="Base URLs of servers that the user runs.")
    startup_timeout_s: float = Field(default=3600, gt=0)
    stop_timeout_s: float = Field(default=60, gt=0, description="After this long SIGTERM becomes SIGKILL.")
    golden: ProjectPath | None = Field(default=None, description="A request and its recorded answer.")
    warmup_requests: int = Field(default=16, ge=0, description="Sent before the clock starts.")

    @property
    def found_by_name(self) -> bool:
        """Return whether the program is vLLM looked up on PATH, which an environment of ours can provide."""
        by_name = self.executable is None or "/" not in self.executable
        return by_name and not self.endpoints and self.container is None and self.adapter in (None, "vllm")

    @field_validator("args")
    @classmethod
    def _are_single_options(cls, args: tuple[str, ...]) -> tuple[str, ...]:
        # Which options are allowed depends on adapter and round: see serving.arguments.check_arguments.
        for argument in args:
            name = argument.partition("=")[0]
            if not name.startswith("-") or " " in name:
                raise ValueError(f"'{argument}' is not one option; write each as --name=value")
        return args

    @field_validator("endpoints")
    @classmethod
    def _are_urls(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for url in urls:
            if not re.fullmatch(r"https?://[^/\s@]+(/[^\s]*)?", url):
                raise ValueError(f"'{url}' is no http(s) URL without credentials, such as http://node1:8000")
        return urls

    @field_validator("container")
    @classmethod
    def _is_pinned(cls, image: str | None) -> str | None:
        if image is not None and not re.fullmatch(r"(docker|oras)://[^\s@]+@sha256:[0-9a-f]{64}", image):
            raise ValueError(
                "an image is docker://NAME@sha256:DIGEST; a tag such as :v0.12.0 can be moved elsewhere"
            )
        return image

    @model_validator(mode="after")
    def _fit_together(self) -> "ServerSettings":
        if self.replicas > 1 and self.port is not None:
            raise ValueError(
                "one 'port' cannot serve several 'replicas'; remove 'port', and free ones are taken"
            )
        if self.launcher == "local" and self.nodes_per_replica > 1:
            raise ValueError("'nodes_per_replica' above 1 needs 'launcher: srun'")
        if self.launcher == "srun" and self.replicas > 1:
            raise ValueError("'launcher: srun' starts one server a node; leave 'replicas' at 1")
        wanted = self.replicas * self.tensor_parallel_size
        if self.gpus and wanted > self.gpus * self.nodes_per_replica:
            raise ValueError(
                f"{self.replicas} replicas of tensor_parallel_size {self.tensor_parallel_size} need {wanted} "
                f"GPUs, and 'gpus' is {self.gpus}; lower one, or raise 'gpus'"
            )
        return self


class ClientSettings(Model):
    """The load client."""

    workers: int = Field(default=1, ge=1, description="Worker processes; one carries some 10,000 requests/s.")
    connections: int = Field(default=4096, ge=1, description="Open connections, all workers together.")
    connect_timeout_s: float = Field(default=10, gt=0)
    request_timeout_s: float = Field(default=7200, gt=0, description="From sending to the last byte.")
    api_key_env: EnvironmentName | None = Field(
        default=None, description="Name of the environment variable that holds the key."
    )


def _rate_or_auto(value: object) -> object:
    """Refuse what is neither in one sentence; pydantic would complain of each choice by itself."""
    if value == "auto":
        return value
    try:
        rate = float(str(value))  # as text it comes from snakemake --config
    except ValueError:
        rate = math.nan
    if not 0 < rate < math.inf:
        raise ValueError("a rate is a number greater than 0, or 'auto'")
    return rate


class ScenarioSettings(Model):
    """What the user chooses for one scenario."""

    target_qps: Annotated[Annotated[float, Field(gt=0)] | Literal["auto"], BeforeValidator(_rate_or_auto)] = (
        Field(
            description="Offline: expected samples/s. Server: queries/s to issue, or 'auto' for the highest."
        )
    )


class SearchSettings(Model):
    """The search for the highest Server rate that passes."""

    start: float = Field(
        default=0.8, gt=0, le=2, description="Rate of the first probe, as a share of the Offline run's."
    )
    probe_s: float = Field(
        default=300, gt=0, description="Length of a probe; never longer than the full run. 20 limits or more."
    )
    tolerance: float = Field(
        default=0.02,
        gt=0,
        lt=1,
        description="Stop when a failed rate is so little above a passed one.",
    )
    max_probes: int = Field(default=10, ge=1, description="Probes before the full-length runs.")
    max_confirmations: int = Field(
        default=4, ge=1, description="Full-length runs, each lower than the last by the tolerance."
    )


class SubmissionSettings(Model):
    """Who submits what."""

    submitter: Name
    system: Name = Field(description="Name of the system's folder and description file.")
    division: Literal["closed", "open"] = Field(
        default="closed", description="In the open division a failed gate is reported, not enforced."
    )
    system_description: ProjectPath | None = Field(default=None, description="YAML over the detected values.")
    measurements: dict[str, str] = Field(default={}, description="Over the defaults of measurements.json.")
    calibration: ProjectPath | None = Field(
        default=None, description="Markdown on how weights were quantised."
    )


class Settings(Model):
    """All of config.yaml."""

    round: str = Field(description="Name of the rules: ROUND, BENCHMARK/ROUND, or the path of a file.")
    category: str | None = Field(
        default=None, description="Such as datacenter or edge, where the round has categories."
    )
    fetch_on: Literal["job", "submit-host"] = Field(
        default="job", description="On a cluster: fetch in a job, or beside Snakemake, where the internet is."
    )
    artifacts: Artifacts
    requests: RequestSettings = RequestSettings()
    server: ServerSettings
    client: ClientSettings = ClientSettings()
    scenarios: dict[str, ScenarioSettings]
    search: SearchSettings = SearchSettings()
    submission: SubmissionSettings


def requests_of_round(settings: RequestSettings, round_: Round) -> RequestSettings:
    """Complete the request settings with the round's length limit of answers.

    Raises:
        InputError: another limit is set, and the round is one that counts.
    """
    limit = settings.sampling.max_tokens
    if round_.submittable and limit not in (None, round_.max_tokens):
        raise InputError(
            f"requests.sampling.max_tokens is {limit}, round {round_.name} wants "
            f"{round_.max_tokens or 'none'}; remove the setting."
        )
    sampling = settings.sampling.model_copy(update={"max_tokens": limit or round_.max_tokens})
    return settings.model_copy(update={"sampling": sampling})


def check_against_round(settings: Settings, round_: Round) -> None:
    """Check that the settings name what the round needs and has.

    Raises:
        InputError: a scenario of the round has no settings, a rate is searched for where there is nothing to
            search, or the round pins a prompt and nothing gives one.
    """
    for name, rules in round_.scenarios.items():
        if name not in settings.scenarios:
            raise InputError(
                f"configuration: 'scenarios.{name}' is missing, and round {round_.name} has it; add its "
                "target_qps."
            )
        if settings.scenarios[name].target_qps == "auto" and not rules.has_schedule:
            raise InputError(
                f"configuration: 'scenarios.{name}.target_qps' is 'auto', and only a rate at which "
                "queries are issued can be searched for; give a number."
            )
    artifacts = settings.artifacts
    if round_.prompt and artifacts.reference is None and artifacts.prompt is None:
        raise InputError(
            "configuration: 'artifacts': give 'reference', which holds the official prompt, or a 'prompt' "
            "file."
        )


def parse_settings(config: object, root: Path) -> Settings:
    """Validate a merged configuration; relative paths start at the project's `root`.

    Raises:
        InputError: naming the first wrong key, its value and the remedy.
    """
    return Settings.parse(config, "configuration", context={"root": root})


def portable_settings(config: object, root: Path) -> Settings:
    """Validate a merged configuration, and leave its paths as the user wrote them, relative to `root`.

    Absolute paths below `root` become relative too: nothing in the settings then names the checkout's place.

    Raises:
        InputError: naming the first wrong key, its value and the remedy.
    """
    return Settings.parse(config, "configuration", context={"portable_from": root})


def schema_text() -> str:
    """Write the JSON Schema of config.yaml, for editors and readers."""
    return json.dumps(Settings.model_json_schema(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
