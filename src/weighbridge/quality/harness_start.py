"""Import lm-evaluation-harness as a measurement needs it: offline, without bars, leaving nothing behind.

Only the environment of model quality has it. Its libraries read these variables when they are imported; a
server that is started must not inherit them, so they are set for the imports alone.
"""

import atexit
import importlib
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from weighbridge.core.errors import SetupError

HARNESS = "lm_eval"
PACKAGES = (HARNESS, "transformers", "tokenizers")
"""What decides how questions are asked and scored."""
_IMPORTED = (
    "transformers",
    "datasets",
    "lm_eval.evaluator",
    "lm_eval.tasks",
    "weighbridge.quality.patched_harness",
    "weighbridge.quality.api_model",
)
_VARIABLES = {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_EVALUATE_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",  # that torch is missing
}
_CACHES = ("HF_HOME", "HF_HUB_CACHE", "HF_DATASETS_CACHE", "HF_MODULES_CACHE", "LM_HARNESS_CACHE_PATH")


def check_harness() -> None:
    """Check that the harness is installed, without importing it.

    Raises:
        SetupError: it is not.
    """
    if find_spec(HARNESS) is None:
        raise SetupError(
            "lm-evaluation-harness is not installed; run `make setup-quality`, and call the weighbridge of "
            ".venv-quality."
        )


def import_harness() -> None:
    """Import the harness and our classes in it.

    Raises:
        SetupError: it is not installed, or not whole.
    """
    check_harness()
    variables = _VARIABLES | {name: str(_caches() / name.lower()) for name in _CACHES}
    with _environment(variables):
        try:
            for module in _IMPORTED:
                importlib.import_module(module)
        except ImportError as error:
            raise SetupError(
                f"lm-evaluation-harness cannot be imported ({error}); run `make setup-quality` again."
            ) from None
    # What it says of itself at each step is in our own lines; its warnings are in our log.
    for name in (HARNESS, "transformers", "datasets"):
        logging.getLogger(name).setLevel(logging.WARNING)


def harness_versions() -> dict[str, str]:
    """Return the versions of what decides how questions are asked and scored."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


@cache
def _caches() -> Path:
    """Return a folder for all that the libraries would leave in ~/.cache; it is deleted with the process.

    They keep its path from their import on, so that all measurements of a process must share it.
    """
    folder = TemporaryDirectory(prefix="weighbridge-mmlu-")
    atexit.register(folder.cleanup)
    return Path(folder.name)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables for the length of a with block; what else the block sets goes with them."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)
