"""What a profile says of the configuration, and when a command line has replaced it."""

from pathlib import Path

import pytest

from weighbridge.config.snakemake_profile import named_profiles, read_profiles


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["-n", "--profile", "profiles/demo", "submission"], ("profiles/demo",)),
        (["--profile=a", "--profile", "b", "--cores", "2"], ("a", "b")),
        (["--profile", "none"], ()),
        (["submission"], ("mine",)),
    ],
)
def test_profiles_of_a_command_line(words: list[str], names: tuple[str, ...]) -> None:
    assert named_profiles(words, {"SNAKEMAKE_PROFILE": "mine"}) == names
    assert named_profiles(["submission"], {}) == ()


def test_every_profile_of_the_checkout_is_read(root: Path) -> None:
    read = {
        folder.name: read_profiles([f"profiles/{folder.name}"], root)
        for folder in (root / "profiles").iterdir()
    }
    assert read["demo"].configfiles == ("demo/config.yaml",)
    assert read["demo"].directory == "runs/demo"
    assert read["llama-demo-edge"].values == {"category": "category=edge"}
    assert read["slurm"].values == {"fetch_on": "fetch_on=submit-host"}
    assert read["default"].configfiles == ()


def test_the_last_profile_with_a_key_counts(tmp_path: Path) -> None:
    for name, text in {
        "one": "configfile: one.yaml\ndirectory: there\n",
        "two": "configfile: [two.yaml, three.yaml]\nconfig: limit=1 category=edge\n",
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text(text)
    (tmp_path / "one" / "one.yaml").touch()
    merged = read_profiles(["one", "two"], tmp_path)
    assert merged.configfiles == ("two.yaml", "three.yaml")
    assert merged.values == {"limit": "limit=1", "category": "category=edge"}
    assert merged.directory == "there"
    # A file beside the profile counts before one in the current folder.
    assert read_profiles(["two", "one"], tmp_path).configfiles == ("one/one.yaml",)


def test_the_newest_file_of_a_profile_is_read(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("directory: old\n")
    (tmp_path / "profile.v9+.yaml").write_text("directory: new\n")
    assert read_profiles([str(tmp_path)], tmp_path).directory == "new"


def test_a_file_in_the_place_of_the_profiles_own_is_refused(root: Path) -> None:
    profile = read_profiles(["profiles/demo"], root)
    sentence = profile.replacement([root / "config" / "llama3.1-8b.yaml"], {}, root)
    assert sentence is not None
    assert "`--configfile demo/config.yaml config/llama3.1-8b.yaml`" in sentence
    # The link and what it leads to are one file; any order is the user's choice.
    own = root / "src/weighbridge/benchmarks/qwen3_vl/demo/config.yaml"
    assert profile.replacement([root / "config.yaml", own], {}, root) is None


def test_a_value_in_the_place_of_the_profiles_own_is_refused(root: Path) -> None:
    profile = read_profiles(["profiles/slurm"], root)
    sentence = profile.replacement([], {"limit": 10, "quality": {"mmlu": {"limit": 3}}}, root)
    assert sentence is not None
    assert sentence.endswith('`--config fetch_on=submit-host limit=10 \'quality={"mmlu": {"limit": 3}}\'`.')
    unset = profile.replacement([], {"category": None}, root)  # "null" would be a text for Snakemake
    assert unset is not None
    assert unset.endswith("`--config fetch_on=submit-host category=`.")
    assert profile.replacement([], {"limit": 10, "fetch_on": "job"}, root) is None
    assert read_profiles([], root).replacement([], {"limit": 10}, root) is None


def test_the_same_configuration_is_made_again_by_these_arguments(root: Path) -> None:
    profile = read_profiles(["profiles/demo"], root)
    files = [root / "demo/config.yaml", root / "config/llama3.1-8b.yaml", Path("/home/me/mine.yaml")]
    values = {"limit": 10, "server": {"endpoints": ["http://10.0.0.1"]}, "fetch": "yes"}
    assert profile.arguments(files, values, root) == [
        *("--profile", "profiles/demo", "--config", "config/llama3.1-8b.yaml", "--config", "mine.yaml"),
        *("--set", "limit=10"),
    ]
    edge = read_profiles(["profiles/llama-demo-edge"], root)
    assert edge.arguments([], {"category": "edge"}, root) == ["--profile", "profiles/llama-demo-edge"]
    assert edge.arguments([], {"category": "datacenter"}, root)[-2:] == ["--set", "category=datacenter"]
