"""The process that writes events.jsonl: lines come on its standard input, every hundredth flushes them.

As the real one, it outlives a client that was killed.
"""

import signal
import sys
import time
from pathlib import Path

FLUSHED_EVERY = 100
ORPHAN_S = 60


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with its input
    with Path(sys.argv[1]).open("w") as log:
        line = ""
        for number, line in enumerate(sys.stdin, 1):
            log.write(line)
            if number % FLUSHED_EVERY == 0:
                log.flush()
    if '"session.ended"' not in line:
        time.sleep(ORPHAN_S)  # its supervisor ends it


if __name__ == "__main__":
    main()
