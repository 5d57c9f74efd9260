"""What makes a system's answers the ones that are wanted: the system, and what it is asked, and how."""

from hashlib import sha256
from pathlib import Path

from weighbridge.config.fingerprint import canonical, fingerprint
from weighbridge.config.quality_settings import MmluSettings
from weighbridge.config.sweep_settings import ComparedSystem, SweepSettings
from weighbridge.core.errors import InputError
from weighbridge.sweep.cell_key import identities_of

_MODEL_WORD = "{model}"


def questions_of(settings: SweepSettings) -> MmluSettings:
    """Return which questions a sweep asks, and how.

    Raises:
        InputError: it asks none.
    """
    if settings.quality is None:
        raise InputError(f"the sweep {settings.name} asks no questions; add `quality: {{}}` to its file.")
    return settings.quality.mmlu


def is_given_model(system: ComparedSystem) -> bool:
    """Return whether a system serves the sweep's model; endpoints and some commands serve their own."""
    if system.attached:
        return False
    return not system.command or any(_MODEL_WORD in word for word in system.command)


def asked_of(settings: SweepSettings, name: str) -> str:
    """Return what a system is and what it is asked, as the fingerprint of a job that asks it.

    It names no model: its proof is an input of the job.
    """
    identity = identities_of(settings, None).systems[name]
    return fingerprint("quality", compared={"system": identity}, mmlu=questions_of(settings))


def quality_key(settings: SweepSettings, name: str, model: Path | None) -> str:
    """Return the sha256 of all that a system's answers depend on, but for what an endpoint serves.

    Args:
        settings: The sweep's.
        name: The system's.
        model: Folder of the model that started servers serve; None: none is started.
    """
    served = model if is_given_model(settings.system(name)) else None
    parts = {
        "asked": asked_of(settings, name),
        "system": identities_of(settings, served).systems[name],
        "questions": questions_of(settings).dataset,
    }
    return sha256(canonical(parts).encode()).hexdigest()
