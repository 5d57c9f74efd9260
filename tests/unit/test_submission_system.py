"""The system description: layers, gaps, and what the official checker would refuse."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from loadgen_files import record_values, small_round

from weighbridge.config.scenario_rules import Mode
from weighbridge.config.settings import SubmissionSettings
from weighbridge.core.errors import InputError
from weighbridge.records.notice import PLACEHOLDER, mark_of
from weighbridge.records.run_record import RunRecord
from weighbridge.submission.measurements import measurements
from weighbridge.submission.system_description import (
    SystemDescription,
    describe_system,
    required_fields,
    starting_description,
)
from weighbridge.system.detection import detect

DEMO, REAL = small_round(), small_round(submittable=True)
RECORD = RunRecord.parse(record_values(DEMO, "offline", Mode.PERFORMANCE), "run.json")
COMPLETE = {name: field.example for name, field in required_fields().items()}


def _describe(
    tmp_path: Path,
    stated: dict[str, Any] | None,
    submittable: bool = True,
    record: RunRecord = RECORD,
    **detected: str,
) -> SystemDescription:
    path = None
    if stated is not None:
        path = tmp_path / "system.yaml"
        path.write_text(yaml.safe_dump(stated))
    settings = SubmissionSettings(submitter="Me", system="box", system_description=path)
    return describe_system(
        settings=settings,
        round_=REAL if submittable else DEMO,
        record=record.model_copy(update={"system": detected}),
    )


def _stated(**changes: Any) -> dict[str, Any]:
    own = {name: value for name, value in COMPLETE.items() if name not in {"division", "submitter"}}
    return own | changes


def test_the_checker_asks_for_35_fields_of_which_26_must_not_be_empty() -> None:
    fields = required_fields()
    assert len(fields) == 35
    assert sum(not field.empty for field in fields.values()) == 26


def test_a_stated_value_replaces_a_detected_one_and_sources_are_listed(tmp_path: Path) -> None:
    description = _describe(tmp_path, _stated(cooling="liquid"), cooling="air", host_memory_capacity="24 GiB")
    assert description.values["cooling"] == "liquid"
    assert description.sources["cooling"] == "stated"
    assert description.values["submitter"] == "Me"
    assert description.sources["submitter"] == "settings"
    assert set(description.values) == set(required_fields())

    partial = {
        name: value for name, value in _stated().items() if name not in {"host_memory_capacity", "framework"}
    }
    description = _describe(tmp_path, partial, host_memory_capacity="24 GiB")
    assert (description.values["host_memory_capacity"], description.sources["host_memory_capacity"]) == (
        "24 GiB",
        "detected",
    )
    assert (description.values["framework"], description.sources["framework"]) == ("vllm 0.12.0", "run")


def test_all_gaps_are_listed_at_once_with_an_example_of_each(tmp_path: Path) -> None:
    stated = _stated(cooling=None, status="")
    with pytest.raises(InputError) as error:
        _describe(tmp_path, stated)
    assert "2 fields are not known" in str(error.value)
    assert "status: available" in str(error.value)
    assert "cooling: air-cooled" in str(error.value)


def test_a_count_that_the_machine_does_not_tell_is_a_gap(tmp_path: Path) -> None:
    stated = _stated(host_processors_per_node=None)
    with pytest.raises(InputError, match="1 fields are not known; state them, such as host_processors_per"):
        _describe(tmp_path, stated, host_processors_per_node="-")
    description = _describe(tmp_path, None, submittable=False, host_processors_per_node="-")
    assert description.values["host_processors_per_node"] == PLACEHOLDER


def test_a_demonstration_fills_its_gaps_visibly(tmp_path: Path) -> None:
    description = _describe(tmp_path, None, submittable=False)
    assert description.values["cooling"] == PLACEHOLDER
    assert description.sources["cooling"] == "placeholder"
    assert description.values["status"] == "rdi"
    assert description.values["hw_notes"] == description.values["sw_notes"] == mark_of(DEMO)
    fields = required_fields()
    assert all(description.values[name] for name, field in fields.items() if not field.empty)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"number_of_nodes": "two"}, "'number_of_nodes' is 'two'; write a whole number"),
        ({"accelerators_per_node": 1.5}, "'accelerators_per_node' is '1.5'"),
        ({"number_of_nodes": 0}, "'number_of_nodes' is '0'; write a whole number above 0"),
        ({"host_processors_per_node": "many"}, "'host_processors_per_node' is 'many', which is no count"),
        ({"sw_notes": 5}, "'sw_notes' is 5; write a text"),
        ({"status": "shipping"}, "'status' is 'shipping'; write one of available | preview | rdi"),
        ({"system_type": "Datacenter"}, "'system_type' is 'Datacenter'"),
        ({"is_network": "false"}, "'is_network' is present; remove it"),
        ({"submitter": "You"}, "'submitter' belongs into the configuration"),
        ({"cooling": ["air"]}, "must map field names to texts or numbers"),
    ],
)
def test_values_that_the_checker_refuses_or_crashes_on(
    tmp_path: Path, changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InputError) as error:
        _describe(tmp_path, _stated(**changes))
    assert complaint in str(error.value)


def test_no_accelerator_is_the_text_0_which_is_not_empty(tmp_path: Path) -> None:
    assert _describe(tmp_path, _stated(accelerators_per_node=0)).values["accelerators_per_node"] == "0"


def test_an_unreadable_description_is_an_input_error(tmp_path: Path) -> None:
    path = tmp_path / "system.yaml"
    settings = SubmissionSettings(submitter="Me", system="box", system_description=path)
    with pytest.raises(InputError, match="cannot be read"):
        describe_system(settings=settings, round_=REAL, record=RECORD)
    for text in ("cooling: [", "just a text"):
        path.write_text(text)
        with pytest.raises(InputError, match=r"system\.yaml"):
            describe_system(settings=settings, round_=REAL, record=RECORD)


def test_nothing_is_assumed_about_servers_that_the_submitter_runs(tmp_path: Path) -> None:
    server = RECORD.server.model_copy(update={"command": ()})
    stated = {
        name: value for name, value in _stated().items() if name not in {"framework", "number_of_nodes"}
    }
    with pytest.raises(InputError, match="2 fields are not known") as error:
        _describe(tmp_path, stated, record=RECORD.model_copy(update={"server": server}))
    assert "number_of_nodes" in str(error.value)
    assert "framework" in str(error.value)


def test_the_template_of_a_system_yaml_lists_what_is_not_detected() -> None:
    text = starting_description()
    to_state = yaml.safe_load(text)
    assert set(to_state.values()) == {None}
    assert to_state.keys().isdisjoint(detect())
    known = {*to_state, *detect(), "division", "submitter", "system_name", "framework"}
    assert required_fields().keys() <= known


def test_measurements_never_guess_how_weights_were_treated() -> None:
    with pytest.raises(InputError, match="weight_data_types: 'bf16'; weight_transformations: 'No'"):
        measurements({}, REAL, RECORD)
    stated = {"weight_data_types": "fp8", "weight_transformations": "quantisation", "retraining": "No"}
    values = measurements(stated, REAL, RECORD)
    assert values["weight_data_types"] == "fp8"
    assert "notes" not in values
    demo = measurements({}, DEMO, RECORD)
    assert demo["weight_data_types"] == PLACEHOLDER
    assert demo["notes"] == mark_of(DEMO)
