"""A signal ends the program wherever it comes."""

import signal
import subprocess
import sys

# The signal comes while an object is finalized, where Python drops what is raised.
LOST = """
import os, signal, time
from weighbridge.core.interruption import end_on_signals

class Finalized:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0)

end_on_signals()
Finalized()
time.sleep(10)
"""


def test_a_signal_that_comes_in_a_finalizer_is_not_lost() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOST], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in done.stderr
    assert "ignored" not in done.stderr
