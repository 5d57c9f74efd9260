"""run.json: the complete record of one run, and the names of the files in a run's folder."""

from pydantic import Field

from weighbridge.config.request_settings import RequestSettings
from weighbridge.config.scenario_rules import Mode
from weighbridge.core.models import Model
from weighbridge.records.earlier_releases import ONLY_BENCHMARK
from weighbridge.records.official_client import OfficialClient
from weighbridge.records.server_life import LifeBrief

RUN_RECORD = "run.json"
# Other files in a run's folder: LoadGen's logs, then the client's files.
DETAIL, SUMMARY, ANSWERS = "mlperf_log_detail.txt", "mlperf_log_summary.txt", "mlperf_log_accuracy.json"
USER_CONF = "user.conf"
AUDIT_CONFIG = "audit.config"  # of a compliance run: what LoadGen applied over user.conf
REQUESTS_BINARY = "requests.bin"  # during the run; converted to REQUESTS_TABLE afterwards
REQUESTS_TABLE = "requests.parquet"
ERRORS_FILE = "errors.jsonl"
# Of a performance run, a random share: lines of {"sample": 7, "text": "..."}.
SAMPLED_ANSWERS = "sampled_answers.jsonl"
TELEMETRY_FILE = "telemetry.parquet"  # measurements of the system under test during the run
# What the client itself leaves of a run, during it and afterwards.
CLIENT_FILES = (REQUESTS_BINARY, REQUESTS_TABLE, ERRORS_FILE, SAMPLED_ANSWERS, TELEMETRY_FILE)
SERVER_LOG = "server.log"
REPLACED_FOLDER = "replaced"  # of a run directory: earlier results that were made again
# Field of the system description that the gates check: ECC must be enabled.
ECC_MODE = "accelerator_ecc_mode"


class Delay(Model):
    """Percentiles of a distribution, in seconds."""

    p50_s: float
    p99_s: float
    max_s: float


class Waits(Model):
    """A distribution of waits."""

    samples: int = Field(description="How many waits were measured.")
    mean_s: float
    p50_s: float
    p99_s: float
    max_s: float


class ClientRecord(Model):
    """What shows whether the client, and not the server, decided a run's figures."""

    busy: dict[str, float] = Field(
        description="Busiest share of one core over 5 s in which requests were open, by client process."
    )
    receive_backlog: Waits | None = Field(
        description="From a packet's arrival at this machine to its reading, at a sample of the reads; null: "
        "not known."
    )
    wake_delay: Waits | None = Field(
        description="How late the workers came to a timer that expires every 20 ms while requests are open; "
        "null: not known."
    )
    answered_by_worker: tuple[int, ...] = Field(description="Number of requests that each worker ended.")


class LostRun(Model):
    """Why a run could not pass any more, whatever its other requests came to: found while it lasted."""

    after_s: float = Field(description="When that was found, in s since the first query.")
    reason: str = Field(description="What cannot be mended, with its figures.")
    remedy: str = Field(description="What to do next, with a lower rate where one is known.")
    suggested_target_qps: float | None = Field(
        default=None, description="A target rate that may pass; null: too little was answered to tell."
    )


class LoadReport(Model):
    """What the load client did, and its CPU and memory use."""

    issued: int = Field(description="Number of samples that LoadGen issued.")
    completed: int = Field(description="Number of samples answered, without failed requests.")
    failed: dict[str, int] = Field(
        description="Number of failed requests by kind; any failure makes the run invalid."
    )
    empty: int = Field(
        description="Number of answers without text and without another fault; they also count as failed."
    )
    aborted: str | None = Field(default=None, description="Why the run ended early, if it did.")
    lost: LostRun | None = Field(
        default=None,
        description="Why the run could not pass any more, known before its end; null: it could, or that was "
        "not looked for.",
    )
    requested_qps: float
    achieved_qps: float
    schedule_delay: Delay = Field(description="From a request's issue to the sending of its last byte.")
    client_cpu_s: float = Field(description="User and system time of the client's process tree.")
    client_cpu_us_per_request: float
    client: ClientRecord | None = Field(
        default=None, description="Whether the client was the limit; null: not recorded."
    )
    peak_rss_bytes: dict[str, int] = Field(
        description="Largest resident memory of each client process, by process."
    )
    in_flight: tuple[tuple[float, int], ...] = Field(
        description="Pairs of seconds since the start and number of open requests."
    )
    sent_bytes: int
    received_bytes: int
    started: str = Field(description="UTC, ISO 8601.")
    ended: str
    loadgen_version: str = Field(description="Empty where LoadGen did not issue the requests.")
    settings: dict[str, float | int | str | bool] = Field(description="LoadGen's effective settings.")
    warnings: tuple[str, ...] = ()
    cut_off: int = Field(
        default=0,
        description="Cool-down requests that were open when the last measured one ended; not counted as "
        "issued.",
    )
    not_issued: int = Field(
        default=0, description="Later turns of conversations that ended with a failed request."
    )

    @property
    def failures(self) -> int:
        """All failed requests together."""
        return sum(self.failed.values())


class ServerRecord(Model):
    """The server under test: started by Weighbridge, or endpoints that the user runs."""

    kind: str | None = Field(default=None, description="Kind of server, such as vLLM; null if unknown.")
    command: tuple[str, ...] = Field(
        description="Command of the first server; empty if the user runs the servers."
    )
    launcher: tuple[str, ...] = Field(
        default=(), description="Prefix of the command, such as srun or a container runtime."
    )
    devices: tuple[str, ...] = Field(
        default=(), description="CUDA_VISIBLE_DEVICES of each replica, if GPUs were assigned."
    )
    environment: dict[str, str] = Field(
        description="Variables that the settings added to the server's environment."
    )
    inherited: dict[str, str] = Field(
        default={},
        description="Variables of the surrounding environment that this kind of server, its libraries or the "
        "loader read, without keys.",
    )
    proven: str | None = Field(
        default=None,
        description="How it is proven that the answering server is the started one; null: it is not.",
    )
    reported_arguments: dict[str, str] | None = Field(
        default=None,
        description="Arguments that the server itself reports as not at their defaults; null: it does not.",
    )
    endpoints: tuple[str, ...]
    model_name: str
    version: str | None = Field(description="As reported by the server; null if it reports none.")
    ready_s: float = Field(description="Seconds from start to healthy.")
    golden: str = Field(description="Result of the golden request.")
    prefix_caching: str = Field(
        default="unknown", description="'off', 'on', or 'unknown' if a server does not report it."
    )
    warmup_requests: int
    warmup_s: float
    life: LifeBrief | None = Field(
        default=None, description="Life of the started server; null: the user runs it, or not recorded."
    )


class TelemetryBrief(Model):
    """Summary of telemetry.parquet, and the CPU time of recording it."""

    samples: int = Field(description="Number of values in the file.")
    sources: tuple[str, ...] = Field(description="Sources with values, such as server 0, gpu 0 and host.")
    cpu_s: float = Field(description="CPU time of the recording threads.")
    cpu_share: float = Field(description="That CPU time as a share of one core over the run.")
    prefix_cache_hits: int | None = Field(
        description="Tokens taken from prefix caches during the run; null if no server reports it."
    )
    external_prefix_cache_hits: int | None = Field(
        default=None,
        description="Tokens taken from caches outside the servers during the run; null if no server reports "
        "it.",
    )
    ecc_uncorrected: int | None = Field(
        description="Uncorrected ECC memory errors during the run; null if no GPU reports it."
    )


class Host(Model):
    """The machine that ran the client."""

    name: str
    cpus: int
    memory_bytes: int
    platform: str
    python: str


class RunRecord(Model):
    """Contents of run.json."""

    round: str
    benchmark: str = ONLY_BENCHMARK
    category: str | None = None
    submittable: bool
    not_submittable_because: str | None = Field(
        default=None, description="Reason, if it is not that the round is a demonstration."
    )
    scenario: str
    mode: Mode
    compliance_test: str | None = Field(
        default=None, description="Such as TEST06; null: the run is none of a compliance test."
    )
    weighbridge_version: str
    git_revision: str | None = Field(
        description="Revision of the checkout; ends in '-dirty' with local changes."
    )
    code_sha256: str = Field(description="sha256 over the package's source files.")
    pins: dict[str, str] = Field(description="sha256 of the manifests of model, dataset and prompt.")
    store_sha256: str = Field(description="sha256 of the request bodies.")
    sent_sha256: str | None = Field(
        default=None,
        description="sha256 of the file that the bodies were sent from, read again after the run, or why "
        "there is none; null: not recorded.",
    )
    settings_sha256: str | None = Field(
        default=None,
        description="sha256 of the settings that the runs of a scenario share; null: not recorded.",
    )
    target_from: str | None = Field(
        default=None, description="What the target rate is a share of, in words; null: it was given."
    )
    requests: RequestSettings | None = Field(
        default=None, description="Settings that the bodies were built with; null: not recorded."
    )
    envelope: tuple[str, str] | None = Field(
        default=None, description="Text of every body before and after its prompt; null: not recorded."
    )
    host: Host
    system: dict[str, str] = Field(description="Detected system description; empty for endpoints.")
    logs: dict[str, str] = Field(
        description="sha256 of each file that proves the run, at its end: LoadGen's and the client's."
    )
    server: ServerRecord
    load: LoadReport
    telemetry: TelemetryBrief | None = Field(
        default=None, description="Null: none was recorded, or it could not be written."
    )
    client: OfficialClient | None = Field(
        default=None, description="The official endpoints client, where it issued the requests; else null."
    )

    def is_of(self, benchmark: str, category: str | None) -> bool:
        """Return whether the run is of a benchmark and category, as far as the record names them."""
        wanted = {"benchmark": benchmark, "category": category}
        return all(getattr(self, name) == wanted[name] for name in self.model_fields_set & wanted.keys())

    @property
    def ended_as_lost(self) -> bool:
        """Whether the run was ended because it could not pass any more; its logs end before their result."""
        return self.load.lost is not None and self.load.aborted == self.load.lost.reason

    @property
    def kind(self) -> str:
        """What the run is: its mode, or its compliance test."""
        return self.compliance_test or str(self.mode)
