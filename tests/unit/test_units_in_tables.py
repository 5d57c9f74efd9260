"""Times beside each other in a table have one unit, that of the largest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.formatting import page_latencies, table_latencies

times = st.lists(st.none() | st.floats(1e-6, 1e4), max_size=6)


@given(times)
def test_a_row_has_one_unit(seconds: list[float | None]) -> None:
    for texts in (page_latencies(seconds), table_latencies(seconds)):
        units = {text.replace("\N{NO-BREAK SPACE}", " ").split(" ")[1] for text in texts if len(text) > 1}
        assert len(texts) == len(seconds)
        assert units <= ({"s"} if any(value is not None and value >= 1 for value in seconds) else {"ms"})


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ((0.0421, 0.2), ("42.1 ms", "200 ms")),
        ((0.0421, 12.345), ("0.0421 s", "12.3 s")),
        ((None, 0.5), ("-", "500 ms")),
        ((None,), ("-",)),
    ],
)
def test_the_unit_is_that_of_the_largest(
    seconds: tuple[float | None, ...], expected: tuple[str, ...]
) -> None:
    assert table_latencies(seconds) == expected
