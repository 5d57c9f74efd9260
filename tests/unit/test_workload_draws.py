"""Distributions, permutations and arrivals: what is drawn is what was asked for."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.config.distributions import Distribution
from weighbridge.config.load_level import LoadLevel
from weighbridge.core.errors import InputError
from weighbridge.records.sweep_plan import PhaseCounts
from weighbridge.requests.arrivals import due_times
from weighbridge.requests.draws import Sampler, generator, repeat_share, without_replacement

FORMS = st.one_of(
    st.integers(0, 99).map(lambda value: {"const": value}),
    st.tuples(st.integers(-9, 9), st.integers(0, 30)).map(lambda pair: {"uniform": [pair[0], sum(pair)]}),
    st.tuples(st.floats(-5, 50), st.floats(0, 9)).map(
        lambda pair: {"normal": dict(zip(("mean", "sd"), pair, strict=True))}
    ),
    st.tuples(st.floats(1, 50), st.floats(0, 2)).map(
        lambda pair: {"lognormal": {"median": pair[0], "sigma": pair[1]}}
    ),
    st.floats(0.1, 99).map(lambda mean: {"exponential": {"mean": mean}}),
    st.lists(st.floats(-9, 99), min_size=1).map(lambda values: {"choice": values}),
    st.dictionaries(st.floats(0, 99), st.floats(0.1, 9), min_size=1).map(lambda pairs: {"choice": pairs}),
)


@given(FORMS, st.integers(0, 20), st.integers(0, 60), st.integers(0, 2**63 - 1), st.booleans())
def test_values_stay_in_bounds_and_more_of_them_begin_the_same(
    form: dict[str, object], low: int, span: int, seed: int, whole: bool
) -> None:
    sampler = Sampler(Distribution.parse(form | {"min": low, "max": low + span}, "test"), "x", whole=whole)
    values = sampler.draw(generator(seed, "x", 3), 40)
    assert ((values >= low) & (values <= low + span)).all()
    assert not whole or (values == np.rint(values)).all()
    assert (values <= sampler.largest).all()
    assert (sampler.draw(generator(seed, "x", 3), 25) == values[:25]).all()


@pytest.mark.parametrize(
    ("form", "mean", "sd"),
    [
        ({"uniform": [88, 152]}, 120, np.sqrt((65**2 - 1) / 12)),
        ({"normal": {"mean": 60, "sd": 5}}, 60, 5),
        ({"lognormal": {"median": 100, "sigma": 0.5}}, 100 * np.exp(0.125), 60.4),
        ({"exponential": {"mean": 50}}, 50, 50),
        ({"choice": [10, 20]}, 15, 5),
        ({"choice": {"10": 3, "20": 1}}, 12.5, np.sqrt(18.75)),
    ],
)
def test_moments_are_those_of_the_form(form: dict[str, object], mean: float, sd: float) -> None:
    values = Sampler(Distribution.parse(form, "test"), "x", whole=True).draw(generator(1, "x"), 40_000)
    assert values.mean() == pytest.approx(mean, abs=4 * sd / 200)
    assert values.std() == pytest.approx(sd, rel=0.03)


def test_whole_uniform_numbers_are_equally_likely() -> None:
    values = Sampler(Distribution(uniform=(2, 4)), "x", whole=True).draw(generator(1, "x"), 30_000)
    assert sorted(set(values)) == [2, 3, 4]
    assert all(np.count_nonzero(values == each) == pytest.approx(10_000, abs=350) for each in (2, 3, 4))


def test_observed_values_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "seen").write_text("3\n\n5\n")
    values = Sampler(Distribution(empirical=tmp_path / "seen"), "x", whole=True).draw(generator(1, "x"), 100)
    assert set(values) == {3, 5}
    (tmp_path / "seen").write_text("3\nfive\n")
    with pytest.raises(InputError, match="line 2 is no number"):
        Sampler(Distribution(empirical=tmp_path / "seen"), "x", whole=True)


def test_bounds_without_a_value_are_refused() -> None:
    with pytest.raises(InputError, match="'x' has no whole number from 2 to 1"):
        Sampler(Distribution(const=1, min=1.2, max=1.8), "x", whole=True)
    with pytest.raises(InputError, match="'x' is -5, and 0 is the least"):
        Sampler(Distribution(const=-5), "x", whole=True, lowest=0)
    with pytest.raises(InputError, match="'x' has no value from 0 to -3"):
        Sampler(Distribution(const=1, max=-3), "x", whole=False, lowest=0)
    with pytest.raises(InputError, match="'x' has no whole number from 2 to 1"):
        Sampler(Distribution(uniform=(1.1, 1.9)), "x", whole=True)


@pytest.mark.parametrize(
    "form",
    [
        {"const": 101},
        {"uniform": [-1e308, 1e308]},
        {"lognormal": {"median": 50, "sigma": 1000}},
        {"exponential": {"mean": 1e308}},
        {"normal": {"mean": 1e308, "sd": 1e308}},
    ],
)
def test_values_that_cannot_be_used_are_refused_unless_bounded(form: dict[str, object]) -> None:
    with pytest.raises(InputError, match=r"'x' gave .*, and 100 is the most; set 'max'"):
        Sampler(Distribution.parse(form, "test"), "x", whole=True, most=100).draw(generator(1, "x"), 50)
    bounded = Sampler(Distribution.parse({**form, "max": 99}, "test"), "x", whole=True, lowest=0, most=100)
    assert 0 <= bounded.draw(generator(1, "x"), 50).max() <= 99


@given(st.integers(1, 30), st.lists(st.integers(0, 20), max_size=6), st.integers(0, 99))
def test_nothing_recurs_before_all_have_occurred(available: int, counts: list[int], start: int) -> None:
    taken, at = [], start
    for count in counts:
        taken += without_replacement(5, "images", available, at, count).tolist()
        at += count
    assert taken == without_replacement(5, "images", available, start, sum(counts)).tolist()
    first = -start % available
    assert len(set(taken[first : first + available])) == len(taken[first : first + available])
    assert repeat_share(10, 40) == 0.75


COUNTS = PhaseCounts(warmup=3, measured=40, cooldown=5)


@pytest.mark.parametrize(
    "level",
    [{"poisson": 4}, {"constant": 4}, {"gamma": {"rate": 4, "burstiness": 0.3}}],
    ids=["poisson", "constant", "gamma"],
)
def test_measured_conversations_arrive_at_the_rate(level: dict[str, object]) -> None:
    times = due_times(LoadLevel.parse(level, "test"), COUNTS, 1, "1/1")
    assert times[0] == 0
    assert (np.diff(times) > 0).all()
    assert times[43] - times[3] == pytest.approx(10)


def test_another_rate_changes_the_scale_alone() -> None:
    slow, fast = (due_times(LoadLevel(poisson=rate), COUNTS, 1, "1/1") for rate in (2, 6))
    assert slow == pytest.approx(3 * fast)
    assert due_times(LoadLevel(poisson=2), COUNTS, 1, "2/1")[1] != slow[1]
    assert np.isnan(due_times(LoadLevel(closed=2), COUNTS, 1, "1/1")).all()


def test_gaps_are_exponential_or_gamma() -> None:
    counts = PhaseCounts(warmup=0, measured=20_000, cooldown=0)
    gaps = np.diff(due_times(LoadLevel(poisson=1), counts, 1, "1/1"))
    assert gaps.std() == pytest.approx(1, abs=0.03)
    level = LoadLevel.parse({"gamma": {"rate": 1, "burstiness": 4}}, "test")
    assert np.diff(due_times(level, counts, 1, "1/1")).std() == pytest.approx(0.5, abs=0.02)


def test_a_ramp_rises_as_asked() -> None:
    counts = PhaseCounts(warmup=0, measured=40_000, cooldown=0)
    level = LoadLevel.parse({"ramp": {"start": 100, "end": 300, "over_s": 100}}, "test")
    times = due_times(level, counts, 1, "1/1")
    for start, rate in ((0, 110), (45, 200), (90, 290), (110, 300)):
        seen = np.count_nonzero((times >= start) & (times < start + 10)) / 10
        assert seen == pytest.approx(rate, rel=0.1)


def test_a_trace_gives_its_own_times(tmp_path: Path) -> None:
    trace = tmp_path / "t.jsonl"
    lines = ['{"timestamp_s": 7, "conversation": "a"}', '{"timestamp_s": 5}', "", '{"timestamp_s": 9}']
    trace.write_text("\n".join([*lines, '{"timestamp_s": 8, "conversation": "a"}']))
    level = LoadLevel.parse({"trace": {"file": str(trace), "speed": 2}}, "test")
    counts = PhaseCounts(warmup=1, measured=1, cooldown=1)
    assert due_times(level, counts, 1, "1/1").tolist() == [0, 1, 2]
    with pytest.raises(InputError, match="has 3 arrivals, but 4"):
        due_times(level, PhaseCounts(warmup=1, measured=3, cooldown=0), 1, "1/1")
    for time in ("true", "1e13", "1" + "0" * 400):
        trace.write_text(f'{{"timestamp_s": {time}}}\n')
        with pytest.raises(InputError, match="line 1 has no number 'timestamp_s'"):
            due_times(level, counts, 1, "1/1")


def test_conversations_are_not_due_in_years() -> None:
    counts = PhaseCounts(warmup=1, measured=3, cooldown=1)
    with pytest.raises(InputError, match=r"poisson-1e-300: the last of 5 conversations is due after"):
        due_times(LoadLevel(poisson=1e-300), counts, 1, "1/1")
