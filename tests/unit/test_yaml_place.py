"""Errors in YAML files of users name file, line and column."""

from pathlib import Path

import pytest

from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.sweep_files import read_sweep
from weighbridge.core.errors import InputError
from weighbridge.core.models import read_data
from weighbridge.core.yaml_place import Sources, place_of_value

BASE = "round: v6.0\nserver:\n  gpus: 8\n  args:\n    - --one\n    - --two\n"


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    below, above = tmp_path / "config.yaml", tmp_path / "mine.yaml"
    below.write_text(BASE)
    above.write_text("# mine\nserver: {gpus: 4}\nserver.gpus: 1\n")
    return [below, above]


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        (("server", "gpus"), "mine.yaml, line 2, column 10"),
        (("server", "args", 1), "config.yaml, line 6, column 7"),
        (("server", "replicas"), "mine.yaml, line 2, column 1"),
        (("round",), "config.yaml, line 1, column 1"),
        (("round", "float"), "config.yaml, line 1, column 1"),
    ],
)
def test_the_file_on_top_that_holds_the_value_is_named(
    files: list[Path], keys: tuple[str | int, ...], place: str
) -> None:
    assert place_of_value(Sources(tuple(files)), keys) == f"{files[0].parent}/{place}"


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        (("server", "gpuss"), "the command line"),
        (("server", "gpus"), "the command line"),
        (("server", "gpus", "int"), "the command line"),
        (("limit",), "the command line"),
        (("round",), "config.yaml, line 1, column 1"),
        (("server", "args", 1), "config.yaml, line 6, column 7"),
    ],
)
def test_what_the_command_line_sets_is_in_no_file(
    files: list[Path], keys: tuple[str | int, ...], place: str
) -> None:
    given = {"server": {"gpuss": 1, "gpus": "many"}, "limit": 0}
    assert (place_of_value(Sources(tuple(files), given), keys) or "").endswith(place)


def test_what_the_command_line_sets_in_a_list_is_in_no_file(files: list[Path]) -> None:
    sources = Sources(tuple(files), {"server": {"args": [["--x"]]}})
    assert place_of_value(sources, ("server", "args", 0)) == "the command line"


def test_what_no_file_holds_has_no_place(files: list[Path], tmp_path: Path) -> None:
    assert place_of_value(Sources(tuple(files)), ["limit"]) is None
    assert place_of_value(Sources(), ["round"]) is None
    (tmp_path / "broken.yaml").write_text("round: [")
    others = [tmp_path / "broken.yaml", tmp_path / "none.yaml", tmp_path / "run.json", tmp_path]
    assert place_of_value(Sources(tuple(others)), ["round"]) is None


def test_a_wrong_setting_is_named_by_its_place(tmp_path: Path) -> None:
    file = tmp_path / "client.yaml"
    file.write_text("workers: 2\nconnections:\n  many\n")
    with pytest.raises(InputError, match=r"client\.yaml, line 2, column 1: 'connections' is \"many\""):
        ClientSettings.read(file)
    with pytest.raises(InputError, match=r"^client: unknown key 'limits'"):
        ClientSettings.parse({"limits": 3}, "client", sources=Sources((file,)))


def test_a_sweep_and_a_syntax_error_are_named_by_their_place(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("systems:\n  A:\n    endpoint: [http://127.0.0.1:9]\nworkloads: {chat: {}}\n")
    with pytest.raises(InputError, match=r"x\.yaml, line \d+, column \d+: "):
        read_sweep(file)
    file.write_text("systems:\n  A: [1\nB: 2\n")
    with pytest.raises(InputError, match=r"x\.yaml: cannot be used \(not YAML: line 3, column 2: expected"):
        read_data(file)
