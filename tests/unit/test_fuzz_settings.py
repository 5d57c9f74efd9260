"""Fuzzing of what users write: config.yaml, --settings, rounds, user.conf, descriptions of systems."""

import random
from pathlib import Path
from typing import Any

import pytest
from fuzzing import as_json, ends_well, few, mutated_bytes, mutated_data, mutated_file, write
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.benchmarks.rounds import load_round, round_digest
from weighbridge.config.fingerprint import JobSettings, canonical, fingerprint
from weighbridge.config.round import Round
from weighbridge.config.round_settings import check_against_round
from weighbridge.config.settings import Settings, portable_settings
from weighbridge.core.errors import InputError, WeighbridgeError
from weighbridge.core.models import read_data
from weighbridge.loadgen.own_user_conf import read_own_user_conf
from weighbridge.run.closed_division import check_division
from weighbridge.serving.arguments import check_arguments

ROOT = Path(__file__).parents[2]
V60 = load_round("v6.0")
CONFIGS = [ROOT / "config.yaml", ROOT / "demo" / "config.yaml", ROOT / "rehearsal" / "config.yaml"]
ROUNDS = sorted((ROOT / "src" / "weighbridge" / "benchmarks" / "qwen3_vl" / "rounds").glob("*.yaml"))
USER_CONF = b"""# my own
*.Offline.min_duration = 700000
qwen3-vl-235b-a22b.Server.target_qps = 11.5
*.Server.coalesce_queries = 1
*.*.min_query_count = 96578
"""
CHANCE = st.integers(min_value=0).map(random.Random)


def _check(config: Any) -> Settings:
    """Do with a configuration what Snakemake's rules do before anything starts."""
    settings = portable_settings(config, ROOT)
    check_against_round(settings, V60)
    check_arguments(settings.server, V60.server_must_not, {})
    check_division(settings, V60, {})
    # What is taken can be handed to the jobs, and read by them.
    line = fingerprint("measurement", server=settings.server, client=settings.client)
    assert JobSettings.of(line).required_server().model_name == settings.server.model_name
    return settings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@few(120)
@given(st.sampled_from(CONFIGS), CHANCE)
def test_configurations(folder: Path, config: Path, chance: random.Random) -> None:
    shipped = read_data(CONFIGS[0])
    path = write(folder / "config.yaml", mutated_file(config.read_bytes(), chance, suffix=".yaml"))

    def laid_over() -> Settings:
        overlay = read_data(path)
        if not isinstance(overlay, dict):
            raise InputError("Snakemake wants keys at the top level")
        merged = {
            key: {**shipped.get(key, {}), **value}
            if isinstance(value, dict) and isinstance(shipped.get(key), dict)
            else value
            for key, value in (shipped | overlay).items()
        }
        return _check(merged)

    ends_well(laid_over)


@few(150)
@given(CHANCE)
def test_settings_of_jobs(chance: random.Random) -> None:
    real = read_data(CONFIGS[0])
    sections = {key: real[key] for key in ("server", "search", "submission")}
    text = as_json(mutated_data(sections, chance))
    if chance.random() < 0.3:
        text = mutated_bytes(text, chance)
    found = ends_well(lambda: JobSettings.of(text.decode(errors="replace")))
    if isinstance(found, JobSettings):
        assert JobSettings.of(canonical(found)) is not None


@few(120)
@given(st.sampled_from(ROUNDS), CHANCE)
def test_rounds(folder: Path, path: Path, chance: random.Random) -> None:
    mine = write(folder / "mine.yaml", mutated_file(path.read_bytes(), chance, suffix=".yaml"))
    found = ends_well(lambda: load_round(str(mine)))
    if isinstance(found, Round):
        assert len(round_digest(found)) == 64
        # Whatever was changed: it is one of the release's rounds, or not submittable.
        assert not found.submittable or round_digest(found) == round_digest(V60)


@few(100)
@given(CHANCE)
def test_user_confs(folder: Path, chance: random.Random) -> None:
    path = write(folder / "user.conf", mutated_bytes(USER_CONF, chance))
    for scenario in V60.scenarios.values():
        found = ends_well(lambda scenario=scenario: read_own_user_conf(path, V60, scenario))
        assert isinstance(found, tuple | WeighbridgeError)


@few(200)
@given(st.text(max_size=40))
def test_names_of_rounds(name: str) -> None:
    found = ends_well(lambda: load_round(name))
    assert isinstance(found, InputError) or name in ("v6.0", "demo")


@few(200)
@given(st.text(max_size=40) | st.from_regex(r"https?://[\[\]a-z0-9:.@/%]{0,20}", fullmatch=True))
def test_addresses_of_servers(url: str) -> None:
    section = as_json({"server": {"model_name": "m", "endpoints": [url]}}).decode(errors="replace")
    found = ends_well(lambda: JobSettings.of(section))
    if isinstance(found, JobSettings):
        assert found.required_server().endpoints[0].startswith(("http://", "https://"))
