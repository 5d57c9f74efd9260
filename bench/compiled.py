"""Programs in C, compiled once into bench/build."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

_FLAGS = ("-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror")


def compiled(source: Path) -> Path:
    """Return the compiled program, made anew where the source or its flags changed.

    Raises:
        SystemExit: there is no C compiler, or it refuses the source.
    """
    parts = [source, *sorted(source.parent.glob(f"{source.stem}_*.h"))]
    text = b"".join(part.read_bytes() for part in parts) + " ".join(_FLAGS).encode()
    program = source.parent / "build" / f"{source.stem}-{hashlib.sha256(text).hexdigest()[:16]}"
    if program.exists():
        return program
    compiler = os.environ.get("CC") or shutil.which("cc")
    if compiler is None:
        sys.exit("bench: no C compiler; install one (Debian: apt-get install gcc)")
    program.parent.mkdir(exist_ok=True)
    part = program.with_name(f"{program.name}.{os.getpid()}")
    if subprocess.run([compiler, *_FLAGS, "-o", str(part), str(source), "-lm"], check=False).returncode:
        sys.exit(f"bench: {compiler} cannot compile {source}; its error is above")
    part.rename(program)
    return program
