"""Detect what a machine reports about itself, as fields of a system description; nothing is guessed.

A run records it in run.json, because the tree may be built on another machine, such as a login node.
"""

import logging
import threading
import time
from collections.abc import Callable

from weighbridge.system.detection import accelerators, host
from weighbridge.system.detection.commands import Fields

_log = logging.getLogger(__name__)

_PARTS: tuple[Callable[[], Fields], ...] = (
    host.processor,
    host.operating_system,
    host.memory,
    host.storage,
    host.network,
    accelerators.accelerators,
)
DEADLINE_S = 2.0
_SOFTWARE = "other_software_stack"  # several parts contribute to it


def detect(parts: tuple[Callable[[], Fields], ...] = _PARTS, deadline_s: float = DEADLINE_S) -> Fields:
    """Return the description of the machine that this runs on; a field that cannot be read is left out.

    Never raises and never takes longer than the deadline: a part that fails or is not done by then is left
    out as well, because a description can be completed by hand and a run cannot be repeated for it.
    """
    results: list[Fields] = [{} for _ in parts]

    def run(number: int, part: Callable[[], Fields]) -> None:
        try:
            results[number] = part()
        except Exception as error:  # whatever a driver or an unusual kernel causes
            _log.warning("%s cannot be detected (%s)", part.__name__, error)

    threads = [
        threading.Thread(target=run, args=(number, part), daemon=True) for number, part in enumerate(parts)
    ]
    end = time.monotonic() + deadline_s
    for thread in threads:
        thread.start()
    for thread, part in zip(threads, parts, strict=True):
        thread.join(max(0.0, end - time.monotonic()))
        if thread.is_alive():
            _log.warning("%s is not detected within %g s; state it by hand", part.__name__, deadline_s)
    fields: Fields = {}
    for each in results:
        for name, value in each.items():
            adds = name == _SOFTWARE and name in fields
            fields[name] = f"{fields[name]}, {value}" if adds else value
    return {name: value for name, value in fields.items() if value}
