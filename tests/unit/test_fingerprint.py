"""A fingerprint holds what a job reads, the same text for the same meaning."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import create_model

from weighbridge.config.artifact_settings import Artifact
from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.fingerprint import (
    OPERATIONAL,
    ROOT_VARIABLE,
    VERSIONS,
    JobSettings,
    canonical,
    fingerprint,
    operational,
)
from weighbridge.config.quality_settings import MmluSettings
from weighbridge.config.server_settings import ServerSettings
from weighbridge.config.settings import SubmissionSettings, portable_settings
from weighbridge.core.errors import InputError
from weighbridge.core.models import Model

NAMES = st.text("abcdef", min_size=1, max_size=4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=10,
)
SECTIONS = st.dictionaries(NAMES, VALUES, max_size=5)


def reordered(value: Any) -> Any:
    """Turn every dictionary around."""
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    return [reordered(each) for each in value] if isinstance(value, list) else value


@given(SECTIONS)
def test_the_order_of_keys_changes_nothing(section: dict[str, Any]) -> None:
    assert fingerprint("requests", requests=section) == fingerprint("requests", requests=reordered(section))


@given(SECTIONS, NAMES, VALUES)
def test_a_changed_value_changes_it(section: dict[str, Any], name: str, value: Any) -> None:
    changed = section | {name: value}
    same = json.dumps(changed, sort_keys=True) == json.dumps(section, sort_keys=True)
    before, after = (fingerprint("requests", requests=each) for each in (section, changed))
    assert (before == after) == same


@given(st.dictionaries(NAMES, st.integers(), max_size=3), NAMES, st.integers())
def test_a_new_optional_field_changes_nothing_until_it_is_set(
    given_values: dict[str, int], new: str, default: int
) -> None:
    old_fields: dict[str, Any] = dict.fromkeys(given_values, (int, ...))
    before = create_model("Section", __base__=Model, **old_fields)
    after = create_model("Section", __base__=Model, **{new: (int, default)} | old_fields)
    old, same = before(**given_values), after(**given_values)
    assert fingerprint("fetch", section=old) == fingerprint("fetch", section=same)
    if new not in given_values:
        other = after(**given_values, **{new: default + 1})
        assert fingerprint("fetch", section=old) != fingerprint("fetch", section=other)


@pytest.mark.parametrize("stage", VERSIONS)
def test_a_raised_version_changes_its_stage_alone(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {name: fingerprint(name) for name in VERSIONS}
    monkeypatch.setitem(VERSIONS, stage, VERSIONS[stage] + 1)
    assert [name for name in VERSIONS if fingerprint(name) != before[name]] == [stage]


def test_what_no_result_depends_on_is_passed_beside_it() -> None:
    server = ServerSettings(model_name="m", args=("--a=1",), port=8000, gpus=8, startup_timeout_s=5)
    text = fingerprint("measurement", server=server)
    assert json.loads(text)["server"] == {"model_name": "m", "args": ["--a=1"]}
    assert JobSettings.of(text, server=operational("server", server)).server == server


def test_the_operational_settings_exist() -> None:
    models = {
        "server": ServerSettings,
        "client": ClientSettings,
        "submission": SubmissionSettings,
        "mmlu": MmluSettings,
        "artifact": Artifact,
    }
    for name, fields in OPERATIONAL.items():
        assert fields <= models[name].model_fields.keys()


def test_a_part_that_is_none_is_left_out() -> None:
    assert fingerprint("fetch", compared={"new": None}, target_qps=None) == fingerprint("fetch")


def test_no_path_of_the_checkout_is_in_it(root: Path) -> None:
    config = {
        "round": "demo",
        "artifacts": {
            "model": {"path": str(root / "demo" / "model"), "manifest": "demo/locks/demo-model.json"},
            "dataset": {"path": "/data/elsewhere", "manifest": "lock.json"},
            "prompt": str(root / "demo" / "prompt.json"),
        },
        "server": {"executable": str(root / ".venv-server/bin/vllm"), "model_name": "m"},
        "scenarios": {"offline": {"target_qps": 1}},
        "submission": {"submitter": "s", "system": "s"},
    }
    settings = portable_settings(config, root)
    assert str(root) not in canonical(settings)
    assert settings.artifacts.model.path == Path("demo/model")
    assert settings.artifacts.dataset.path == Path("/data/elsewhere")
    assert settings.server.executable == ".venv-server/bin/vllm"


def test_a_job_finds_its_paths_from_the_projects_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ROOT_VARIABLE, "/project")
    artifact = Artifact(path=Path("demo/model"), manifest=Path("/locks/model.json"))
    told = JobSettings.of(fingerprint("fetch", artifact=artifact)).artifact
    assert told == Artifact(path=Path("/project/demo/model"), manifest=Path("/locks/model.json"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"serverr": {}}', "unknown key 'serverr'"),
        ("[" * 99999, "cannot be used"),
        ("9" * 9999, "cannot be used"),
    ],
    ids=range(5),
)
def test_wrong_settings_are_refused(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        JobSettings.of(text)
