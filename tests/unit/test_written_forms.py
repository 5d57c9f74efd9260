"""Short forms of the command line: what each says, and that a wrong one is one sentence with a remedy."""

from pathlib import Path

import pytest

from weighbridge.config import written_forms as forms
from weighbridge.config.distributions import Distribution, Exponential, LogNormal, Normal
from weighbridge.core.errors import InputError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("120", Distribution(const=120)),
        (" 0.5 ", Distribution(const=0.5)),
        ("2..4", Distribution(uniform=(2, 4))),
        ("normal:60,20", Distribution(normal=Normal(mean=60, sd=20))),
        ("lognormal:500,0.5", Distribution(lognormal=LogNormal(median=500, sigma=0.5))),
        ("exponential:2", Distribution(exponential=Exponential(mean=2))),
        ("choice:1,2,4", Distribution(choice=(1, 2, 4))),
        ("file:/data/a:b.txt", Distribution(empirical=Path("/data/a:b.txt"))),
    ],
)
def test_a_distribution_is_what_its_short_form_says(text: str, expected: Distribution) -> None:
    assert forms.parse_distribution(text, "--output") == expected


@pytest.mark.parametrize(
    "text",
    ["", "x", "1,2", "2..", "2..3..4", "normal:60", "normal:1,2,3", "zipf:3", "choice:", "4..2", "nan"],
)
def test_what_is_no_distribution_is_refused_with_the_option_s_name(text: str) -> None:
    with pytest.raises(InputError, match=r"^--output: ") as error:
        forms.parse_distribution(text, "--output")
    assert "\n" not in str(error.value)


def test_loads_are_closed_loops_unless_they_say_otherwise() -> None:
    levels = forms.parse_levels("1, 32,poisson:2.5,constant:4,gamma:4/0.5", "--levels")
    names = [level.name for level in levels.all]
    assert names == ["closed-1", "closed-32", "poisson-2.5", "constant-4", "gamma-4-0.5"]
    assert forms.parse_levels("auto", "--levels").auto


@pytest.mark.parametrize("text", ["", "x", "1.5", "0", "1,1", "poisson:0", "gamma:4", "burst:3", "auto,1"])
def test_what_is_no_load_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"^--levels: "):
        forms.parse_levels(text, "--levels")


def test_objectives_are_limits_in_milliseconds() -> None:
    slo = forms.parse_objectives("ttft:500, e2e:4000ms", "--slo")
    assert (slo.ttft_ms, slo.tpot_ms, slo.e2e_ms) == (500, None, 4000)


@pytest.mark.parametrize("text", ["", "ttft", "ttft:x", "itl:50", "ttft:-1"])
def test_what_is_no_objective_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"^--slo: "):
        forms.parse_objectives(text, "--slo")


def test_no_time_is_limited_twice() -> None:
    with pytest.raises(InputError, match="--slo: 'ttft' is given twice"):
        forms.parse_objectives("ttft:500,tpot:5,ttft:50", "--slo")


def test_a_shared_prefix_is_tokens_share_groups() -> None:
    prefix = forms.parse_shared_prefix("512:0.5:8", "--shared-prefix")
    assert (prefix.tokens, prefix.share, prefix.groups) == (512, 0.5, 8)
    assert forms.parse_shared_prefix("512", "--shared-prefix").share == 1
    for text in ("", "x", "512:a", "1:1:1:1", "512:2"):
        with pytest.raises(InputError, match=r"^--shared-prefix: "):
            forms.parse_shared_prefix(text, "--shared-prefix")


def test_a_share_is_percent_or_a_fraction() -> None:
    assert forms.parse_share("5%", "--equivalence") == forms.parse_share("0.05", "--equivalence") == 0.05
    for text in ("5", "x", "0%", "-1%"):
        with pytest.raises(InputError, match=r"^--equivalence: "):
            forms.parse_share(text, "--equivalence")


def test_systems_are_named_by_the_user_or_by_letters() -> None:
    assert forms.parse_systems(["http://h:1/"]) == (("A", ("http://h:1",), None),)
    assert forms.parse_systems(["old=http://h:1#org/model=7", "http://h:2,http://h:3/v1"]) == (
        ("old", ("http://h:1",), "org/model=7"),
        ("B", ("http://h:2", "http://h:3/v1"), None),
    )


@pytest.mark.parametrize(
    "texts", [[], ["host:8000"], ["A=host"], ["A=http://h", "A=http://g"], ["http://h"] * 27]
)
def test_what_names_no_systems_is_refused(texts: list[str]) -> None:
    with pytest.raises(InputError):
        forms.parse_systems(texts)


def test_an_option_holds_for_all_systems_or_for_one() -> None:
    names = ["A", "B"]
    assert forms.per_system([], names, "--price") == {}
    assert forms.per_system(["2"], names, "--price") == {"A": "2", "B": "2"}
    assert forms.per_system(["2", "B=3"], names, "--price") == {"A": "2", "B": "3"}
    assert forms.per_system(["X=1 run"], names, "--reset-cmd") == {"A": "X=1 run", "B": "X=1 run"}
    for texts in (["1", "2"], ["A=1", "A=2"]):
        with pytest.raises(InputError, match="contradict"):
            forms.per_system(texts, names, "--price")
