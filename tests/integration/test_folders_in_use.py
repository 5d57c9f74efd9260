"""Every command that writes a run, a search or a tree refuses a folder in use before it starts anything."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from measuring import run_command

from weighbridge.run.folder_lock import locked

SUBMISSION = {"submitter": "X", "system": "x"}


def options(folder: Path, command: str) -> list[str]:
    """Return a command line that would write `folder`/out."""
    out = folder / "out"
    run = run_command(folder, "http://127.0.0.1:9", samples=8, target_qps=1, duration_s=1, out=out)
    given = dict(zip(run[1::2], run[2::2], strict=True))
    if command == "search-qps":
        kept = {name: given[name] for name in ("--scenario", "--round", "--server", "--model", "--store")}
        given = kept | {"--offline": "none.json", "--output": f"{out}.json"}
    elif command == "adopt-peak":
        given = {"--peak": "none.json", "--out": str(out)}
    elif command == "assemble":
        given = {"--round": "demo", "--results": "none", "--originals": "none", "--out": str(out)}
        given["--submission"] = json.dumps(SUBMISSION)
    return [command, *(word for pair in given.items() for word in pair)]


@pytest.mark.parametrize("command", ["run", "search-qps", "adopt-peak", "assemble"])
def test_a_folder_in_use_is_refused(tmp_path: Path, command: str) -> None:
    words = options(tmp_path, command)
    before = set(tmp_path.rglob("*"))
    with locked(tmp_path / "out", f"weighbridge {command}"):
        done = subprocess.run(
            [sys.executable, "-m", "weighbridge", *words], capture_output=True, text=True, check=False
        )
    assert done.returncode == 3, done.stderr
    assert f"out is in use by 'weighbridge {command}' (process " in done.stderr.splitlines()[-1]
    assert set(tmp_path.rglob("*")) == before
