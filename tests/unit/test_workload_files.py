"""Workloads by name, by file and in a sweep; their JSON Schemas."""

import re
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from weighbridge.config.distributions import Distribution
from weighbridge.config.file_schemas import file_schemas
from weighbridge.config.sweep_settings import SweepSettings
from weighbridge.config.workload import Workload
from weighbridge.config.workload_files import WrittenWorkload, preset_names, resolve_workload
from weighbridge.core.errors import InputError


def test_the_schemas_are_those_of_the_models(root: Path) -> None:
    for name, text in file_schemas().items():
        assert (root / "src" / "weighbridge" / "schemas" / name).read_text() == text, "run `make schema`"


def test_a_workload_with_a_secret_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    path.write_text("name: w\nimage_transport: http\nimage_url: http://user:secret-word@h/\n")
    with pytest.raises(InputError, match="'image_url' holds what looks like a secret") as error:
        resolve_workload(str(path))
    assert "secret-word" not in str(error.value)


def test_every_preset_is_a_workload_of_its_own_name(tmp_path: Path) -> None:
    assert preset_names() == ("chat", "dashinfer-as-documented", "dashinfer-as-run")
    for name in preset_names():
        assert resolve_workload(name).name == name
    run, documented = (
        resolve_workload(f"dashinfer-as-{form}", root=tmp_path) for form in ("run", "documented")
    )
    assert run.images_per_turn.first.fixed == 3
    assert run.output_tokens.uniform == (88, 152)
    assert documented.images_per_turn.first.uniform == (2, 4)
    assert documented.output_tokens.uniform == (56, 184)
    assert run.sampling == documented.sampling
    assert run.sampling.model_dump(exclude_none=True) == {
        "temperature": 0.1,
        "top_p": 0.01,
        "frequency_penalty": 1.05,
    }
    assert run.source.text.path is not None
    assert run.source.text.path.is_relative_to(tmp_path)


def test_values_are_laid_over_a_preset() -> None:
    given = resolve_workload(
        "dashinfer-as-run",
        {"turns": 3, "source": {"images": {"path": "mine"}}, "output_tokens": {"const": 7}},
    )
    assert given.turns.fixed == 3
    assert given.output_tokens.fixed == 7
    assert given.source.images is not None
    assert given.source.images.path == Path("mine")
    assert given.source.images.max_pixels == 802_816
    assert given.source.text.pairing == "independent"
    other = resolve_workload("dashinfer-as-run", {"source": {"text": {"kind": "synthetic"}}})
    assert other.source.text.path is None


def test_a_file_is_read_from_the_root(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("{name: mine, source: {text: {kind: internvl-jsonl, path: a.jsonl}}}")
    given = resolve_workload("mine.yaml", root=tmp_path)
    assert given.source.text.path == tmp_path / "a.jsonl"
    with pytest.raises(InputError, match=r"neither a file nor one of the workloads chat, dashinfer"):
        resolve_workload("chatt")
    with pytest.raises(InputError, match=r"unknown key 'turn'"):
        resolve_workload("mine.yaml", {"turn": 3}, root=tmp_path)


def test_a_sweep_names_workloads_in_three_ways(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("name: mine\n")
    text = """
    name: s
    systems: {A: {server: {endpoints: ["http://h:1"], model_name: m}}}
    levels: {closed: [1]}
    workloads: [chat, mine.yaml, {name: inline, turns: 2}, {like: chat, name: chat-3, turns: 3}]
    """
    found = SweepSettings.parse(yaml.safe_load(text), "test", context={"root": tmp_path}).workloads
    assert [each.name for each in found] == ["chat", "mine", "inline", "chat-3"]
    assert [each.turns.fixed for each in found] == [1, 1, 2, 3]
    assert found[3].output_tokens.fixed == 120
    data = yaml.safe_load(text) | {"workloads": ["nothing"]}
    with pytest.raises(InputError, match=r"'workloads.0' is .*nothing.*neither a file"):
        SweepSettings.parse(data, "test")


@pytest.mark.parametrize(
    "form",
    [
        {"choice": {"10": 3, "20.5": 1}, "max": 15},
        {"choice": [1, 2]},
        {"lognormal": {"median": 5, "sigma": 1}, "min": 1},
        {"empirical": "seen.txt"},
        7,
    ],
)
def test_a_workload_is_the_same_after_it_was_written(form: object) -> None:
    given = Workload.parse({"name": "w", "turns": form, "shared_prefix": {"tokens": 9}}, "test")
    assert Workload.parse_json(given.model_dump_json(), "test") == given


def test_the_examples_of_the_page_are_valid(root: Path) -> None:
    page = (root / "docs" / "workloads.md").read_text()
    listed, file = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    given = Workload.parse(yaml.safe_load(file), "the page")
    assert given.think_time_s.max == 20
    for each in yaml.safe_load(listed)["workloads"][2:]:
        TypeAdapter(WrittenWorkload).validate_python(each)
    for form in re.findall(r"^\| `120` or `(.*?)`|^\| `({\w.*?})`", page, re.MULTILINE):
        Distribution.parse(yaml.safe_load("".join(form)), "the page")
