"""Find benchmarks by name: the packages beside this file, and installed packages by entry point."""

import importlib
import pkgutil
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from weighbridge.core.errors import InputError

if TYPE_CHECKING:
    from weighbridge.benchmarks.protocol import Benchmark
    from weighbridge.config.request_settings import RequestSettings

ENTRY_POINTS = "weighbridge.benchmarks"


@cache
def benchmarks() -> dict[str, "Benchmark"]:
    """Return every benchmark of this release and of installed packages, by name.

    Raises:
        InputError: two benchmarks share a name, or an installed one cannot be imported.
    """
    here = Path(__file__).parent
    found: dict[str, Benchmark] = {}
    for module in pkgutil.iter_modules([str(here)]):
        if module.ispkg:
            _add(found, importlib.import_module(f"{__package__}.{module.name}").BENCHMARK)
    for entry in entry_points(group=ENTRY_POINTS):
        try:
            loaded = entry.load()
        except Exception as error:
            raise InputError(
                f"the installed benchmark '{entry.name}' ({entry.value}) cannot be imported ({error}); "
                "repair or uninstall its package."
            ) from error
        _add(found, loaded)
    return found


def _add(found: dict[str, "Benchmark"], benchmark: "Benchmark") -> None:
    if benchmark.name in found:
        raise InputError(
            f"two benchmarks are called '{benchmark.name}', in {found[benchmark.name].folder} and "
            f"{benchmark.folder}; uninstall one of them."
        )
    found[benchmark.name] = benchmark


def load_benchmark(name: str) -> "Benchmark":
    """Return the benchmark with this name.

    Raises:
        InputError: no benchmark has this name; the message lists the known ones.
    """
    known = benchmarks()
    if name not in known:
        raise InputError(
            f"benchmark '{name}' does not exist; the known ones are: {', '.join(sorted(known))}."
        )
    return known[name]


def needs_tokenizer(name: str) -> bool:
    """Return whether a benchmark's prompts or answers are token ids, which need the model's tokenizer."""
    # A benchmark written for an older release does not have the attribute.
    return bool(getattr(load_benchmark(name), "needs_tokenizer", False))


def check_requests(name: str, settings: "RequestSettings") -> None:
    """Check that a benchmark can send requests with these settings.

    Raises:
        InputError: guided decoding is set, and the benchmark has no JSON schema of answers.
    """
    # A benchmark written for an older release does not have the attribute.
    if settings.guided_decoding and not getattr(load_benchmark(name), "has_answer_schema", False):
        raise InputError(
            f"requests.guided_decoding is true, but {name} has no JSON schema of answers; remove the setting."
        )
