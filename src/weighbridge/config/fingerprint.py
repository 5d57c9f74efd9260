"""Fingerprints of jobs: the settings and rules that a job reads, as canonical JSON.

Snakemake repeats a job when its fingerprint has changed. A fingerprint therefore contains exactly what the
job reads: sorted keys, no default values, no path of the checkout. A new optional setting or rule changes no
fingerprint, and a copied checkout has the same ones.

The fingerprint is also the job's `--settings`, so the job cannot read a setting that is not compared.
Settings that a job needs but that do not affect its result (OPERATIONAL) are passed separately.
"""

import json
import os
from collections.abc import Mapping
from enum import Enum
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, Field

from weighbridge.config.artifact_settings import Artifact
from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.conf_overlay import ConfOverlay
from weighbridge.config.quality_settings import MmluSettings
from weighbridge.config.refused_secrets import refuse_secrets
from weighbridge.config.request_settings import RequestSettings
from weighbridge.config.server_settings import ServerSettings
from weighbridge.config.settings import SearchSettings, SubmissionSettings
from weighbridge.core.errors import InputError
from weighbridge.core.models import Model, read_json

# Raise when the form of the fingerprints themselves changes. Everything is then made again: avoid it.
SCHEMA = 1

# The version of each stage, raised by hand. Raise one when a change of the code makes the stage's result
# differ for the same inputs, and in no other case: all finished results of the stage, and what follows from
# them, are made again by every user. CHANGELOG.md must say so, and tests/workflow/fixtures/remake makes the
# kept example results anew. What each covers:
VERSIONS = {
    "fetch": 1,  # which files an artifact consists of, and their hashes
    "prompt": 1,  # the text that is taken from the official reference
    "requests": 1,  # the bytes of a request body
    "tokens": 1,  # the number of tokens of a prompt, and which prompts are refused
    "program": 1,  # which program serves, and its version
    "client-data": 1,  # rows of the official client, made of a dataset
    "measurement": 1,  # what the session, the client and LoadGen measure. Costs users GPU hours
    "search": 1,  # the order of probes and what counts as passed. Costs users GPU hours
    "client-accuracy": 1,  # what is read of the accuracy phase of the official client
    "scoring": 2,  # scores of answers
    "compliance": 1,  # what is written of a compliance run
    "judgement": 4,  # gates and verdicts
    "tree": 3,  # the files of a submission, and what its checks find
    "attestation": 1,  # what is attested of a tree
    "quality": 1,  # which questions are asked, and how. Costs users GPU hours
    "quality-scores": 1,  # scores of those answers
    "report": 1,  # only where an old report would be wrong; a nicer one is no reason
}

# Settings that a job needs to run and that its result does not depend on.
OPERATIONAL: dict[str, frozenset[str]] = {
    "server": frozenset(
        {
            "port",
            "gpus",
            "logs",
            "startup_timeout_s",
            "stop_timeout_s",
            "keep",
            "keep_s",
            "endpoints_timeout_s",
            "unproven",
        }
    ),
    "client": frozenset({"api_key_env", "stall_limit_s"}),
    # The proof that lies there decides whether the weights are wanted: workflow/rules/fingerprints.smk.
    "artifact": frozenset({"weights"}),
    "submission": frozenset({"signing_key_env", "signing_key_file"}),
    "mmlu": frozenset({"dataset", "floor", "concurrency", "retries", "timeout_s"}),
}

ROOT_VARIABLE = "WEIGHBRIDGE_ROOT"


class JobSettings(Model):
    """Settings of a job: sections of the configuration, and further values that its fingerprint contains."""

    compared: Any = None
    artifact: Artifact | None = None
    requests: RequestSettings = RequestSettings()
    server: ServerSettings | None = None
    client: ClientSettings = ClientSettings()
    search: SearchSettings = SearchSettings()
    submission: SubmissionSettings | None = None
    mmlu: MmluSettings = MmluSettings()
    target_qps: float | None = Field(default=None, gt=0)
    offline_share: float | None = Field(default=None, gt=0)
    user_conf: ConfOverlay = ConfOverlay()

    @classmethod
    def of(cls, settings: str, **sections: str | None) -> Self:
        """Read a job's settings from the command line; relative paths start at the project's root.

        Args:
            settings: A fingerprint, or a JSON object with sections only.
            sections: Single sections as JSON; their keys override those in `settings`.

        Raises:
            InputError: the text is not JSON, has an unknown key or a wrong value, or holds a secret.
        """
        data = _object(settings, "--settings")
        for name, text in sections.items():
            if text is not None:
                option = f"--{name}"
                below = data.get(name, {})
                if not isinstance(below, dict):
                    raise InputError(
                        f"--settings: '{name}' is no object; pass the section's keys and values."
                    )
                data[name] = {**below, **_object(text, option)}
        refuse_secrets(data, "the job's settings")
        return cls.parse(data, "the job's settings", context={"root": project_root()})

    def required_server(self) -> ServerSettings:
        """Return the section 'server'.

        Raises:
            InputError: it is missing.
        """
        if self.server is None:
            raise InputError("the section 'server' is missing; pass it with --settings or --server.")
        return self.server


def project_root() -> Path:
    """Return the folder that relative paths in settings start at: the workflow's, else the working folder."""
    return Path(os.environ.get(ROOT_VARIABLE, "."))


def fingerprint(stage: str, *, compared: Mapping[str, object] | None = None, **settings: object) -> str:
    """Return the fingerprint of a job.

    Args:
        stage: Name of the stage; its version from VERSIONS is included.
        compared: Other values that the job depends on: rules of the round, versions of tools, hashes of
            files. Values that are None are left out.
        settings: Sections of the configuration that the job reads, by name; None leaves a section out.

    Returns:
        One line of canonical JSON.
    """
    given = {name: value for name, value in (compared or {}).items() if value is not None}
    content = {"schema": SCHEMA, "stage": stage, "version": VERSIONS[stage], **given}
    sections = {name: _measured(name, section) for name, section in settings.items() if section is not None}
    return canonical({"compared": content, **sections})


def shared_sha256(settings: str) -> str | None:
    """Return a hash of what the runs of a scenario share: a measuring job's fingerprint but for its run.

    Args:
        settings: A job's `--settings`.

    Returns:
        None if they are no fingerprint, so that what is compared is not known.
    """
    content = _object(settings, "--settings")
    compared = content.get("compared")
    if not isinstance(compared, dict):
        return None
    shared = content | {"compared": {name: value for name, value in compared.items() if name != "run"}}
    return sha256(canonical(shared).encode()).hexdigest()


def operational(name: str, section: BaseModel) -> str:
    """Return the settings of a section that fingerprints leave out, as canonical JSON."""
    return canonical(section.model_dump(mode="json", exclude_defaults=True, include=set(OPERATIONAL[name])))


def canonical(value: object) -> str:
    """Return a value as canonical JSON: sorted keys, no model defaults, no insignificant whitespace."""
    return json.dumps(
        _plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def _measured(name: str, section: object) -> object:
    if name in OPERATIONAL and isinstance(section, BaseModel):
        return section.model_dump(mode="json", exclude_defaults=True, exclude=set(OPERATIONAL[name]))
    return section


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_defaults=True)
    if isinstance(value, Mapping):
        return {str(_plain(key)): _plain(each) for key, each in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(map(str, map(_plain, value)))
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Enum):
        return value.value
    return value.as_posix() if isinstance(value, Path) else value


def _object(text: str, option: str) -> dict[str, Any]:
    data = read_json(text, option)
    if not isinstance(data, dict):
        raise InputError(f"{option}: not a JSON object; pass the section's keys and values.")
    return data
