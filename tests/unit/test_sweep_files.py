"""Files of sweeps: read strictly, and laid over the configuration's server where they start one."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from weighbridge.config.sweep_files import read_sweep, sweep_names
from weighbridge.core.errors import InputError

ROOT = Path(__file__).parents[2]
SERVER = {
    "model_name": "demo",
    "executable": "bin/vllm",
    "gpus": 8,
    "args": ["--dtype=float32", "--max-model-len=512"],
    "golden": "golden.json",
}


def _written(folder: Path, **changes: Any) -> Path:
    data: dict[str, Any] = {"systems": {"A": {}}, "workloads": [{"name": "w"}], "levels": {"closed": [1]}}
    path = folder / "two.yaml"
    path.write_text(yaml.safe_dump(data | changes))
    return path


def test_a_folder_has_a_sweep_for_each_file(tmp_path: Path) -> None:
    _written(tmp_path)
    (tmp_path / "notes.md").touch()
    assert sweep_names(tmp_path) == ("two",)
    assert sweep_names(tmp_path / "missing") == ()


def test_a_started_system_is_the_configurations_with_its_own_keys_and_arguments(tmp_path: Path) -> None:
    own = {"server": {"args": ["--max-model-len=2048", "--enable-prefix-caching"], "gpus": 4}}
    settings = read_sweep(_written(tmp_path, systems={"A": own, "B": {}}), server=SERVER)
    server = settings.systems["A"].server
    assert settings.name == "two"
    assert server.args == ("--dtype=float32", "--max-model-len=2048", "--enable-prefix-caching")
    assert (server.executable, server.gpus, server.golden) == ("bin/vllm", 4, None)
    assert settings.systems["B"].server.args == ("--dtype=float32", "--max-model-len=512")


def test_a_system_with_endpoints_or_a_command_has_nothing_of_the_configurations_server(
    tmp_path: Path,
) -> None:
    systems = {
        "A": {"server": {"endpoints": ["http://h:1"], "model_name": "m"}},
        "B": {"command": ["start", "{port}"]},
    }
    settings = read_sweep(_written(tmp_path, systems=systems), server=SERVER)
    assert (settings.systems["A"].server.model_name, settings.systems["A"].server.args) == ("m", ())
    assert (settings.systems["B"].server.model_name, settings.systems["B"].server.args) == ("demo", ())


@pytest.mark.parametrize(
    "changes",
    [
        {"systems": {}},
        {"systems": {"A": 7}},
        {"systems": {"A": {"server": []}}},
        {"levels": {}},
        {"levels": {"poisson": [1e-5]}},
        {"blcoks": 4},
        {"systems": {"A": {"server": {"endpoints": ["http://user:secret-word@h:1"], "model_name": "m"}}}},
        {"systems": {"A": {"server": {"env": {"MY_API_KEY": "secret-word"}}}}},
        {"systems": {"A": {"server": {"args": ["--api-key=secret-word"]}}}},
        {"systems": {"A": {"command": ["serve", "--api-key", "secret-word"]}}},
        {"systems": {"A": {"reset_cmd": ["reset", "--token=secret-word"]}}},
        {"systems": {"A-A": {"server": {"endpoints": ["http://h:1"], "model_name": "m"}}}},
    ],
)
def test_a_wrong_file_is_one_sentence_with_its_path(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = _written(tmp_path, **changes)
    with pytest.raises(InputError) as error:
        read_sweep(path, server=SERVER)
    assert str(error.value).startswith(str(path))
    assert "secret-word" not in str(error.value)


def test_what_is_no_mapping_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text("[1, 2]")
    with pytest.raises(InputError, match="no mapping"):
        read_sweep(tmp_path / "list.yaml")


@pytest.mark.parametrize("path", sorted((ROOT / "sweeps").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_sweeps_of_the_project_can_be_read(path: Path) -> None:
    settings = read_sweep(path, server=SERVER, context={"root": ROOT})
    assert len(settings.measured) >= 2
