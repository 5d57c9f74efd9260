"""The commands that pages show: read from their fenced blocks, with the mark that says how a test tries them.

A block is run, unless a comment before it says otherwise, with the reason:

    <!-- dry run: needs eight GPUs -->         snakemake and make get -n, weighbridge parses the options
    <!-- exit code 4: the tree is cut off -->  run, and ends with that code

A block of output or of a file's text names its language (```text, ```yaml); one without has commands only.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import typer
from typer.core import TyperGroup

from weighbridge import cli

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
        *ROOT.glob("README.*.md"),
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "src").rglob("README.md"),
    ]
)
_FENCE = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]*?) -->\n\n?)?^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_MARK = re.compile(r"(?P<way>dry run|exit code (?P<code>\d+)): (?P<reason>\S.{9,})")
PROGRAMS = ("weighbridge", "snakemake", "make")
_COMMAND_LANGUAGES = ("", "sh")
MAIN = typer.main.get_group(cli.app)
UsageError = typer.BadParameter.__base__
assert UsageError is not None


class UnclassifiedError(AssertionError):
    """A block of a page that no test knows how to try."""


@dataclass(frozen=True)
class Block:
    """A fenced block: where it is, its commands, and how they are tried."""

    place: str
    commands: tuple[str, ...]
    dry: bool = False
    code: int = 0


def blocks_of(text: str, name: str) -> Iterator[Block]:
    """Yield the blocks with commands of a page.

    Raises:
        UnclassifiedError: a mark is none of the known ones or lacks its reason; a block of text or of a file
            has commands.
    """
    for fence in _FENCE.finditer(text):
        place = f"{name}:{text[: fence.start('text')].count(chr(10)) + 1}"
        language, lines = fence["language"], joined_lines(fence["text"])
        mark = _MARK.fullmatch(fence["mark"] or "")
        if fence["mark"] and mark is None and re.match(r"(dry|exit|run)\b", fence["mark"]):
            raise UnclassifiedError(f"{place}: the mark '{fence['mark']}' is none of 'dry run: REASON'")
        if language in _COMMAND_LANGUAGES:
            dry, code = (mark["way"] == "dry run", int(mark["code"] or 0)) if mark else (False, 0)
            yield Block(place, tuple(lines), dry or language == "sh", code)
        elif language == "yaml":
            steps = [step[1] for line in lines if (step := re.match(r"- run: (.+)", line))]
            if steps:
                yield Block(place, tuple(steps), dry=True)
        elif language == "text":
            for line in lines:
                if line.split(maxsplit=1)[0] in PROGRAMS and len(line.split()) > 1:
                    raise UnclassifiedError(f"{place}: '{line}' is a command in a block of text")


def shown_files(text: str) -> Iterator[tuple[str, str]]:
    """Yield name and content of the files that a page shows: blocks that begin with `# NAME.yaml`."""
    for fence in _FENCE.finditer(text):
        if name := re.match(r"# ([\w-]+\.yaml)\b", fence["text"]):
            yield name[1], fence["text"]


def joined_lines(text: str) -> list[str]:
    """Return the lines of a block, with continued ones joined, without empty ones and comments."""
    lines = (line.strip() for line in text.replace("\\\n", " ").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def words_of(command: str) -> list[str]:
    """Return the words of a command without comment, redirection, pipe, and variables set before it."""
    words = shlex.split(command, comments=True)
    words = words[: next((place for place, word in enumerate(words) if word in (">", "|")), None)]
    while words and re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    if words[:3] == ["python", "-m", "weighbridge"]:
        words = words[2:]
    if words:
        words[0] = words[0].removeprefix(".venv/bin/")
    return words


def parse_call(words: list[str]) -> str:
    """Parse a call's words as the program would, without running it; return the command's name.

    Raises:
        UsageError, KeyError: the program does not take them.
    """
    if words[0].startswith("-"):
        return ""
    command = MAIN.commands[words[0]]
    with command.make_context(words[0], words[1:]) as context:
        if isinstance(command, TyperGroup):
            name, below, rest = command.resolve_command(context, [*context._protected_args, *context.args])
            assert below is not None
            with below.make_context(name, rest, parent=context):
                pass
        return words[0]
