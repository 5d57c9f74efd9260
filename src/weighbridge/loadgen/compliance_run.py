"""The audit.config of a compliance run: the official file where the reference is on disk, else one alike."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from weighbridge.config.audited_round import compliance_rules
from weighbridge.config.round import Round
from weighbridge.core.errors import InputError, SetupError
from weighbridge.records.run_record import AUDIT_CONFIG


@dataclass(frozen=True)
class ComplianceRun:
    """A compliance test that is about to run.

    Attributes:
        test: Its name, such as TEST06.
        audit: The text of the audit.config that LoadGen follows.
    """

    test: str
    audit: str

    @classmethod
    def of(cls, round_: Round, scenario: str, test: str, reference: Path | None) -> "ComplianceRun":
        """Return the run of a compliance test.

        Args:
            round_: The rules.
            scenario: Name of the scenario, which must have a run of the test.
            test: Name of the test.
            reference: Folder of the official reference; None: the file is written from the round's settings.

        Raises:
            InputError: the scenario has no run of this test, or the round no settings for it.
            SetupError: the official file is missing, or is not the one that the round pins.
        """
        if test not in round_.scenario(scenario).compliance_runs.values():
            raise InputError(f"round {round_.name}: {scenario} has no run of the compliance test {test}.")
        rules = compliance_rules(round_, test)
        if reference is None:
            return cls(test, rules.audit.text)
        path = reference / official_folder(test) / AUDIT_CONFIG
        if not path.is_file():
            raise SetupError(f"{path}: is missing; fetch the reference again.")
        content = path.read_bytes()
        text = content.decode(errors="replace")
        if not rules.audit.matches(text) or rules.audit_sha256 not in (None, sha256(content).hexdigest()):
            raise SetupError(
                f"{path}: is not the file of round {round_.name}, whose settings for {test} are others; set "
                "artifacts.reference to the revision that belongs to the round."
            )
        return cls(test, text)


def official_folder(test: str) -> Path:
    """Return the folder of a compliance test in mlcommons/inference."""
    return Path("compliance") / test
