"""From the options of `bench` to a sweep's settings."""

from pathlib import Path
from typing import Any

import pytest

from weighbridge.cli import bench_settings as bench
from weighbridge.cli.measured_sweep import set_aside
from weighbridge.config.written_forms import parse_systems
from weighbridge.core.errors import InputError


def _settings(*systems: str, **sweep: Any) -> bench.SweepSettings:
    written = parse_systems(systems or ["A=http://h:1", "B=http://h:2"])
    compared = bench.systems_of(written, bench.SystemOptions(model="m"), {})
    workload = bench.workload_of(bench.WorkloadOptions(), None)
    return bench.settings_of(compared, [workload], bench.SweepOptions(**sweep))


def test_the_defaults_are_a_short_comparison_at_one_load() -> None:
    settings = _settings()
    assert [level.name for level in settings.levels.all] == ["closed-8"]
    assert (settings.blocks, settings.duration_s, settings.aa, settings.reference) == (4, 15, False, "A")
    assert settings.equivalence == 0.05
    [workload] = settings.workloads
    assert (workload.output_tokens.fixed, workload.source.images, workload.turns.fixed) == (120, None, 1)


def test_one_system_is_also_measured_with_one_conversation_at_a_time() -> None:
    assert [level.name for level in _settings("http://h:1").levels.all] == ["closed-1", "closed-8"]


def test_the_folder_is_another_one_where_anything_that_is_measured_is_another() -> None:
    folders = {
        bench.default_folder(settings)
        for settings in (_settings(), _settings(), _settings(seconds=30), _settings("A=http://h:1"))
    }
    assert len(folders) == 3
    assert all(str(folder).startswith("bench-") and len(str(folder)) == 14 for folder in folders)


def test_more_blocks_another_margin_and_a_price_are_of_the_same_folder() -> None:
    settings = _settings()
    priced = settings.systems["B"].model_copy(update={"price_per_hour": 2.0})
    same = settings.model_copy(update={"equivalence": 0.02, "systems": {**settings.systems, "B": priced}})
    folders = {bench.default_folder(each) for each in (settings, _settings(blocks=6), same)}
    assert len(folders) == 1


def test_a_workload_is_what_its_options_say(tmp_path: Path) -> None:
    (tmp_path / "docvqa.jsonl").touch()
    options = bench.WorkloadOptions(
        dataset=tmp_path / "docvqa.jsonl",
        image_folder=tmp_path,
        images="2..4",
        output="56..184",
        turns="3",
        think="exponential:2",
        history="live",
        shared_prefix="512:0.5",
        force_length="none",
        seed=7,
        stream=False,
    )
    workload = bench.workload_of(options, "e2e:4000")
    assert workload.name == "docvqa"
    assert workload.source.images is not None
    assert (workload.source.text.kind, workload.source.images.kind) == ("internvl-jsonl", "folder")
    assert workload.images_per_turn.first.uniform == (2, 4)
    assert workload.output_tokens.uniform == (56, 184)
    assert workload.turns.fixed == 3
    assert workload.think_time_s.exponential is not None
    assert workload.shared_prefix is not None
    assert (workload.history, workload.force_length, workload.seed, workload.stream) == (
        "live",
        "none",
        7,
        False,
    )
    assert workload.slo.e2e_ms == 4000


def test_options_are_laid_over_a_named_workload(tmp_path: Path) -> None:
    data = tmp_path / "mine.jsonl"
    data.touch()
    options = bench.WorkloadOptions(dataset=data, image_folder=tmp_path, output="5", turns="3")
    workload = bench.workload_of(options, "ttft:500", "dashinfer-as-run")
    assert workload.name == "dashinfer-as-run"
    assert (workload.source.text.path, workload.source.text.pairing) == (data, "independent")
    assert workload.source.images is not None
    assert (workload.source.images.path, workload.source.images.max_pixels) == (tmp_path, 802_816)
    assert (workload.output_tokens.fixed, workload.turns.fixed, workload.slo.ttft_ms) == (5, 3, 500)
    with pytest.raises(InputError, match=r"docvqa_train_10k.jsonl is no file"):
        bench.workload_of(bench.WorkloadOptions(), None, "dashinfer-as-run")
    with pytest.raises(InputError, match="no-such"):
        bench.workload_of(bench.WorkloadOptions(), None, "no-such")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"output": "many"}, "--output"),
        ({"dataset": Path("/no/such.jsonl")}, "--dataset: /no/such.jsonl is no file"),
        ({"image_folder": Path("/no/such")}, "--image-folder: /no/such is no folder"),
        ({"tokenizer": Path("/no/such")}, "--tokenizer: /no/such is no file or folder"),
        ({"image_pixels": "1000"}, "--image-pixels needs --images"),
        ({"image_folder": Path(), "image_pixels": "1000"}, "remove --image-pixels"),
        ({"dataset": Path(__file__), "prompt_tokens": "5"}, "remove --prompt-tokens"),
        ({"api": "completions", "turns": "3"}, "has no images and one turn"),
        ({"force_length": "strictly"}, "force_length"),
        ({"seed": -1}, "seed"),
    ],
)
def test_options_that_no_workload_can_have_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError) as error:
        bench.workload_of(bench.WorkloadOptions(**options), None)
    assert sentence in str(error.value)


def test_options_of_systems_hold_for_all_or_for_one() -> None:
    written = parse_systems(["A=http://h:1", "B=http://h:2#other"])
    options = bench.SystemOptions(
        api_key_env=["KEY"], reset_cmd=["B=curl -X POST 'http://h:2/reset all'"], price=["A=2.5"]
    )
    systems = bench.systems_of(written, options, {"A": "served"})
    assert [system.server.model_name for system in systems.values()] == ["served", "other"]
    assert [system.api_key_env for system in systems.values()] == ["KEY", "KEY"]
    assert systems["B"].reset_cmd == ("curl", "-X", "POST", "http://h:2/reset all")
    assert (systems["A"].price_per_hour, systems["B"].price_per_hour) == (2.5, None)


@pytest.mark.parametrize(
    ("system", "options"),
    [
        ("A=http://user:pass@h:1", {}),
        ("A=http://h:0", {}),
        ("A=http://h:1", {"price": ["cheap"]}),
        ("A=http://h:1", {"price": ["-1"]}),
        ("A=http://h:1", {"api_key_env": ["sk-secret of mine"]}),
    ],
)
def test_systems_that_cannot_be_are_refused(system: str, options: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        bench.systems_of(parse_systems([system]), bench.SystemOptions(model="m", **options), {})


@pytest.mark.parametrize("sweep", [{"blocks": 0}, {"seconds": 0}, {"levels": "x"}, {"equivalence": "2"}])
def test_a_sweep_that_cannot_be_is_refused(sweep: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        _settings(**sweep)


def test_images_are_laid_over_a_workload_that_has_none() -> None:
    workload = bench.workload_of(bench.WorkloadOptions(images="2", reuse=True), None, "chat")
    assert workload.source.images is not None
    assert (workload.source.images.kind, workload.images_per_turn.first.fixed) == ("synthetic", 2)
    assert workload.image_reuse == "allowed"


def test_a_command_with_an_open_quote_is_one_sentence() -> None:
    written = parse_systems(["http://h:1"])
    with pytest.raises(InputError, match="--reset-cmd: 'false \"' is no command"):
        bench.systems_of(written, bench.SystemOptions(model="m", reset_cmd=('false "',)), {})


def test_only_an_earlier_result_is_moved_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    assert set_aside(folder) is None
    (folder / "settings.json").touch()
    monkeypatch.chdir(folder)
    with pytest.raises(InputError, match="--again moves the earlier result, not the working folder"):
        set_aside(Path())
    monkeypatch.chdir(tmp_path)
    aside = set_aside(Path("mine"))
    assert aside is not None
    assert (aside / "settings.json").is_file()
    assert not folder.exists()
