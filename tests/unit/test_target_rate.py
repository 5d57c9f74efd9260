"""Target rates: one spelling of each form, and one error for what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.config.target_rate import checked_rate, offline_share


@given(st.floats(min_value=0.001, max_value=2))
def test_a_share_survives_its_own_spelling(share: float) -> None:
    rate = checked_rate(f"offline * {share!r}")
    assert checked_rate(rate) == rate
    assert offline_share(rate) == pytest.approx(share, rel=1e-5)


@pytest.mark.parametrize(
    ("value", "rate"),
    [("0.5", 0.5), (3, 3.0), ("auto", "auto"), (None, None), ("offline*0.80", "offline*0.8")],
)
def test_every_form_has_one_spelling(value: object, rate: object) -> None:
    assert checked_rate(value) == rate
    assert (offline_share(checked_rate(value)) is None) == (rate != "offline*0.8")


@pytest.mark.parametrize(
    "value", [True, 0, -1, "inf", "nan", "fast", [], "offline", "offline*", "offline*x", "offline*0"]
)
def test_anything_else_is_one_error(value: object) -> None:
    with pytest.raises(ValueError, match="a rate is a number greater than 0, 'auto', or a share"):
        checked_rate(value)


@pytest.mark.parametrize("value", ["offline*2.01", "offline*-0.5", "offline*nan", "offline*0.8*2"])
def test_a_share_has_bounds(value: str) -> None:
    with pytest.raises(ValueError, match="greater than 0 and at most 2"):
        checked_rate(value)
