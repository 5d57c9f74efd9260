"""Compare the user's settings with what a round's closed division fixes."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from weighbridge.config.artifact_settings import Artifact
from weighbridge.config.closed_rules import ArtifactPin
from weighbridge.config.declared_weights import are_transformed, says_more_than_no
from weighbridge.config.request_settings import RequestSettings
from weighbridge.config.round import Round
from weighbridge.config.round_of_scenario import round_of_dataset
from weighbridge.config.settings import Settings, SubmissionSettings

Division = Literal["closed", "open"]
# How answers are sent is not of the rules.
_FREE = ("stream",)
_LIMIT = "sampling.max_tokens"


@dataclass(frozen=True)
class Deviation:
    """A setting whose results do not belong to the closed division.

    Attributes:
        found: The setting and its value.
        demanded: What the round demands instead.
        source: Where the rules say it; empty where the round does not tell.
        remedy: What to do, apart from choosing the open division.
    """

    found: str
    demanded: str
    source: str
    remedy: str

    def sentence(self, round_name: str, division: Division) -> str:
        """Return what is told: with the ways out where it is refused."""
        source = f" ({self.source})" if self.source else ""
        said = f"{self.found}, but the closed division of round {round_name} demands {self.demanded}{source}"
        if division == "open":
            return f"{said}; results are of the open division only."
        return f"{said}; {self.remedy}, or set submission.division: open, where it is reported."


def settings_deviations(settings: Settings, round_: Round) -> tuple[Deviation, ...]:
    """Return every deviation of artifacts and requests, in the order of config.yaml.

    What the model server is given is compared by `weighbridge.run.closed_division`.
    """
    return (
        *_of_model(settings.artifacts.model, settings.submission, round_),
        *_of_dataset("dataset", settings.artifacts.dataset, round_),
        *(
            deviation
            for name, dataset in settings.artifacts.further_datasets.items()
            if name in round_.further_datasets
            for deviation in _of_dataset(f"further_datasets.{name}", dataset, round_of_dataset(round_, name))
        ),
        *_of_training(settings.submission, round_),
        *request_deviations(settings.requests.bodies, round_),
    )


def request_deviations(requests: RequestSettings, round_: Round) -> tuple[Deviation, ...]:
    """Return every request setting that is not the round's; streaming is free.

    A limit of an answer's length must be the round's, except in a demonstration; unset, it is filled in.
    """
    fixed = round_.closed.requests or requests
    requests = requests.model_copy(update={"sampling": round_.completed_sampling(requests.sampling)})
    allowed = dict(_flat(fixed.model_dump(mode="json")))
    limit = requests.sampling.max_tokens
    if limit is None or not round_.held_to_rules:
        allowed[_LIMIT] = limit
    else:
        of_round = round_.closed.requests.sampling.max_tokens if round_.closed.requests else None
        allowed[_LIMIT] = of_round or round_.max_tokens
    sources = round_.closed.sources
    return tuple(
        Deviation(
            f"requests.{name} is {json.dumps(value)}",
            json.dumps(allowed[name]) if allowed[name] is not None else "none",
            sources.get(name.partition(".")[0], sources.get("requests", "")),
            "remove the setting",
        )
        for name, value in _flat(requests.model_dump(mode="json"))
        if name not in _FREE and value != allowed[name]
    )


def undeclared(submission: SubmissionSettings) -> tuple[str, ...]:
    """Return what is missing of the declaration of quantised weights, as settings."""
    stated = submission.measurements
    return (
        *(() if are_transformed(stated) else ("submission.measurements.weight_transformations",)),
        *(() if stated.get("weight_data_types") else ("submission.measurements.weight_data_types",)),
        *(() if submission.calibration else ("submission.calibration",)),
    )


def _flat(data: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in data.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _of_dataset(setting: str, dataset: Artifact, round_: Round) -> Iterator[Deviation]:
    """Compare the dataset. A folder of which nothing says where it is from would end as unproven."""
    pin = round_.closed.dataset
    if pin is None:
        return
    remedy, found = "use that", _other_origin(setting, dataset, pin)
    if found is None and dataset.repo is None:
        key, value = ("uri", dataset.uri) if dataset.uri else ("path", dataset.path)
        found = f"artifacts.{setting}.{key} is {value}, without repo and revision"
        remedy = f"for a copy of that, set its repo and revision beside the {key}"
    if found:
        yield Deviation(found, _named(pin), round_.closed.sources.get("dataset", ""), remedy)


def _of_training(submission: SubmissionSettings, round_: Round) -> Iterator[Deviation]:
    stated = submission.measurements.get("retraining", "")
    if round_.closed.model is not None and says_more_than_no(stated):
        yield Deviation(
            f"submission.measurements.retraining is '{stated}'",
            "weights that were not trained again",
            round_.closed.sources.get("model", ""),
            "serve the weights as they were trained",
        )


def _of_model(model: Artifact, submission: SubmissionSettings, round_: Round) -> Iterator[Deviation]:
    """Compare the model. Another origin is allowed for weights that are declared as quantised.

    A folder beside the repository and revision of the round proves nothing, and a merged configuration easily
    has all three: so it must be stated of the folder whether its weights are transformed.
    """
    pin = round_.closed.model
    if pin is None:
        return
    found = _other_origin("model", model, pin)
    if model.path is not None:
        stated = submission.measurements
        unchanged = stated.get("weight_transformations") and not are_transformed(stated)
        if found is None and model.repo is not None and unchanged:
            return  # stated to be a copy of the pin; the gate compares its files
        found = f"artifacts.model.path is {model.path}"
    if found is None and model.repo is None:
        found = f"artifacts.model.uri is {model.uri}, without the repo and revision of which it is a copy"
    if found is None:
        return  # from the hub, or MLCommons' own copy of it: the gate compares its files
    missing = [*undeclared(submission)]
    if not submission.measurements.get("starting_weights_filename"):
        missing.append("submission.measurements.starting_weights_filename")
    if model.synthetic is None and not missing:
        return
    declare = f"for quantised weights of that model, declare {' and '.join(missing)}"
    if model.path is not None:
        declare += (
            "; for an unchanged copy, set its repo and revision too, and weight_transformations: 'No' "
            "(docs/caching.md says how finished runs are kept)"
        )
    remedy = "use that" if model.synthetic is not None else f"use that; {declare}"
    yield Deviation(found, _named(pin), round_.closed.sources.get("model", ""), remedy)


def _other_origin(setting: str, artifact: Artifact, pin: ArtifactPin) -> str | None:
    """Return the setting that names another origin than the pin; None where none does."""
    if artifact.synthetic is not None:
        return f"artifacts.{setting}.synthetic is {artifact.synthetic}"
    if artifact.repo is not None and artifact.repo != pin.repo:
        return f"artifacts.{setting}.repo is {artifact.repo}"
    if artifact.revision is not None and artifact.revision != pin.revision:
        return f"artifacts.{setting}.revision is {artifact.revision}"
    return None


def _named(pin: ArtifactPin) -> str:
    return f"{pin.repo} at revision {pin.revision}"
