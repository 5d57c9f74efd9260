"""What asks a system of a sweep anew, and what does not."""

from pathlib import Path
from typing import Any

import pytest
from compared_quality import comparison_with_quality
from quality_files import MADE_UP, write_quality
from sweep_cells import SyntheticSweep, sweep_settings

from weighbridge.config.sweep_settings import SweepSettings
from weighbridge.core.errors import InputError
from weighbridge.core.files import sha256_of
from weighbridge.quality.sweep_quality import SweepQuality, with_quality
from weighbridge.quality.write_scores import write_scores
from weighbridge.records.asked_system import ASKED, AskedSystem, quality_folder
from weighbridge.records.quality_answers import MEASURED, QuestionSource
from weighbridge.sweep.cell_key import identities_of
from weighbridge.sweep.compare_blocks import compare_cells
from weighbridge.sweep.quality_key import asked_of, is_given_model, quality_key

COMMAND = {"command": ["serve", "{port}"], "server": {"model_name": "m"}}
SYSTEMS = {
    "A": {"server": {"model_name": "m"}},
    "B": {"server": {"endpoints": ["http://127.0.0.1:1"], "model_name": "m"}},
    "C": COMMAND,
    "D": COMMAND | {"command": ["serve", "{port}", "--model={model}"]},
}
DESCRIBED: dict[str, Any] = {
    "name": "s",
    "systems": SYSTEMS,
    "workloads": [{"name": "w"}],
    "levels": {"closed": [1]},
    "quality": {"mmlu": {"dataset": {"synthetic": 5}}},
}


def _settings(**changes: Any) -> SweepSettings:
    return SweepSettings.parse(DESCRIBED | changes, "test")


def _model(folder: Path, content: str) -> Path:
    folder.mkdir()
    (folder / "weights").write_text(content)
    return folder


def _mmlu(**changes: Any) -> dict[str, Any]:
    return {"mmlu": DESCRIBED["quality"]["mmlu"] | changes}


@pytest.mark.parametrize(
    ("changes", "anew"),
    [
        ({"blocks": 8, "levels": {"closed": [1, 2]}, "duration_s": 5}, False),
        ({"quality_equivalence": 0.02}, False),
        ({"quality": _mmlu(concurrency=4, retries=9, timeout_s=5, floor=0.5)}, False),
        ({"quality": _mmlu(shots=3)}, True),
        ({"quality": _mmlu(limit=2)}, True),
        ({"quality": _mmlu(dataset={"synthetic": 6})}, True),
        ({"systems": SYSTEMS | {"A": {"server": {"model_name": "m", "args": ["--x"]}}}}, True),
        ({"systems": SYSTEMS | {"B": {"server": {"model_name": "other"}}}}, False),
    ],
)
def test_a_system_is_asked_anew_if_it_or_its_questions_change(changes: dict[str, Any], anew: bool) -> None:
    old, new = _settings(), _settings(**changes)
    assert (quality_key(old, "A", None) != quality_key(new, "A", None)) == anew


def test_another_model_matters_to_what_serves_it(tmp_path: Path) -> None:
    settings = _settings()
    models = [_model(tmp_path / name, name) for name in ("one", "two")]
    for name, system in settings.systems.items():
        keys = {quality_key(settings, name, model) for model in models}
        assert (len(keys) == 2) == is_given_model(system)
    assert [name for name, system in settings.systems.items() if is_given_model(system)] == ["A", "D"]


def test_questions_are_no_part_of_what_speeds_depend_on() -> None:
    asking, silent = _settings(quality_equivalence=0.02), _settings(quality=None)
    assert identities_of(asking, None) == identities_of(silent, None)
    assert asking.without_quality() == silent
    with pytest.raises(InputError, match="asks no questions; add `quality"):
        asked_of(silent, "A")


def _answered(folder: Path, settings: SweepSettings, name: str) -> None:
    """Write what a system has answered, as if it had been asked what is asked now."""
    place = quality_folder(folder, name)
    write_quality(
        place, dict.fromkeys(MADE_UP, 0.5), source=QuestionSource(name="synthetic", digest="e" * 64)
    )
    write_scores(place, None)
    told = AskedSystem(key=quality_key(settings, name, None), measured=sha256_of(place / MEASURED))
    (place / ASKED).write_text(told.model_dump_json())


def test_systems_are_compared_with_the_baseline_alone(tmp_path: Path) -> None:
    settings = _settings()
    sweep = SweepQuality(settings, tmp_path, None)
    assert sweep.compared() is None
    for name in ("B", "C"):
        _answered(tmp_path, settings, name)
    without = sweep.compared()
    assert without is not None
    assert ([*without.systems], without.rows) == (["B", "C"], ())
    assert sweep.missing([*SYSTEMS]) == ["A", "D"]
    _answered(tmp_path, settings, "A")
    compared = sweep.compared()
    assert compared is not None
    assert compared.baseline == "A"
    assert [row.system for row in compared.rows] == ["B", "C"]
    assert SweepQuality(_settings(quality=_mmlu(shots=2)), tmp_path, None).compared() is None


def test_what_was_not_answered_yet_is_a_warning(tmp_path: Path) -> None:
    sweep = SyntheticSweep(sweep_settings(2))
    speed = compare_cells(sweep.settings, sweep.plan, sweep.cells())
    assert with_quality(speed, SweepQuality(sweep.settings, tmp_path, None)) is speed
    asking = sweep.settings.model_copy(update={"quality": _settings().quality})
    found = with_quality(speed, SweepQuality(asking, tmp_path, None))
    assert found.quality is None
    assert found.warnings[-1].startswith("A, B did not answer the questions of the sweep's file yet")
    assert comparison_with_quality(found, {}) == found
