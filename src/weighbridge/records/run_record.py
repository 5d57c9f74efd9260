"""run.json: the truth about one run. Whoever comes later reads it and does not guess."""

from pydantic import Field

from weighbridge.config.round import Mode
from weighbridge.core.models import Model

RUN_RECORD = "run.json"
# The other files of a run's folder: LoadGen's, then the client's.
DETAIL, SUMMARY, ANSWERS = "mlperf_log_detail.txt", "mlperf_log_summary.txt", "mlperf_log_accuracy.json"
USER_CONF = "user.conf"
REQUESTS_BINARY = "requests.bin"  # while the run lasts; then REQUESTS_TABLE
REQUESTS_TABLE = "requests.parquet"
ERRORS_FILE = "errors.jsonl"
TELEMETRY_FILE = "telemetry.parquet"  # what the system under test did meanwhile
SERVER_LOG = "server.log"
# A field of the system description that the rules look at: ECC must be on.
ECC_MODE = "accelerator_ecc_mode"


class Delay(Model):
    """A distribution in brief, in seconds."""

    p50_s: float
    p99_s: float
    max_s: float


class LoadReport(Model):
    """What the load client did, and what it cost."""

    issued: int = Field(description="Samples that LoadGen asked for.")
    completed: int = Field(description="Samples answered, failures left out.")
    failed: dict[str, int] = Field(description="Failed requests by kind; any makes the run invalid.")
    empty: int = Field(description="Answers without text that carry no other fault; counted as failed too.")
    aborted: str | None = Field(default=None, description="Why the run ended early, if it did.")
    requested_qps: float
    achieved_qps: float
    schedule_delay: Delay = Field(description="From LoadGen's issue to the request leaving.")
    client_cpu_s: float = Field(description="User and system time of the client's whole process tree.")
    client_cpu_us_per_request: float
    peak_rss_bytes: dict[str, int] = Field(description="Largest resident memory of each client process.")
    in_flight: tuple[tuple[float, int], ...] = Field(description="Seconds since the start, and requests out.")
    sent_bytes: int
    received_bytes: int
    started: str = Field(description="UTC, ISO 8601.")
    ended: str
    loadgen_version: str
    settings: dict[str, float | int | str | bool] = Field(description="LoadGen's effective settings.")
    warnings: tuple[str, ...] = ()

    @property
    def failures(self) -> int:
        """All failed requests together."""
        return sum(self.failed.values())


class ServerRecord(Model):
    """The servers that answered: started by the run, or endpoints that the user runs."""

    kind: str | None = Field(default=None, description="Such as vLLM, where it is known.")
    command: tuple[str, ...] = Field(
        description="Of the first server; empty when the servers are the user's."
    )
    launcher: tuple[str, ...] = Field(default=(), description="What stood before it: srun, a container.")
    devices: tuple[str, ...] = Field(
        default=(), description="CUDA_VISIBLE_DEVICES of each replica, where they were divided."
    )
    environment: dict[str, str] = Field(description="What the settings added to the server's environment.")
    endpoints: tuple[str, ...]
    model_name: str
    version: str | None = Field(description="As the server reports it; null if it does not.")
    ready_s: float = Field(description="From start to healthy.")
    golden: str = Field(description="How the known request was answered.")
    prefix_caching: str = Field(
        default="unknown", description="'off', 'on', or 'unknown' where a server does not report it."
    )
    warmup_requests: int
    warmup_s: float


class TelemetryBrief(Model):
    """What stands in telemetry.parquet, in brief, and what it cost."""

    samples: int = Field(description="Values in the file.")
    sources: tuple[str, ...] = Field(description="What told anything: server 0, gpu 0, host and others.")
    cpu_s: float = Field(description="CPU time of the threads that asked.")
    cpu_share: float = Field(description="Of one core, over the run.")
    prefix_cache_hits: int | None = Field(
        description="Tokens taken from prefix caches during the run; null where no server tells."
    )
    ecc_uncorrected: int | None = Field(
        description="Memory errors that ECC did not mend, during the run; null where no GPU tells."
    )


class Host(Model):
    """Where the client ran."""

    name: str
    cpus: int
    memory_bytes: int
    platform: str
    python: str


class RunRecord(Model):
    """All of run.json."""

    round: str
    submittable: bool
    scenario: str
    mode: Mode
    weighbridge_version: str
    git_revision: str | None = Field(description="Of the checkout; ends in '-dirty' with local changes.")
    code_sha256: str = Field(description="Over the package's source files.")
    pins: dict[str, str] = Field(description="sha256 of the model's, dataset's and prompt's manifests.")
    store_sha256: str = Field(description="Of the request bodies.")
    host: Host
    system: dict[str, str] = Field(description="What this machine tells of itself; empty for endpoints.")
    logs: dict[str, str] = Field(description="sha256 of each of LoadGen's files, as it left them.")
    server: ServerRecord
    load: LoadReport
    telemetry: TelemetryBrief | None = Field(
        default=None, description="Null: none was taken, or it could not be written."
    )
