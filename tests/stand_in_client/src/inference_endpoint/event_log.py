"""The process that writes events.jsonl: lines come on its standard input, every hundredth flushes them."""

import signal
import sys
from pathlib import Path

FLUSHED_EVERY = 100


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with its input
    with Path(sys.argv[1]).open("w") as log:
        for number, line in enumerate(sys.stdin, 1):
            log.write(line)
            if number % FLUSHED_EVERY == 0:
                log.flush()


if __name__ == "__main__":
    main()
