"""Weights other than those that the rules name: how a submitter declares them, and what contradicts it."""

from collections.abc import Mapping

from weighbridge.config.closed_rules import ArtifactPin

# What a submitter states under submission.measurements of weights that were transformed.
_DECLARATION = ("weight_data_types", "weight_transformations", "starting_weights_filename")
_NO = ("no", "none", "n/a")
_SAME_TYPE = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}


def are_transformed(measurements: Mapping[str, str]) -> bool:
    """Return whether measurements state that the weights were transformed, such as quantised."""
    return says_more_than_no(measurements.get("weight_transformations", ""))


def says_more_than_no(text: str) -> bool:
    """Return whether a statement of the measurements claims something, such as a transformation."""
    return text.strip().lower() not in ("", *_NO)


def is_pinned(pin: ArtifactPin | None, repo: str | None, revision: str | None) -> bool:
    """Return whether an artifact is the one that the rules name; without a rule every artifact is."""
    return pin is None or (repo, revision) == (pin.repo, pin.revision)


def declaration_fault(
    pin: ArtifactPin | None,
    repo: str | None,
    revision: str | None,
    stated: Mapping[str, str],
    *,
    calibrated: bool,
    reference_type: str | None = None,
    quantised_by: str | None = None,
) -> str | None:
    """Return why the closed division refuses weights as they are declared, as a sentence; None: it does not.

    Quantised weights are allowed and must be declared (inference_rules.adoc in mlcommons/inference_policies);
    undeclared ones cannot be told from a wrong model.

    Args:
        pin: The model that the rules name; None: the rules name none.
        repo: Repository that the served model is from; None: a folder of the submitter's own.
        revision: Its commit.
        stated: What the submitter states of the weights: submission.measurements.
        calibrated: Whether submission.calibration names a document.
        reference_type: Data type of the reference's weights, such as bf16; None: not compared.
        quantised_by: The server's argument that quantises the weights as it loads them; None: there is none.
    """
    missing = [name for name in _DECLARATION if not stated.get(name)]
    if pin is not None and not is_pinned(pin, repo, revision):
        served = f"{repo} at {revision}" if repo else "a folder without repo and revision"
        wrong = f"artifacts.model is {served}, but the rules name {pin.repo} at {pin.revision}"
        if missing:
            return (
                f"{wrong}; use that, or declare weights of your own: set submission.measurements "
                f"({', '.join(missing)}) and submission.calibration."
            )
        if not are_transformed(stated):
            return (
                f"{wrong}, and submission.measurements.weight_transformations is "
                f"'{stated['weight_transformations']}'; state how these weights were made from those, or "
                f"give artifacts.model the repo and revision of the unchanged model."
            )
    if pin is not None and says_more_than_no(stated.get("retraining", "")):
        return (
            f"submission.measurements.retraining is '{stated['retraining']}', which the closed division "
            f"forbids; serve the weights as they were trained, or submit to the open division."
        )
    if quantised_by is not None and not are_transformed(stated):
        return (
            f"'{quantised_by}' of the server quantises the weights, but "
            f"submission.measurements.weight_transformations is "
            f"'{stated.get('weight_transformations', 'not stated')}'; state how they are quantised."
        )
    if are_transformed(stated) and not calibrated:
        return (
            f"submission.calibration: weights were transformed ({stated['weight_transformations']}); set it "
            f"to a Markdown file that describes the method and its calibration data."
        )
    types = stated.get("weight_data_types")
    if reference_type and types and not are_transformed(stated) and _plain(types) != _plain(reference_type):
        return (
            f"submission.measurements.weight_data_types is '{types}', but the reference's weights are "
            f"{reference_type} and weight_transformations is "
            f"'{stated.get('weight_transformations', 'not stated')}'; state how they were transformed, or "
            f"correct the type."
        )
    return None


def _plain(data_type: str) -> str:
    name = data_type.strip().lower()
    return _SAME_TYPE.get(name, name)
