"""Rounds as data: rounds that extend others, categories, and the seeds that LoadGen contains."""

import json
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest

from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.conf_overlay import ConfOverlay
from weighbridge.config.request_settings import RequestSettings, Sampling
from weighbridge.config.round import Round
from weighbridge.config.round_settings import requests_of_round
from weighbridge.config.server_settings import ServerSettings
from weighbridge.core.errors import InputError
from weighbridge.loadgen.loadgen_settings import carried_seeds

ROUNDS = Path(__file__).parents[2] / "src" / "weighbridge" / "benchmarks" / "qwen3_vl" / "rounds"
V60, V61 = load_round("v6.0"), load_round("v6.1")


def test_v61_differs_from_v60_in_what_the_round_announced() -> None:
    assert V61.loadgen_rules.seeds != V60.loadgen_rules.seeds
    assert set(V61.loadgen_rules.versions).isdisjoint(V60.loadgen_rules.versions)
    assert (V61.metrics, V61.samples) == (V60.metrics, V60.samples)
    for name, rules in V60.scenarios.items():
        assert V61.scenarios[name].model_dump(exclude={"required"}) == rules.model_dump(exclude={"required"})
    assert (V60.max_tokens, V61.max_tokens) == (None, 150)


def test_v61_needs_offline_and_one_of_server_and_interactive() -> None:
    assert V61.one_of == ("Server", "Interactive")
    assert V61.missing_folders(["Offline", "Server"]) == ()
    assert V61.missing_folders(["Offline", "Interactive"]) == ()
    assert V61.missing_folders(["Offline"]) == ("one of Server and Interactive",)
    assert V61.missing_folders(["Interactive"]) == ("Offline",)
    assert V60.missing_folders(["Offline", "Interactive"]) == ("Server",)
    assert V60.missing_folders(["offline", "server"]) == ()


def test_v61_is_withdrawn_with_the_hashes_of_both_prompts() -> None:
    assert (V61.submittable, V61.held_to_rules) == (False, True)
    assert V61.not_submittable_because == V61.withdrawn
    assert "mlcommons/endpoints at ea332753" in str(V61.withdrawn)
    assert "2ff8c5d5 instead of 0d1878a7" in str(V61.withdrawn)
    assert V61.prompt["system"].startswith("0d1878a7")
    rehearsal = load_round("rehearsal-v6.1")
    assert (rehearsal.withdrawn, rehearsal.not_submittable_because) == (None, None)
    assert (rehearsal.submittable, rehearsal.simulated, rehearsal.held_to_rules) == (False, True, False)
    claimed = Round.parse(V60.model_dump() | {"withdrawn": "they are wrong"}, "a round")
    assert (claimed.submittable, claimed.not_submittable_because) == (False, "they are wrong")


_JOBS = (
    ("measurement", "offline", "performance"),
    ("measurement", "server", "accuracy"),
    ("search", "server", None),
)


def test_a_round_made_from_a_withdrawn_one_is_as_it_was_and_gives_both_reasons(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("extends: v6.1\nmax_tokens: 200\n")
    mine = load_round(str(path))
    assert (mine.submittable, mine.held_to_rules) == (False, False)
    assert "is not pinned by this release" in str(mine.not_submittable_because)
    assert "2ff8c5d5 instead of 0d1878a7" in str(mine.not_submittable_because)
    compared = json.loads(_measurement(str(path), *_JOBS[0]))["compared"]["round"]
    assert compared["submittable"] is False  # as before the round was withdrawn
    path.write_text("extends: v6.1\nwithdrawn: null\n")
    assert not load_round(str(path)).submittable
    path.write_text("extends: v6.1\n")
    assert load_round(str(path)).held_to_rules  # the same constants from elsewhere are the same round


def _measurement(name: str, stage: str, scenario: str, run: str | None) -> str:
    """Return the fingerprint of a measurement, as the workflow writes it."""
    path = Path(__file__).parents[2] / "workflow" / "rules" / "fingerprints.smk"
    settings = SimpleNamespace(server=ServerSettings(model_name="m"), client=ClientSettings())
    names = {
        "SETTINGS": settings,
        "ROUND": load_round(name),
        "ASKED": dict.fromkeys(("offline", "server"), SimpleNamespace(overlay=ConfOverlay())),
        "SERVER_ENVIRONMENT": "server.yaml",
        "CLIENT_ENVIRONMENT": "client.yaml",
        "pinned": lambda *_: "1.2.3",
        "workflow": SimpleNamespace(deployment_settings=SimpleNamespace(deployment_method=set())),
    }
    exec(compile(path.read_text(), path, "exec"), names)
    written: str = names["measurement"](stage, scenario, run, target_qps=5.0)  # type: ignore[operator]
    return written


# sha256 of the fingerprints that were written before v6.1 was withdrawn, computed with that code.
_MEASURED_BEFORE = {
    "v6.0": [
        "ea6d2f5efc8ac286",
        "9affd90c369b2821",
        "629d1560e66949c2",
    ],
    "v6.1": [
        "760a1c22d05bce02",
        "ae494af8f264f4da",
        "109a13d15c1106b1",
    ],
    "rehearsal-v6.1": [
        "ed8b2a2ff6b7ddee",
        "a9bc165acce3bec7",
        "f15b1478625e55cf",
    ],
    "demo": [
        "7ae3c251bf4d5369",
        "3ed8e9e705d09151",
        "88df55da72517edd",
    ],
}


@pytest.mark.parametrize("name", _MEASURED_BEFORE)
def test_no_finished_run_of_a_round_is_measured_again_because_it_was_withdrawn(name: str) -> None:
    found = [sha256(_measurement(name, *job).encode()).hexdigest()[:16] for job in _JOBS]
    assert found == _MEASURED_BEFORE[name]


@pytest.mark.parametrize(("rehearsal", "real"), [("rehearsal", V60), ("rehearsal-v6.1", V61)])
def test_a_rehearsal_keeps_every_constant_of_its_round(rehearsal: str, real: object) -> None:
    round_ = load_round(rehearsal)
    assert round_.simulated
    assert not round_.submittable
    inputs = {"model", "dataset"}  # synthetic ones
    changed: dict[str, object] = dict.fromkeys(
        ("name", "submittable", "not_submittable_because", "withdrawn", "simulated", "prompt"), True
    )
    changed["closed"] = inputs
    assert round_.closed.model is None
    assert round_.closed.dataset is None
    assert round_.model_dump(exclude=changed) == real.model_dump(exclude=changed)  # type: ignore[attr-defined]


def test_the_rehearsal_with_the_official_client_keeps_every_constant_of_its_round() -> None:
    real, rehearsal = load_round("v6.1-endpoints"), load_round("rehearsal-v6.1-endpoints")
    assert rehearsal.simulated
    changed: dict[str, object] = dict.fromkeys(("name", "submittable", "simulated"), True)
    changed["closed"] = {"model", "dataset"}  # synthetic ones
    changed["further_datasets"] = {"8k": {"closed"}}
    assert rehearsal.model_dump(exclude=changed) == real.model_dump(exclude=changed)


def test_the_demo_with_the_official_client_keeps_what_makes_a_result() -> None:
    real, demo = load_round("v6.1-endpoints"), load_round("interactive-demo")
    assert not demo.submittable
    kept = ("prompt", "max_tokens", "metrics", "evidence", "checker_version", "one_of", "server_must_not")
    for name in kept:
        assert getattr(demo, name) == getattr(real, name)
    changed = {"warmup_requests", "stated_duration_s"}
    assert demo.endpoints_rules.model_dump(exclude=changed) == real.endpoints_rules.model_dump(
        exclude=changed
    )
    changed = {"min_duration_s", "min_query_count"}
    for name, rules in demo.scenarios.items():
        assert rules.model_dump(exclude=changed) == real.scenarios[name].model_dump(exclude=changed)
    # Of fewer queries the client estimates no 99th percentile with early stopping, and the checker wants one.
    assert demo.scenarios["interactive"].min_query_count > 662


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
    assert requests_of_round(short, V61).sampling.max_tokens == 20
