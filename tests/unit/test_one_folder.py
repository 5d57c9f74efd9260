"""What is particular to one benchmark stands in its folder, and nowhere else in package and workflow."""

import re
from pathlib import Path

import pytest

from weighbridge.benchmarks.registry import benchmarks

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "weighbridge"
KINDS = {".py", ".smk", ".j2", ".yaml", ".json", ".rst", ""}
# Words of benchmarks that are known or planned: names, datasets, metrics, counts, subjects.
WORDS = re.compile(
    r"qwen|shopify|q3vl|llama|rouge|catalogue|\bproduct's|second-?hand|\bbrand|picture|toy"
    r"|\bf1\b|48,?289|13,?368",
    re.IGNORECASE,
)
# Scenarios are named by the round; these are texts, not names: "server" is a section, process or chart.
SCENARIO = re.compile(r"""results/(?:offline|server)|scenarios?\[["']|==\s*["'](?:offline|server)["']""")
ALLOWED = {
    # The hashes of the rounds that this release pins, by name.
    "src/weighbridge/benchmarks/released_rounds.json": {"qwen", "llama"},
    # Records of release 0.1.0 named no benchmark, because there was one.
    "src/weighbridge/records/earlier_releases.py": {"qwen"},
    # A key of config.yaml since release 0.1.0: how an image is sent, where a benchmark has images.
    "src/weighbridge/config/request_settings.py": {"picture"},
    "src/weighbridge/gates/request_checks.py": {"picture"},
    "src/weighbridge/schemas/config.schema.json": {"picture"},
    "src/weighbridge/schemas/config-overlay.schema.json": {"picture"},
    # Examples of a number, in a docstring.
    "src/weighbridge/core/formatting.py": {"13,368", "13368"},
    # What the user's results folder may hold, in a docstring of the rule.
    "workflow/rules/report.smk": {"results/server"},
    # A command as an example, in the Snakefile's docstring.
    "Snakefile": {"results/offline"},
}


def _searched() -> list[Path]:
    folders = [benchmark.folder for benchmark in benchmarks().values()]
    paths = [*PACKAGE.rglob("*"), *(ROOT / "workflow").rglob("*"), ROOT / "Snakefile"]
    return [
        path
        for path in paths
        if path.is_file()
        and path.suffix in KINDS
        and "__pycache__" not in path.parts
        and not any(path.is_relative_to(folder) for folder in folders)
    ]


def _found(path: Path, words: re.Pattern[str]) -> set[str]:
    allowed = ALLOWED.get(path.relative_to(ROOT).as_posix(), set())
    return {found.group().lower() for found in words.finditer(path.read_text())} - allowed


@pytest.mark.parametrize("words", [WORDS, SCENARIO], ids=["words", "scenarios"])
def test_no_benchmark_is_known_outside_its_folder(words: re.Pattern[str]) -> None:
    assert len(_searched()) > 100
    found = {path.relative_to(ROOT).as_posix(): _found(path, words) for path in _searched()}
    assert {path: names for path, names in found.items() if names} == {}


def test_what_is_allowed_is_still_there() -> None:
    for name, allowed in ALLOWED.items():
        text = (ROOT / name).read_text().lower()
        assert all(word in text for word in allowed), name
