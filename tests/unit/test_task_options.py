"""What the adapters know of a server's options: complete for vLLM, found in every spelling, and no others."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.config.closed_rules import ServerFeature, TaskPart
from weighbridge.config.server_settings import ServerSettings
from weighbridge.core.errors import InputError, SetupError
from weighbridge.serving import vllm
from weighbridge.serving.arguments import check_arguments
from weighbridge.serving.installed_adapters import find_adapter
from weighbridge.serving.server_report import listed_options, unknown_options
from weighbridge.serving.spelling import option_set_by
from weighbridge.serving.task_changes import (
    check_task,
    quantising_argument,
    task_changes,
)

HERE = Path(__file__).parent
SERVER_PYTHON = HERE.parents[1] / ".venv-server" / "bin" / "python"
NEUTRAL: dict[str, list[str]] = yaml.safe_load(Path(vllm.__file__).with_name("vllm_options.yaml").read_text())
LIST = """
import json, sys
from vllm.entrypoints.openai.cli_args import make_arg_parser
from vllm.utils.argparse_utils import FlexibleArgumentParser
import vllm.envs
parser = make_arg_parser(FlexibleArgumentParser())
options = [action.option_strings for action in parser._actions]
understood = {}
for name in (name for names in options for name in names):
    for beginning in (name[:length] for length in range(2, len(name) + 1)):
        if beginning in parser._option_string_actions:
            understood[beginning] = beginning
        elif beginning != "--" and len(found := parser._get_option_tuples(beginning)) == 1:
            understood[beginning] = found[0][1]
reported = [action.dest for action in parser._actions]
variables = list(vllm.envs.environment_variables)
listing = {"options": options, "reported": reported, "variables": variables, "understood": understood}
with open(sys.argv[1], "w") as file:
    json.dump(listing, file)
"""


def listed_variables() -> set[str]:
    """Return every variable that vLLM's adapter names."""
    return {
        variable
        for known in (*vllm.task_options.values(), *vllm.switches.values())
        for variable in known.variables
    }


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the options and variables of the installed vLLM, and what its parser takes beginnings for."""
    if not SERVER_PYTHON.is_file():
        pytest.skip("vLLM is not installed in .venv-server")
    listing = tmp_path_factory.mktemp("vllm") / "listing.json"
    subprocess.run([SERVER_PYTHON, "-c", LIST, listing], check=True, capture_output=True)
    return dict(json.loads(listing.read_text()))


def test_vllms_parser_and_ours_understand_every_beginning_alike(found: dict[str, Any]) -> None:
    # Of a negation, such as --no-enable-lora, only those of caches are listed: the others are the default.
    listed = listed_options(vllm)
    wrong = [
        (spelled, option)
        for spelled, option in found["understood"].items()
        if (option in listed) != (option_set_by(f"{spelled}=1", listed) is not None)
    ]
    assert wrong == []


def test_no_option_or_variable_of_vllm_is_unknown(found: dict[str, Any]) -> None:
    # An option is known by any of its names: the others are negations and short forms.
    known = listed_options(vllm) | set(NEUTRAL["options"])
    assert [names for names in found["options"] if names and not known & set(names)] == []
    short = [name for names in found["options"] for name in names if not name.startswith("--")]
    assert set(short) <= known, "a short form that no list has could be passed unseen"
    assert set(found["variables"]) - listed_variables() - set(NEUTRAL["variables"]) == set()
    written = {name for names in found["options"] for name in names}
    assert set(NEUTRAL["options"]) <= written, "an option that vLLM no longer has"
    assert set(NEUTRAL["variables"]) <= set(found["variables"]), "a variable that vLLM no longer has"


def test_no_name_under_which_vllm_reports_an_option_is_unknown(found: dict[str, Any]) -> None:
    names = [f"--{dest.replace('_', '-')}" for dest in found["reported"]]
    assert unknown_options(vllm, [name for name in names if name != "--help"]) == ()


def test_an_option_of_a_later_release_is_unknown_where_an_adapter_knows_all() -> None:
    reported = ["--brand-new", "--max-model-len", "--generation-config", "--load-format", "--quantization"]
    assert unknown_options(vllm, reported) == ("--brand-new",)
    assert unknown_options(find_adapter("sglang"), reported) == ()


def test_no_neutral_option_is_taken_for_an_abbreviation() -> None:
    free = [option for option in NEUTRAL["options"] if option != "--load-format"]
    assert [option for option in free if option_set_by(f"{option}=1", listed_options(vllm))] == []
    assert option_set_by("--load-format=safetensors", vllm.task_options[TaskPart.MODEL].options) is None


def server(*args: str, **values: object) -> ServerSettings:
    return ServerSettings.parse({"model_name": "m", "args": args} | values, "server")


FIXED = [
    (adapter, part, option)
    for adapter in ("vllm", "sglang")
    for part, known in find_adapter(adapter).task_options.items()
    for option in known.options
]


@st.composite
def spellings(draw: st.DrawFn, option: str) -> str:
    """Draw a spelling of an option: shortened, with underscores, with a value or a key of its JSON value."""
    name, _, value = option.partition("=")
    if value:  # only this value matters, and abbreviations of the name
        return (
            f"{name.replace('-', '_').replace('__', '--', 1)}={draw(st.sampled_from([value, value.upper()]))}"
        )
    length = draw(st.integers(2 if name[1] != "-" else 3, len(name)))
    spelled = name[:2] + name[2:length].replace("-", draw(st.sampled_from("-_")))
    return spelled + draw(st.sampled_from(["", "=1", '={"a":1}', ".a=1", ".a_b.c=1", ".a+=1", ".a.b"]))


@given(fixed=st.sampled_from(FIXED), data=st.data())
def test_no_spelling_of_an_option_that_changes_the_task_passes(
    fixed: tuple[str, TaskPart, str], data: st.DataObject
) -> None:
    adapter, _, option = fixed
    chosen = server(data.draw(spellings(option)), adapter=adapter)
    with pytest.raises(InputError, match="and the closed division forbids that"):
        check_task(chosen, TaskPart, {})


@pytest.mark.parametrize(("adapter", "part", "option"), FIXED)
def test_an_option_is_free_where_its_part_is(adapter: str, part: TaskPart, option: str) -> None:
    chosen = server(option, adapter=adapter)
    assert [change.part for change in task_changes(chosen, (part,), {})] == [part]
    assert task_changes(chosen, (), {}) == ()


@pytest.mark.parametrize("adapter", ["vllm", "sglang"])
def test_variables_of_settings_and_environment_are_found(adapter: str) -> None:
    for part, known in find_adapter(adapter).task_options.items():
        for variable in known.variables:
            chosen = server(adapter=adapter, env={variable: "1"})
            with pytest.raises(
                InputError, match=rf"server\.env: {variable} is '1', which changes the {part}"
            ):
                check_task(chosen, (part,), {})
            with pytest.raises(InputError, match=rf"the environment: {variable} is '2'.*; unset {variable},"):
                check_task(server(adapter=adapter), (part,), {variable: "2"})


def test_servers_of_the_user_inherit_nothing() -> None:
    attached = server(endpoints=["http://localhost:8000"])
    environ = {"VLLM_PLUGINS": "mine", "VLLM_MM_INPUT_CACHE_GIB": "8"}
    assert task_changes(attached, TaskPart, environ) == ()
    check_arguments(attached, ServerFeature, environ)


def test_a_variable_that_wins_over_the_switch_of_the_media_cache_is_refused() -> None:
    variable = "VLLM_MM_INPUT_CACHE_GIB"
    with pytest.raises(InputError, match=f"environment has {variable}.*media-cache off; unset {variable}"):
        check_arguments(server(), ServerFeature, {variable: "8"})
    with pytest.raises(InputError, match=rf"server\.env sets {variable}"):
        check_arguments(server(env={variable: "8"}), ServerFeature)
    check_arguments(server(env={variable: "8"}), (ServerFeature.PREFIX_CACHING,), {variable: "8"})


def test_an_adapter_that_does_not_know_a_part_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm, "task_options", {})
    with pytest.raises(SetupError, match="the adapter for vLLM does not know what changes it"):
        task_changes(server(), (TaskPart.MEDIA,), {})


@pytest.mark.parametrize(
    "argument", ["--quantization=fp8", "-q=fp8", "-qfp8", "--quant=fp8", "--load_format=BitsAndBytes"]
)
def test_quantising_while_loading_is_found_in_every_spelling(argument: str) -> None:
    assert quantising_argument(server("--dtype=auto", argument)) == argument
    assert quantising_argument(server("--dtype=auto", "--kv-cache-dtype=fp8")) is None


def test_a_name_that_is_written_out_wins_over_abbreviations() -> None:
    options = ("--chat-template-content-format", "--chat-template", "-q")
    assert option_set_by("--chat_template=x", options) == "--chat-template"
    assert option_set_by("--chat", options) == "--chat-template-content-format"
    assert option_set_by("--quiet", options) is None
    assert option_set_by("--chat-template-other", options) is None
