"""What the official script of a compliance test writes: by that script, or in its form by our own checks."""

import subprocess
import tempfile
from pathlib import Path

from weighbridge.artifacts.eos_ids import eos_ids_of
from weighbridge.artifacts.proof import Proof
from weighbridge.config.scenario_rules import ScenarioRules
from weighbridge.core.errors import SetupError
from weighbridge.core.files import write_atomic
from weighbridge.gates.token_consistency import (
    VERIFICATION,
    verification_text,
    wrong_end,
    wrong_first,
    wrong_length,
)
from weighbridge.loadgen.compliance_run import official_folder
from weighbridge.loadgen.logged_tokens import TOKEN_TYPE, read_logged_tokens
from weighbridge.records.run_record import ANSWERS
from weighbridge.submission.reference_tool import run_reference_tool

_SCRIPT = "run_verification.py"
_TIMEOUT_S = 600


def write_verification(
    run: Path, scenario: ScenarioRules, test: str, *, model: Proof, reference: Proof | None
) -> str:
    """Write verify_accuracy.txt into the folder of a compliance run, and return its text.

    The official script is run as it is. It exits with 0 whatever it finds, so its text says what it found.

    Args:
        run: The run's folder.
        scenario: The rules of its scenario.
        test: Name of the test, such as TEST06.
        model: Proof of the model, whose files name the ids that end an answer.
        reference: Proof of mlcommons/inference on disk; None: our own checks decide.

    Raises:
        InputError: the accuracy log or a file of the model is missing or damaged.
        SetupError: the official script is missing, or does not come to its end.
    """
    text = _own(run, scenario, model) if reference is None else _official(run, scenario, test, reference)
    write_atomic(run / VERIFICATION, text)
    return text


def _own(run: Path, scenario: ScenarioRules, model: Proof) -> str:
    answers, eos_ids = read_logged_tokens(run / ANSWERS), eos_ids_of(model)
    return verification_text(
        None if scenario.offline else wrong_first(answers) == 0,
        bool(eos_ids) and wrong_end(answers, eos_ids) == 0,
        wrong_length(answers) == 0,
    )


def _official(run: Path, scenario: ScenarioRules, test: str, reference: Proof) -> str:
    read_logged_tokens(run / ANSWERS)  # told in one sentence where it cannot be read
    script = reference.folder / official_folder(test) / _SCRIPT
    if not script.is_file():
        raise SetupError(f"{script}: is missing; fetch the reference again.")
    with tempfile.TemporaryDirectory() as scratch:
        # No -e: the script takes an id from there for a text, which equals no token.
        options = ("-c", run.resolve(), "-o", scratch, "-s", scenario.folder, "--dtype", TOKEN_TYPE.name)
        try:
            done = run_reference_tool([script, *options], Path(scratch), _TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise SetupError(f"{script}: did not end within {_TIMEOUT_S} s.") from None
        written = Path(scratch) / test / VERIFICATION
        if done.returncode or not written.is_file():
            last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise SetupError(f"{script}: cannot verify {run} ({last}).")
        return written.read_text()
