"""Git repositories of tests: made, committed to, fetched from."""

import subprocess
from pathlib import Path

_GIT = [
    "git",
    "-c",
    "user.name=Someone",
    "-c",
    "user.email=someone@example.org",
    "-c",
    "commit.gpgsign=false",
]


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder; return what it prints."""
    done = subprocess.run([*_GIT, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def start_repository(folder: Path) -> None:
    """Make an empty repository that serves any commit it has, as a forge does."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "config", "uploadpack.allowAnySHA1InWant", "true")
