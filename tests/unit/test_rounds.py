"""Rounds as data: rounds that extend others, categories, and the seeds that LoadGen contains."""

from pathlib import Path

import pytest

from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.request_settings import RequestSettings, Sampling
from weighbridge.config.round_settings import requests_of_round
from weighbridge.core.errors import InputError
from weighbridge.loadgen.loadgen_settings import carried_seeds

ROUNDS = Path(__file__).parents[2] / "src" / "weighbridge" / "benchmarks" / "qwen3_vl" / "rounds"
V60, V61 = load_round("v6.0"), load_round("v6.1")


def test_v61_differs_from_v60_in_what_the_round_announced() -> None:
    assert V61.loadgen_rules.seeds != V60.loadgen_rules.seeds
    assert set(V61.loadgen_rules.versions).isdisjoint(V60.loadgen_rules.versions)
    assert (V61.scenarios, V61.metrics, V61.samples) == (V60.scenarios, V60.metrics, V60.samples)
    assert (V60.max_tokens, V61.max_tokens) == (None, 150)


@pytest.mark.parametrize(("rehearsal", "real"), [("rehearsal", V60), ("rehearsal-v6.1", V61)])
def test_a_rehearsal_keeps_every_constant_of_its_round(rehearsal: str, real: object) -> None:
    round_ = load_round(rehearsal)
    assert round_.simulated
    assert not round_.submittable
    changed = {"name", "submittable", "simulated", "prompt"}
    assert round_.model_dump(exclude=changed) == real.model_dump(exclude=changed)  # type: ignore[attr-defined]


def test_the_installed_loadgen_has_the_rounds_seeds() -> None:
    assert carried_seeds(V60.loadgen_rules.model) == V60.loadgen_rules.seeds


def test_a_round_may_extend_another_by_name_from_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("extends: v6.0\nname: mine\nscenarios: {server: {min_duration_s: 5}}\n")
    mine = load_round(str(path))
    assert mine.scenarios["server"].min_duration_s == 5
    assert mine.scenarios["server"].limits == V60.scenarios["server"].limits
    assert mine.scenarios["offline"] == V60.scenarios["offline"]
    path.write_text(f"extends: {path}\n")
    with pytest.raises(InputError, match="extends itself"):
        load_round(str(path))


def test_a_category_is_chosen_in_addition_to_the_round(tmp_path: Path) -> None:
    folder = tmp_path / "a@b"  # the character may be a folder's
    folder.mkdir()
    path = folder / "round.yaml"
    path.write_text(
        "extends: demo\nname: two\ncategories:\n  datacenter: {}\n"
        "  edge:\n    samples: 7\n    scenarios: {offline: {min_query_count: 7}}\n"
    )
    edge = load_round(f"{path}@edge")
    assert (edge.category, edge.samples, [*edge.scenarios]) == ("edge", 7, ["offline"])
    assert edge == load_round(str(path), "edge")
    assert load_round(f"{path}@datacenter").samples == 512
    with pytest.raises(InputError, match="no category is chosen; its categories are: datacenter, edge"):
        load_round(str(path))
    with pytest.raises(InputError, match="no category 'cloud'"):
        load_round(f"{path}@cloud")


def test_the_answers_limit_is_the_rounds() -> None:
    unset, short = RequestSettings(), RequestSettings(sampling=Sampling(max_tokens=20))
    assert requests_of_round(unset, V60).sampling.max_tokens is None
    assert requests_of_round(unset, V61).sampling.max_tokens == 150
    for round_ in (V60, V61):
        with pytest.raises(InputError, match="max_tokens is 20"):
            requests_of_round(short, round_)
    demonstration = V60.model_copy(update={"submittable": False})
    assert requests_of_round(short, demonstration).sampling.max_tokens == 20
