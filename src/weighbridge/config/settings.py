"""Model of config.yaml: every setting with its default and bounds."""

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from weighbridge.config.artifact_settings import Artifacts
from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.quality_settings import QualitySettings
from weighbridge.config.refused_secrets import refuse_secrets
from weighbridge.config.request_settings import RequestSection
from weighbridge.config.scenario_rules import LONGEST_S
from weighbridge.config.server_settings import EnvironmentName, ProjectPath, ServerSettings
from weighbridge.config.target_rate import checked_rate
from weighbridge.core.models import FolderName, Model, check_data, without_nulls
from weighbridge.core.yaml_place import Sources

PLAN_VARIABLE = "WEIGHBRIDGE_PLAN"
"""Names the file that the workflow writes its settings into for `weighbridge plan`."""


class ScenarioSettings(Model):
    """The user's settings of one scenario."""

    target_qps: Annotated[
        Annotated[float, Field(gt=0)] | Annotated[str, Field(pattern=r"^(auto|offline\*.+)$")] | None,
        BeforeValidator(checked_rate),
    ] = Field(
        default=None,
        description="Offline: samples/s that you expect. Server and Interactive: queries/s to issue; with "
        "LoadGen also 'auto' to search the highest rate that passes, or a share of this run directory's "
        "Offline rate, such as 'offline*0.8'. Null: as in 'user_conf'. Change it when a verdict says that "
        "the rate was too high, or could be higher.",
    )
    probe_s: float = Field(
        default=60,
        ge=0,
        le=LONGEST_S,
        description="Length of a probe at 'target_qps' before a long run, in s, so that a rate which cannot "
        "pass costs no full run; 0: none. Raise it if latencies vary so much that a minute "
        "misleads.",
    )
    performance_runs: int = Field(
        default=1,
        ge=1,
        le=99,
        description="Number of performance runs. Raise it, to 3 or 5, to learn how much the result differs "
        "from run to run; the median run becomes the result.",
    )
    user_conf: ProjectPath | None = Field(
        default=None,
        description="LoadGen user.conf of your own, laid over ours for the keys that the round leaves free. "
        "Set it to bring settings from another harness.",
    )

    @model_validator(mode="after")
    def _has_a_rate(self) -> "ScenarioSettings":
        if self.target_qps is None and self.user_conf is None:
            raise ValueError("set 'target_qps', or a 'user_conf' that sets it")
        return self


class SearchSettings(Model):
    """The search for the highest passing Server rate."""

    start: float = Field(
        default=0.8,
        gt=0,
        le=2,
        description="Rate of the first probe, as a share of the Offline run's rate. Lower it if the first "
        "probes fail by far, which costs time.",
    )
    probe_s: float = Field(
        default=300,
        gt=0,
        le=LONGEST_S,
        description="Length of a probe in s, at least 20 latency limits and at most a full run. Raise it if "
        "full-length runs fail at rates that their probes passed.",
    )
    tolerance: float = Field(
        default=0.02,
        gt=0,
        lt=1,
        description="Stop when the lowest failed rate exceeds the highest passed one by at most this share. "
        "Lower it for a rate nearer to the true peak, at the price of more probes.",
    )
    max_probes: int = Field(
        default=10,
        ge=1,
        le=1000,
        description="Largest number of probes before the full-length runs. Raise it with a smaller "
        "'tolerance', lower it to bound the time.",
    )
    max_confirmations: int = Field(
        default=4,
        ge=1,
        le=1000,
        description="Largest number of full-length runs, each at a rate lower by the tolerance. Lower it to "
        "bound the time; a search that runs out of them ends without a peak.",
    )


class SubmissionSettings(Model):
    """The submission: submitter, system and division."""

    submitter: FolderName = Field(
        description="Name of the submitter's folder in the tree: your organisation, as MLCommons knows it."
    )
    system: FolderName = Field(
        description="Name of the system's folder and description file. Choose another for each hardware or "
        "software that you submit."
    )
    division: Literal["closed", "open"] = Field(
        default="closed",
        description="'closed' refuses what its rules forbid. 'open' allows and reports it, and a failed gate "
        "does not stop the tree: set it for another model, other weights or sampling.",
    )
    system_description: ProjectPath | None = Field(
        default=None,
        description="YAML file whose values override the detected ones. Write it, from `weighbridge system`, "
        "before you submit, or where the servers run on other machines.",
    )
    measurements: dict[str, str] = Field(
        default={},
        description="Values that override the defaults of measurements.json. Set them for weights of another "
        "data type, which must be declared.",
    )
    calibration: ProjectPath | None = Field(
        default=None,
        description="Markdown file that describes the quantisation of the weights. Set it if they are "
        "quantised.",
    )
    signing_key_env: EnvironmentName | None = Field(
        default=None,
        description="Name of the environment variable with the ed25519 private key (PEM) that signs "
        "attestation.json. Set it if others are to verify who submitted.",
    )
    signing_key_file: ProjectPath | None = Field(
        default=None, description="File with that key, instead of a variable; outside the project."
    )


class Settings(Model):
    """Contents of config.yaml."""

    round: str = Field(
        description="Round of the rules: ROUND, BENCHMARK/ROUND, or the path of a file. Change it for another"
        " benchmark or another year's rules."
    )
    category: str | None = Field(
        default=None,
        description="Such as datacenter or edge, for a round that has categories. Measure another one in a "
        "run directory of its own.",
    )
    limit: int | None = Field(
        default=None,
        gt=0,
        lt=2**32,
        description="Measure only this many of the first samples, in minutes, to see that everything works; "
        "never submittable, and without a verdict on the score. Remove it for the real run.",
    )
    accuracy: Literal["mlperf", "strict"] = Field(
        default="mlperf",
        description="'strict': scores must reach 99.9 % of the reference's mean instead of 99 %, more than "
        "MLPerf demands. Set it to compare builds that should answer alike.",
    )
    strict: bool = Field(
        default=False,
        description="A disturbance of a run (a stall, other load on the machine, runs that disagree) makes "
        "the verdict INVALID, and one that could not be looked for UNPROVEN. False: each is a warning. Set "
        "it where nobody reads warnings, as in nightly jobs.",
    )
    stop_when_lost: bool | None = Field(
        default=None,
        description="End a performance run as soon as no later answer can make it pass. False: it is only "
        "said, for the figures of a failing rate. Null: true in demonstrations and searches, else false.",
    )
    fetch_on: Literal["job", "submit-host"] = Field(
        default="job",
        description="On a cluster: fetch in a job, or on the host that runs Snakemake. Set 'submit-host' "
        "where compute nodes do not reach the internet.",
    )
    fetch: bool = Field(
        default=False,
        description="Download more than 20 GB without asking first: set it where nobody is there to answer, "
        "for one command as --config fetch=yes.",
    )
    artifacts: Artifacts = Field(
        description="The pinned model, dataset and reference. Change it to use copies that are on disk, or "
        "other weights."
    )
    requests: RequestSection = Field(
        default=RequestSection(),
        description="How request bodies are built, where the closed division allows the defaults only, and "
        "where they are kept.",
    )
    server: ServerSettings = Field(
        description="The model server that runs start, or endpoints of yours. What you change first."
    )
    client: ClientSettings = Field(
        default=ClientSettings(),
        description="The load client. Change it when a verdict says that the client was the limit, or if your"
        " endpoint asks for a key.",
    )
    scenarios: Annotated[
        dict[str, ScenarioSettings],
        BeforeValidator(without_nulls, json_schema_input_type=dict[str, ScenarioSettings | None]),
    ] = Field(
        description="Rates by name of the round's scenario: the expected Offline rate, and the Server rate to"
        " measure. Change them for each system. Null takes out one that a file below has.",
    )
    search: SearchSettings = Field(
        default=SearchSettings(),
        description="The search for the highest passing Server rate, for 'target_qps: auto'.",
    )
    quality: QualitySettings = Field(
        default=QualitySettings(),
        description="The model's score in MMLU, for `snakemake quality`. Change it for a first look at fewer "
        "questions, a floor, or an endpoint that echoes no prompts.",
    )
    sweeps: ProjectPath = Field(
        default=Path("sweeps"),
        description="Folder with a file for each comparison, NAME.yaml. Change it to keep them outside the "
        "project.",
    )
    submission: SubmissionSettings = Field(
        description="Who submits which system, in which division. State it before you build a tree."
    )

    @property
    def round_reference(self) -> str:
        """The round with what the settings change of it, without its category."""
        limit = "" if self.limit is None else f"+limit={self.limit}"
        return f"{self.round}{limit}" + ("+accuracy=strict" if self.accuracy == "strict" else "")


def portable_settings(config: object, root: Path, sources: Sources | None = None) -> Settings:
    """Validate a merged configuration, and leave its paths as the user wrote them, relative to `root`.

    Absolute paths below `root` become relative too: nothing in the settings then names the checkout's place.
    `sources` are what was merged; errors say where in them.

    Raises:
        InputError: naming the first wrong key, its value and the remedy, or a secret without its value.
    """
    check_data(config, "configuration")
    refuse_secrets(config, "configuration")
    return Settings.parse(config, "configuration", context={"portable_from": root}, sources=sources)


def schema_text() -> str:
    """Return the JSON Schema of config.yaml."""
    return json.dumps(Settings.model_json_schema(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
