"""Every command that a page shows is tried: on a finished run directory, or dry where its mark says why."""

import json
import os
import re
import shutil
import subprocess
import tarfile
import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from driver import BIN
from page_commands import (
    MAIN,
    PAGES,
    PROGRAMS,
    ROOT,
    Block,
    UnclassifiedError,
    UsageError,
    blocks_of,
    joined_lines,
    parse_call,
    shown_files,
    words_of,
)
from planner import planner
from test_kept_results import unpacked
from typer.testing import CliRunner

from weighbridge import cli
from weighbridge.core.errors import WeighbridgeError

TOY, WITH_TOY = ROOT / "tests" / "toy_benchmark", "adding-a-benchmark.md"
# Below the project's folder; pages that are not here are read there.
FOLDERS = {"commands.md": "runs/demo"}
# Words of a shell, and programs that a test neither runs nor imitates: only their syntax is checked.
SHELL = ("PATH", "cd", "export", "set", "source")
OUTSIDE = ("git", "openssl", "pip", "python", "pytest", "umask")
# Not in a fresh checkout, or made anew for the test.
ELSEWHERE = (".git", ".snakemake", "history", "logs", "resources", "results", "runs", "sweeps")
# Run directories that pages name; each is the finished one.
RESULTS = ("a", "b", "bf16", "fp8", "nightly")


@dataclass(frozen=True)
class Project:
    """A project's folder with finished runs, in which commands are tried."""

    root: Path
    plans: dict[tuple[tuple[str, ...], Path], tuple[int, str]] = field(default_factory=dict)

    def environment(self, place: str) -> dict[str, str]:
        """Return the environment of a page's calls; one page has a benchmark installed beside the package."""
        path = [str(ROOT / "src")]
        if place.startswith(WITH_TOY):
            path += [str(self.root / "installed"), str(TOY)]
        return os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONPATH": os.pathsep.join(path)}

    def plan(self, words: list[str], folder: Path, place: str) -> tuple[int, str]:
        """Plan what a call of snakemake would do; pages and languages share many calls."""
        call = (str(BIN / "snakemake"), *words, "-n")
        if (call, folder) not in self.plans:
            self.plans[call, folder] = planner().plan(call, folder, self.environment(place))
        return self.plans[call, folder]

    def try_page(self, text: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Try all commands of a page, in the presence of the files that it shows."""
        for file, content in shown_files(text):
            (self.root / file).write_text(content)
        for block in blocks_of(text, name):
            self.try_block(block, self.root / FOLDERS.get(name, "."), monkeypatch)

    def try_block(self, block: Block, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Try the commands of a block one after the other."""
        for line in block.commands:
            for command in line.split(" && "):
                words = words_of(command)
                if words[:1] == ["cd"] and (folder / words[1]).is_dir():
                    folder = folder / words[1]
                elif words:
                    monkeypatch.chdir(folder)
                    code, said = self._try(words, command, block, folder)
                    wanted = 0 if block.dry else block.code
                    assert code == wanted, f"{block.place}: {command}: exit code {code}: {said[-2000:]}"

    def _try(self, words: list[str], command: str, block: Block, folder: Path) -> tuple[int, str]:
        """Try a command; return its exit code and what it said."""
        match words[0]:
            case "weighbridge":
                return _parsed(words[1:]) if block.dry else _called(words[1:])
            case "snakemake" if block.dry or "-n" in words:
                return self.plan(_planned(words[1:]), folder, block.place)
            case "make" if block.dry:
                return _said(["make", "-n", *words[1:]], self.root)
            case program if program in SHELL or (block.dry and program.strip("(") in OUTSIDE):
                return _said(["bash", "-n", "-c", command], folder)
        raise UnclassifiedError(f"{block.place}: no test can run '{command}'; is 'dry run: REASON' missing?")


def _planned(words: list[str]) -> list[str]:
    """Return the words of a call of snakemake without its report and its touching, which no dry run has."""
    if "--report" in words:
        place = words.index("--report")
        words = words[:place] + words[place + 2 :]
    return [word for word in words if word not in ("-n", "--touch")]


def _said(command: list[str], folder: Path) -> tuple[int, str]:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def _called(words: list[str]) -> tuple[int, str]:
    """Call the program in this process; return its exit code and what it printed."""
    done = CliRunner().invoke(cli.app, words)
    if isinstance(done.exception, WeighbridgeError):
        return done.exception.exit_code, f"{done.output}\n{done.exception}"
    return done.exit_code, f"{done.output}\n{done.exception or ''}"


def _parsed(words: list[str]) -> tuple[int, str]:
    """Parse a call as the program would, without running it."""
    try:
        parse_call(words)
    except (UsageError, KeyError) as error:
        return 2, str(getattr(error, "message", error))
    return 0, ""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A folder with all that the checkout has, sweeps/NAME.yaml, and the kept example as finished runs."""
    root = tmp_path_factory.mktemp("pages") / "project"
    root.mkdir()
    for path in ROOT.iterdir():
        if path.name not in ELSEWHERE:
            (root / path.name).symlink_to(path)
    shutil.copytree(ROOT / "sweeps", root / "sweeps")
    shutil.copy(ROOT / "sweeps" / "endpoints.yaml", root / "sweeps" / "NAME.yaml")
    demo = root / "runs" / "demo"
    unpacked(demo)
    for proof in (demo / "resources" / "model.json", demo / "resources" / "dataset.json"):
        data = json.loads(proof.read_text())
        proof.write_text(json.dumps(data | {"folder": str(ROOT / data["folder"])}))
    _assemble(demo)
    _register_toy(root / "installed")
    for name in RESULTS:
        (root / "runs" / name).symlink_to(demo)
    return Project(root)


def _assemble(run: Path) -> None:
    """Build the tree of the kept example, which is kept without it, and attest it."""
    settings = {"submission": {"submitter": "Demonstration", "system": "laptop-cpu-demo"}}
    command: list[object] = ["assemble", "--round", "demo", "--settings", json.dumps(settings)]
    results, resources = run / "results", run / "resources"
    shutil.rmtree(results / "originals")
    command += ["--source", ROOT, "--results", results, "--store", resources / "requests" / "manifest.json"]
    command += [f"--artifact={resources / kind}.json" for kind in ("model", "dataset")]
    command += ["--originals", results / "originals", "--out", results / "submission"]
    attest = ["attest", "--round", "demo", "--tree", results / "submission.tar.gz"]
    for words in (command, [*attest, "--output", results / "attestation.json"]):
        code, said = _called([str(word) for word in words])
        assert code == 0, said


def _register_toy(folder: Path) -> None:
    """Register the toy benchmark as its installation does, beside its source, which is on the path."""
    project = tomllib.loads((TOY / "pyproject.toml").read_text())["project"]
    info = folder / f"toy-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    groups = [
        "\n".join([f"[{group}]", *(f"{name} = {place}" for name, place in entries.items()), ""])
        for group, entries in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(groups))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_a_page_can_be_pasted(
    page: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.try_page(page.read_text(), page.name, monkeypatch)


def test_the_commands_of_a_tree_can_be_pasted(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with tarfile.open(project.root / "runs" / "demo" / "results" / "submission.tar.gz") as tree:
        members = [member for member in tree.getmembers() if member.name.endswith("/README.md")]
        texts = {extracted.read().decode() for each in members if (extracted := tree.extractfile(each))}
    blocks = [block for text in sorted(texts) for block in blocks_of(text, "README.md of the tree")]
    tried = 0
    for block in blocks:
        ours = tuple(command for command in block.commands if words_of(command)[0] in PROGRAMS)
        project.try_block(replace(block, commands=ours, dry=True), project.root, monkeypatch)
        tried += len(ours)
    assert tried > 0


def test_the_examples_of_the_help_can_be_pasted(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    epilogs = {name: command.epilog or "" for name, command in MAIN.commands.items()}
    for name, epilog in epilogs.items():
        calls = tuple(line for line in joined_lines(epilog) if line.startswith("weighbridge "))
        project.try_block(Block(f"help of {name}", calls, dry=True), project.root, monkeypatch)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("```\nrm -r results\n```\n", "no test can run 'rm -r results'"),
        ("```\nweighbridge sumary\n```\n", "exit code 2"),
        ("```\nweighbridge summary --results nowhere\n```\n", "exit code 2"),
        ("```\nsnakemake submission\n```\n", "is 'dry run: REASON' missing?"),
        ("<!-- dry run -->\n```\nsnakemake submission\n```\n", "is none of"),
        ("<!-- dry run: takes hours of GPUs -->\n```\nsnakemake results/none.txt\n```\n", "exit code 1"),
        ("<!-- dry run: takes hours of GPUs -->\n```\nmake nothing-of-the-kind\n```\n", "exit code 2"),
        ("<!-- exit code 4: it is what it says -->\n```\nweighbridge --version\n```\n", "exit code 0"),
        ("```text\nsnakemake results/none.txt\n```\n", "is a command in a block of text"),
    ],
)
def test_a_command_that_cannot_be_pasted_is_noticed(
    text: str, complaint: str, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(AssertionError, match=re.escape(complaint)):
        project.try_page(text, "page", monkeypatch)
