"""The benchmarks: each file here knows one, and nothing outside does."""

from pathlib import Path

from weighbridge.benchmarks.protocol import Measure, Part, PerSample, Score, Task
from weighbridge.benchmarks.qwen3_vl.task import ProductCatalogue
from weighbridge.core.errors import InputError

__all__ = ["Measure", "Part", "PerSample", "Score", "Task", "load_task"]

_TASKS = {ProductCatalogue.name: ProductCatalogue.with_prompt}


def load_task(name: str, prompt: Path) -> Task:
    """Make the task that a round names, with the prompt that a benchmark's files hold.

    Raises:
        InputError: no such task (the known ones are listed), or a prompt file that cannot be used.
    """
    if name not in _TASKS:
        raise InputError(f"task '{name}' does not exist; the known tasks are: {', '.join(sorted(_TASKS))}.")
    return _TASKS[name](prompt)
