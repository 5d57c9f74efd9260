"""Model of the section 'artifacts': the pinned inputs, wherever they come from."""

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from weighbridge.config.dataset_rules import name_with_dataset
from weighbridge.config.server_settings import ProjectPath
from weighbridge.core.models import FolderName, Model, without_nulls

_URI = re.compile(
    r"(https://[a-z0-9.-]+\.mlcommons-storage\.org/([\w.-]+/)*)?[A-Za-z0-9][\w.-]*\.ur[il]", re.ASCII
)


class Artifact(Model):
    """One pinned input: a repository and revision, a .uri file of MLCommons' storage, or a local folder."""

    source: Literal["hub", "mlcommons"] = Field(
        default="hub",
        description="Where it is fetched from: the hub, or MLCommons' own storage. Set mlcommons if you have "
        "no access on the hub.",
    )
    uri: str | None = Field(
        default=None,
        description="With 'source: mlcommons': name of its .uri file at inference.mlcommons-storage.org, or "
        "the file's whole address. 'repo' and 'revision' beside it say of what it is a copy.",
    )
    repo: str | None = Field(
        default=None,
        description="Repository on the hub, as owner/name. Change it for other weights, which must be "
        "declared.",
    )
    revision: str | None = Field(
        default=None, description="Full commit hash; branches and tags are refused, because they move."
    )
    path: ProjectPath | None = Field(
        default=None,
        description="Local folder that contains the artifact. Set it for a copy on disk, or without internet;"
        " nothing is then downloaded.",
    )
    synthetic: int | None = Field(
        default=None,
        gt=0,
        lt=2**32,
        description="Generate this many synthetic samples instead. For a rehearsal without the data.",
    )
    manifest: ProjectPath | None = Field(
        default=None,
        description="Lock file with path, size and sha256 of each file, from `weighbridge lock`. Set it "
        "beside 'path', so that a copy is proven.",
    )
    weights: bool | None = Field(
        default=None,
        description="Whether a model's weights are fetched and proven. Default: where a server is started; "
        "true for 'endpoints' that serve a copy whose weights you prove here.",
    )

    @field_validator("revision")
    @classmethod
    def _is_a_commit(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[0-9a-f]{40}", value):
            raise ValueError(
                "a revision is a full commit hash of 40 hexadecimal digits, never a branch or tag"
            )
        return value

    @field_validator("uri")
    @classmethod
    def _is_of_the_storage(cls, value: str | None) -> str | None:
        if value is not None and not _URI.fullmatch(value):
            raise ValueError(
                "a uri is NAME.uri, or https://HOST.mlcommons-storage.org/metadata/NAME.uri of another host"
            )
        return value

    @model_validator(mode="after")
    def _has_an_origin(self) -> "Artifact":
        stored = self.source == "mlcommons"
        if stored != (self.uri is not None):
            raise ValueError("'source: mlcommons' and 'uri', the name of a .uri file there, belong together")
        if self.synthetic is not None:
            if self.repo or self.revision or self.path or self.manifest or self.uri:
                raise ValueError(
                    "'synthetic' excludes repo, revision, path, manifest, source and uri; set them to null"
                )
        elif self.path is None and not stored and (self.repo is None or self.revision is None):
            raise ValueError("set 'repo' and 'revision', or the 'path' of a folder that contains it")
        return self


class Artifacts(Model):
    """The pinned inputs of a benchmark."""

    model: Artifact = Field(description="The model: weights, configuration and tokenizer.")
    dataset: Artifact = Field(description="The dataset that requests are made of.")
    reference: Artifact | None = Field(
        default=None,
        description="The official reference implementation, with prompt and checker. Null: neither is used; "
        "then set 'prompt' if the benchmark has one.",
    )
    client: Artifact | None = Field(
        default=None,
        description="The official endpoints client, of rounds whose results are made with it: its repository "
        "and commit. Set 'path' to a checkout of that commit without internet.",
    )
    further_datasets: Annotated[
        dict[FolderName, Artifact],
        BeforeValidator(without_nulls, json_schema_input_type=dict[FolderName, Artifact | None]),
    ] = Field(
        default={},
        description="Datasets of scenarios that do not use 'dataset', by the names that the round gives "
        "them: exactly those that the scenarios with settings use. Null takes out one that a file below has.",
    )
    prompt: ProjectPath | None = Field(
        default=None,
        description="JSON file with the prompt's texts; default: the reference's prompt. Set it if the "
        "reference is not fetched.",
    )

    @property
    def by_name(self) -> dict[str, Artifact]:
        """All that are set, by the names of their folders and proofs: model, dataset, dataset-NAME, ..."""
        named = {
            "model": self.model,
            "dataset": self.dataset,
            **{name_with_dataset("dataset", name): each for name, each in self.further_datasets.items()},
            "reference": self.reference,
            "client": self.client,
        }
        return {name: each for name, each in named.items() if each is not None}

    @field_validator("dataset", "reference", "client")
    @classmethod
    def _has_no_weights(cls, value: Artifact | None) -> Artifact | None:
        if value is not None and value.weights is not None:
            raise ValueError("only 'artifacts.model' has 'weights'; remove it here")
        return value

    @field_validator("further_datasets")
    @classmethod
    def _have_no_weights(cls, value: dict[str, Artifact]) -> dict[str, Artifact]:
        for each in value.values():
            cls._has_no_weights(each)
        return value

    @field_validator("reference", "client")
    @classmethod
    def _is_fetched_with_git(cls, value: Artifact | None) -> Artifact | None:
        if value is not None and value.uri is not None:
            raise ValueError("it is fetched with git; set its 'repo' and 'revision'")
        return value

    @field_validator("client")
    @classmethod
    def _has_a_commit(cls, value: Artifact | None) -> Artifact | None:
        if value is not None and (value.repo is None or value.revision is None):
            raise ValueError("set 'repo' and the commit as 'revision', also beside the 'path' of a checkout")
        return value
