"""The statement of an attestation: an in-toto Statement v1 with a SLSA provenance v1 predicate.

Sources: in-toto/attestation (spec/v1) and slsa.dev/provenance/v1. docs/attestation.md describes what
stands in each field of ours.
"""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from weighbridge.core.models import Model

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://slsa.dev/provenance/v1"
# Names of our own, which lead to no page.
BUILD_TYPE = "urn:weighbridge:submission-tree:v1"
BUILDER = "urn:weighbridge:machine-of-the-submitter"

# Kinds of hashes in a digest; the last three are ours, and docs/attestation.md says over what they are.
SHA256, GIT_COMMIT = "sha256", "gitCommit"
MANIFEST, ROUND, CODE = "weighbridgeManifest", "weighbridgeRound", "weighbridgeCode"


def _printable(text: str) -> str:
    # Statements come from strangers, and what they say is shown on a terminal.
    if not text.isprintable():
        raise ValueError("a text without characters that control a terminal")
    return text


Printable = Annotated[str, Field(max_length=1000), AfterValidator(_printable)]


class _Part(Model):
    """Part of a statement; its keys are written in camel case."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)


class Resource(_Part):
    """A file, folder or other thing, by its hashes."""

    name: Printable
    uri: Printable | None = None
    digest: dict[Printable, Annotated[str, Field(pattern=r"^[0-9a-f]+$")]] | None = None
    annotations: dict[Printable, Printable | int | float | bool | None] | None = None


class BuildDefinition(_Part):
    """What the tree was made from."""

    build_type: Printable
    external_parameters: dict[Printable, Printable] = Field(
        description="Round, submitter, system and division."
    )
    resolved_dependencies: tuple[Resource, ...]


class Builder(_Part):
    """Who made the tree: not a service, but the machine and the program of the submitter."""

    id: Printable
    version: dict[Printable, Printable]


class BuildTimes(_Part):
    """When the first run began and the last one ended, in UTC."""

    started_on: Printable
    finished_on: Printable


class RunDetails(_Part):
    """How the tree was made, and what came of it."""

    builder: Builder
    metadata: BuildTimes
    byproducts: tuple[Resource, ...]


class Provenance(_Part):
    """The predicate."""

    build_definition: BuildDefinition
    run_details: RunDetails


class Statement(_Part):
    """The payload of attestation.json; its subjects are the archive and every file in it."""

    statement_type: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    subject: tuple[Resource, ...] = Field(min_length=1)
    predicate_type: Literal["https://slsa.dev/provenance/v1"]
    predicate: Provenance

    @property
    def round_reference(self) -> str:
        """Name of the round, as `weighbridge --round` takes it; empty if the statement names none."""
        return self.predicate.build_definition.external_parameters.get("round", "")

    @property
    def dependencies(self) -> dict[str, Resource]:
        """What the tree was made from, by name."""
        return {each.name: each for each in self.predicate.build_definition.resolved_dependencies}

    @property
    def verdicts(self) -> dict[str, Resource]:
        """The verdicts that are attested, by name."""
        return {each.name: each for each in self.predicate.run_details.byproducts}

    def payload(self) -> bytes:
        """Return the statement as JSON, the same bytes for the same statement."""
        return self.model_dump_json(by_alias=True, exclude_none=True).encode()
