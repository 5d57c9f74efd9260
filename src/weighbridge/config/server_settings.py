"""Model of config.yaml's section 'server', and its paths that are relative to the project's root."""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from weighbridge.config.scenario_rules import LONGEST_S
from weighbridge.core.models import Model
from weighbridge.core.secrets import mask

NAMED_OPTIONS = ("dtype", "max_model_len", "gpu_memory_utilization")
"""Keys of section 'server' that stand for an argument, which each adapter spells its own way."""

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


def _url_fault(url: str) -> str | None:
    """Return why a text is not the base URL of a server; None: it is."""
    form = "no http(s) URL without credentials, such as http://node1:8000"
    # urlsplit drops some characters, and takes more than a server's address.
    if not re.fullmatch(r"https?://[^/\s@?#\\]+(/[!-~]*)?", url) or set("?#") & set(url):
        return form
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        if parts.netloc.startswith("["):
            ipaddress.IPv6Address(host.partition("%")[0])
        elif not re.fullmatch(r"(?=.{1,253}$)[\w-]{1,63}(\.[\w-]{1,63})*\.?", host, re.ASCII):
            return form
    except ValueError as error:  # a port that is none, or brackets that are not closed
        return f"{form} ({str(error)[:60]})"
    return "a URL whose port is 0" if port == 0 else None


def _listed(value: object) -> object:
    """Return a list of one text for a text alone."""
    return (value,) if isinstance(value, str) else value


ProjectPath = Annotated[Path, AfterValidator(_from_root)]
Urls = Annotated[tuple[str, ...], BeforeValidator(_listed, json_schema_input_type=str | tuple[str, ...])]
Executable = Annotated[str, AfterValidator(_executable_from_root)]


class ServerSettings(Model):
    """The model server: started by each run, or endpoints that the user runs."""

    adapter: str | None = Field(
        default=None,
        description="Kind of server: vllm, sglang, or the name of an installed adapter. Default: vllm; the "
        "kind of endpoints is detected. Set it for another server, or where detection fails.",
    )
    executable: Executable | None = Field(
        default=None,
        description="Path relative to the project's root, or a name on PATH; default: the adapter's. Set it "
        "if the server is not on PATH.",
    )
    model_name: str = Field(
        min_length=1,
        max_length=1024,
        description="Name under which the model is served and requested. With endpoints: one that GET "
        "/v1/models lists.",
    )
    args: tuple[str, ...] = Field(
        default=(),
        description="Additional arguments of the server's command, each as --name=value. Tune these first, "
        "such as --max-num-seqs.",
    )
    env: dict[EnvironmentName, str] = Field(
        default={},
        description="Environment variables of the server, such as a backend's switches; never secrets.",
    )
    container: str | None = Field(
        default=None,
        description="Image with the executable, run by apptainer: docker://NAME@sha256:DIGEST. Set it where "
        "the server is not installed on the nodes.",
    )
    port: int | None = Field(
        default=None,
        ge=1024,
        le=65535,
        description="Fixed port; default: a free one. Set it only if a firewall allows no other.",
    )
    gpus: int = Field(
        default=0,
        ge=0,
        le=65536,
        description="GPUs of a node that must be visible before a server starts, and for which its time "
        "counts. Set it to what the servers need; 0: none are checked.",
    )
    replicas: int = Field(
        default=1,
        ge=1,
        le=1024,
        description="Servers on this machine; they share the visible GPUs equally. Raise it, and lower "
        "tensor_parallel_size, if the model fits on fewer GPUs.",
    )
    tensor_parallel_size: Annotated[int, Field(ge=1, le=65536)] | Literal["auto"] = Field(
        default=1,
        description="GPUs that each server shards the model over; 'auto': all visible ones, divided among the"
        " 'replicas', and 1 where there is none. Raise it if the model does not fit.",
    )
    dtype: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_]+$",
        description="Data type of weights and activations, such as bfloat16; default: the server's. Set "
        "float16 on GPUs without bfloat16.",
    )
    max_model_len: int | None = Field(
        default=None,
        ge=1,
        lt=2**31,
        description="Limit of a request's tokens, prompt and answer together; default: the server's. Lower it"
        " to save memory, raise it if count-tokens finds longer prompts.",
    )
    gpu_memory_utilization: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Share of each GPU's memory that the server may use; default: the server's. Raise it for "
        "a larger cache, lower it after out-of-memory errors.",
    )
    launcher: Literal["local", "srun"] = Field(
        default="local",
        description="'srun' starts a server on each node of the Slurm allocation: set it to measure several "
        "nodes as one system.",
    )
    nodes_per_replica: int = Field(
        default=1,
        ge=1,
        le=65536,
        description="With srun: nodes that one server spans. Raise it for a model that is too large for one "
        "node.",
    )
    endpoints: Urls = Field(
        default=(),
        description="Base URL of a server that you run, such as http://node1:8000, or a list; then "
        "none is started, and of the model only tokenizer and configuration are fetched.",
    )
    endpoints_timeout_s: float = Field(
        default=5,
        gt=0,
        le=LONGEST_S,
        description="Longest wait for 'endpoints' to answer, in s; raise it to start them meanwhile.",
    )
    unproven: Literal["refuse", "measure"] = Field(
        default="refuse",
        description="'measure' measures 'endpoints' that do what the round forbids, such as prefix caching, "
        "instead of refusing them; such a run never becomes VALID.",
    )
    logs: tuple[ProjectPath, ...] = Field(
        default=(),
        description="Log files of the servers at 'endpoints', whose printed arguments are proof that they do "
        "the round's task. Set it if the closed division finds that unproven.",
    )
    startup_timeout_s: float = Field(
        default=3600,
        gt=0,
        le=LONGEST_S,
        description="Longest time until a started server is healthy, in s. Raise it for slow disks.",
    )
    stop_timeout_s: float = Field(
        default=60,
        gt=0,
        le=LONGEST_S,
        description="Time from SIGTERM to SIGKILL when stopping, in s. Raise it if the server writes "
        "something at its end.",
    )
    keep: bool = Field(
        default=True,
        description="Keep a started server for the next run that wants the same one; false: one start a run, "
        "if runs must not follow each other on one server.",
    )
    keep_s: float = Field(
        default=300,
        gt=0,
        le=LONGEST_S,
        description="Longest time that a kept server waits for a run, in s. Raise it if other jobs come "
        "between runs; its GPUs are held meanwhile.",
    )
    golden: ProjectPath | None = Field(
        default=None,
        description="JSON file with a request and its recorded answer, from `weighbridge golden record`, "
        "which every server must repeat before a run. Set it before the first run, to notice a "
        "build that answers otherwise.",
    )
    warmup_requests: int = Field(
        default=16,
        ge=0,
        le=1_000_000,
        description="Requests sent before the measurement. Raise it if the first minute of a run is slower "
        "than the rest.",
    )

    @property
    def shards(self) -> int:
        """GPUs that each server shards the model over; 'auto' has been decided before."""
        assert self.tensor_parallel_size != "auto"
        return self.tensor_parallel_size

    @property
    def found_by_name(self) -> bool:
        """Whether the program is vLLM looked up on PATH, which the workflow's environment can provide."""
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
            if fault := _url_fault(url):
                raise ValueError(f"{mask(url)!r} is {fault}")
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
            raise ValueError("one 'port' cannot serve several 'replicas'; remove 'port' to use free ports")
        if self.logs and not 0 < len(self.endpoints) <= len(self.logs):
            raise ValueError("'logs' are those of the servers at 'endpoints', at least one each")
        if self.launcher == "local" and self.nodes_per_replica > 1:
            raise ValueError("'nodes_per_replica' above 1 needs 'launcher: srun'")
        if self.launcher == "srun" and self.replicas > 1:
            raise ValueError("'launcher: srun' starts one server per node; leave 'replicas' at 1")
        wanted = self.replicas * (1 if self.tensor_parallel_size == "auto" else self.tensor_parallel_size)
        if self.gpus and wanted > self.gpus * self.nodes_per_replica:
            raise ValueError(
                f"{self.replicas} replicas of tensor_parallel_size {self.tensor_parallel_size} need {wanted} "
                f"GPUs, and 'gpus' is {self.gpus}; lower one, or raise 'gpus'"
            )
        return self
