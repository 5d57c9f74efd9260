"""Rules of a compliance test: what LoadGen is told for its run, in a file named audit.config."""

from typing import Literal

from pydantic import Field

from weighbridge.core.models import Model, Sha256

KNOWN_TESTS = ("TEST06",)
"""The compliance tests that this release can run and judge."""


class AuditSettings(Model):
    """The keys of an audit.config, which LoadGen applies over user.conf in every scenario."""

    mode: Literal[2] = Field(description="2: a performance run, in LoadGen's numbers.")
    accuracy_log_rng_seed: int = Field(ge=0, lt=2**64)
    accuracy_log_sampling_target: int = Field(gt=0, description="Number of answers that LoadGen logs.")
    min_query_count: int = Field(gt=0, lt=2**32, description="Number of samples that are issued.")
    min_duration: Literal[0] = Field(description="In ms; 0: the run ends with its last sample.")
    sample_concatenate_permutation: Literal[0] = Field(description="0: samples are drawn at random.")

    @property
    def text(self) -> str:
        """An audit.config with these settings."""
        return "".join(f"*.*.{name} = {value}\n" for name, value in self.model_dump().items())

    def matches(self, text: str) -> bool:
        """Return whether an audit.config has these settings and no others."""
        found: dict[str, str] = {}
        for line in text.splitlines():
            words = line.partition("#")[0].split()
            if not words:
                continue
            if len(words) != 3 or words[1] != "=" or words[0] in found:
                return False
            found[words[0]] = words[2]
        return found == {f"*.*.{name}": str(value) for name, value in self.model_dump().items()}


class ComplianceRules(Model):
    """One compliance test of a round."""

    audit: AuditSettings
    audit_sha256: Sha256 | None = Field(
        default=None, description="sha256 of the official audit.config; null: it is not compared."
    )
