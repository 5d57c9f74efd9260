"""The environments' pins are the lock's, and no lock names a host."""

import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))


OTHER_CLIENTS = (("v5.1", "5.1.2"), ("v6.1", "6.0.17"))
OFFICIAL_CLIENT = "client-endpoints-ea332753"


def pins_of(path: Path) -> list[str]:
    dependencies = yaml.safe_load(path.read_text())["dependencies"]
    [pins] = [entry["pip"] for entry in dependencies if isinstance(entry, dict)]
    return list(pins)


def locked(lock: Path) -> set[str]:
    return {match[0] for match in re.finditer(r"^[a-z0-9._-]+==[^ ;\\]+", lock.read_text(), re.MULTILINE)}


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_an_environment_pins_what_the_lock_pins(path: Path) -> None:
    pins = pins_of(path)
    assert pins
    [lock] = re.findall(r"^# Versions are those of (requirements/\S+\.lock)", path.read_text(), re.MULTILINE)
    assert set(pins) <= locked(ROOT / lock)


# These packages are not installed here, so nothing here knows what they need.
@pytest.mark.parametrize(
    "path",
    [path for path in ENVIRONMENTS if path.stem not in ("server", "quality", OFFICIAL_CLIENT)],
    ids=lambda path: path.stem,
)
def test_an_environment_pins_all_that_its_packages_need(path: Path) -> None:
    pinned = {canonicalize_name(pin.split("==")[0]) for pin in pins_of(path)}
    for name in pinned:
        for requirement in map(Requirement, requires(name) or []):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                assert canonicalize_name(requirement.name) in pinned, f"{name}: run `make lock`"


@pytest.mark.parametrize(("round_", "loadgen"), OTHER_CLIENTS)
def test_the_client_of_another_round_differs_in_its_loadgen_alone(round_: str, loadgen: str) -> None:
    names = ("workflow", f"client-{round_}")
    ours, other = (locked(ROOT / "requirements" / f"{name}.lock") for name in names)
    assert other - ours == {f"mlcommons-loadgen=={loadgen}"}


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_a_lock_has_hashes_and_no_address(path: Path) -> None:
    text = path.read_text()
    assert "://" not in text
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert entries
    for entry in entries:
        assert "--hash=sha256:" in entry, entry.splitlines()[0]
        Requirement(entry.split("\\")[0].strip())


IMPORT_WITH_THESE_ALONE = """
import re, sys
from importlib.metadata import packages_distributions

owners, allowed = packages_distributions(), {"weighbridge", *sys.argv[1].split()}


class Gate:
    def find_spec(self, name, path=None, target=None):
        of = {re.sub(r"[-_.]+", "-", owner).lower() for owner in owners.get(name.partition(".")[0], [])}
        if of and not of & allowed:
            raise ModuleNotFoundError(f"{name} is of {of}, which the lock does not have")


sys.meta_path.insert(0, Gate())
for module in sys.argv[2:]:
    __import__(f"weighbridge.{module}")
"""

# Import what a command imports when it is called, in its body and in functions of the command line.
IMPORT_OF_COMMANDS = """
import ast, inspect, textwrap
import typer
from weighbridge import cli

for name in COMMANDS:
    callback = inspect.unwrap(typer.main.get_group(cli.app).commands[name].callback)
    used = [callback.__globals__.get(word) for word in callback.__code__.co_names]
    ours = [each for each in used if str(getattr(each, "__module__", "")).startswith("weighbridge.cli")]
    for function in (callback, *filter(inspect.isfunction, ours)):
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))):
            if not isinstance(node, (ast.Import, ast.ImportFrom)):
                continue
            if getattr(node, "module", None) not in ELSEWHERE:
                exec(compile(ast.Module([node], []), name, "exec"))
"""
# Imported later than a command's own imports, by what the round names.
OF_THE_BENCHMARKS = {
    "fetch": (
        *(f"qwen3_vl.{name}" for name in ("prompt", "synthetic", "task", "token_counter")),
        *(f"llama3_1_8b.{name}" for name in ("dataset", "id_counter", "prompt", "synthetic", "task")),
    ),
    "analysis": ("qwen3_vl.task", "llama3_1_8b.task"),
}
# What is imported while a command works: by a benchmark that scores, by what asks of a model's quality.
WHILE_WORKING = {
    "analysis": "from weighbridge.benchmarks.llama3_1_8b.rouge import compare_all; compare_all(['a'], ['a'])",
    "quality": """
from weighbridge.quality.harness_start import import_harness
import_harness()
""",
}


# Environments that rules name by a constant of common.smk.
BY_CONSTANT = {
    "CLIENT_ENVIRONMENT": "client-v6.0",
    "SERVER_ENVIRONMENT": "server",
    "QUALITY_ENVIRONMENT": "quality",
}
# Imported by a command only where its rule has another environment: endpoints are checked in the client's.
ELSEWHERE = {"server": {"weighbridge.run.preflight"}}
# What is installed nowhere else.
OWN_PYTHON = {"quality": ROOT / ".venv-quality" / "bin" / "python"}


def commands_by_environment() -> dict[str, set[str]]:
    """Read which commands the workflow's rules call in which environment."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "workflow" / "rules").glob("*.smk"):
        for rule in re.split(r"^ *rule \w+:\n", path.read_text(), flags=re.MULTILINE)[1:]:
            environment = re.search(r"conda:\s+(\S+)", rule)
            call = re.search(r"--log \S+ ([a-z-]+)", rule)
            if environment is not None and call is not None:
                name = BY_CONSTANT.get(environment[1], Path(environment[1].strip('"')).stem)
                found.setdefault(name, set()).add(call[1])
    return found


def test_the_rules_name_environments_and_commands() -> None:
    environments = {"fetch", "client-v6.0", "analysis", "server", "sweep", "quality"}
    assert commands_by_environment().keys() == environments
    assert {"run", "search-qps", "adopt-peak"} <= commands_by_environment()["client-v6.0"]


@pytest.mark.parametrize("environment", sorted(commands_by_environment()))
def test_an_environment_has_all_that_its_commands_import(environment: str) -> None:
    python = OWN_PYTHON.get(environment, Path(sys.executable))
    if not python.is_file():
        pytest.skip(f"there is no {python.relative_to(ROOT)}; make setup-{environment} makes it")
    pins = {pin.partition("==")[0] for pin in pins_of(ROOT / "envs" / f"{environment}.yaml")}
    modules = [f"benchmarks.{name}" for name in OF_THE_BENCHMARKS.get(environment, ())]
    code = f"COMMANDS = {sorted(commands_by_environment()[environment])}\n"
    code += f"ELSEWHERE = {ELSEWHERE.get(environment, set())}\n{IMPORT_OF_COMMANDS}"
    code += WHILE_WORKING.get(environment, "")
    command = [python, "-c", IMPORT_WITH_THESE_ALONE + code, " ".join(pins), *modules]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


OF_A_RUN = ("cli", "run.preflight", "run.execute")
OF_DRIVERS = {
    "client-v6.1": ("client.worker", "client.issuing_process", "loadgen.loadgen_process"),
    OFFICIAL_CLIENT: ("endpoints.dataset_rows", "endpoints.client_config"),
}


@pytest.mark.parametrize("client", OF_DRIVERS)
def test_the_client_of_another_round_has_all_that_a_run_imports(client: str) -> None:
    pinned = " ".join(pin.partition("==")[0] for pin in pins_of(ROOT / "envs" / f"{client}.yaml"))
    modules = (*OF_A_RUN, *OF_DRIVERS[client])
    command = [sys.executable, "-c", IMPORT_WITH_THESE_ALONE]
    for pins, works in ((pinned, True), (pinned.replace("psutil", ""), False)):
        done = subprocess.run([*command, pins, *modules], capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == works, done.stderr
