"""Weights of one's own: declared, undeclared, and declared against what the settings say."""

import pytest

from weighbridge.config.closed_rules import ArtifactPin
from weighbridge.config.declared_weights import declaration_fault

PIN = ArtifactPin(repo="lab/model", revision="1" * 40)
PINNED = (PIN.repo, PIN.revision)
OWN = ("me/model-fp8", "2" * 40)
DECLARED = {
    "weight_data_types": "fp8",
    "weight_transformations": "quantised per channel",
    "starting_weights_filename": "lab/model",
}
PLAIN = {"weight_data_types": "bf16", "weight_transformations": "No"}


def test_the_pinned_model_needs_no_declaration() -> None:
    assert declaration_fault(PIN, *PINNED, PLAIN, calibrated=False, reference_type="bf16") is None


def test_declared_weights_of_one_s_own_are_allowed() -> None:
    for origin in (OWN, (None, None)):
        assert declaration_fault(PIN, *origin, DECLARED, calibrated=True, reference_type="bf16") is None


@pytest.mark.parametrize("missing", DECLARED)
def test_a_declaration_with_a_gap_is_no_declaration(missing: str) -> None:
    stated = {name: value for name, value in DECLARED.items() if name != missing}
    said = declaration_fault(PIN, *OWN, stated, calibrated=True)
    assert said is not None
    assert missing in said
    assert "the rules name lab/model at 111" in said


def test_other_weights_that_are_said_to_be_unchanged_are_refused() -> None:
    for origin in (OWN, (PIN.repo, "3" * 40), (None, None)):
        said = declaration_fault(PIN, *origin, DECLARED | PLAIN, calibrated=True)
        assert said is not None
        assert "weight_transformations is 'No'" in said


def test_transformed_weights_need_a_document() -> None:
    for pin in (PIN, None):
        said = declaration_fault(pin, *OWN, DECLARED, calibrated=False)
        assert said is not None
        assert said.startswith("submission.calibration: weights were transformed (quantised per channel)")


@pytest.mark.parametrize(("told", "fault"), [("BF16", False), ("bfloat16", False), ("fp4", True)])
def test_another_data_type_without_a_transformation_is_refused(told: str, fault: bool) -> None:
    stated = PLAIN | {"weight_data_types": told}
    said = declaration_fault(PIN, *PINNED, stated, calibrated=False, reference_type="bf16")
    assert (said is not None) is fault
    assert declaration_fault(PIN, *PINNED, stated, calibrated=False) is None


def test_a_round_that_names_no_model_allows_any() -> None:
    assert declaration_fault(None, None, None, {}, calibrated=False) is None


def test_a_server_that_quantises_must_be_declared() -> None:
    said = declaration_fault(PIN, *PINNED, PLAIN, calibrated=True, quantised_by="--quantization=fp8")
    assert said is not None
    assert said.startswith("'--quantization=fp8' of the server quantises the weights")
    assert declaration_fault(PIN, *PINNED, DECLARED, calibrated=True, quantised_by="-q=fp8") is None


def test_retrained_weights_are_refused() -> None:
    for told, fault in (("No", False), ("none", False), ("LoRA", True)):
        said = declaration_fault(PIN, *PINNED, PLAIN | {"retraining": told}, calibrated=True)
        assert (said is not None) is fault
    assert declaration_fault(None, None, None, {"retraining": "LoRA"}, calibrated=True) is None
