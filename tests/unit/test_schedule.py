"""LoadGen's own schedule, drawn again."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.loadgen.work_size import server_schedule_s


@given(st.floats(0.5, 50), st.integers(1, 3000))
def test_a_schedule_rises_and_keeps_its_rate(target_qps: float, queries: int) -> None:
    due_s = server_schedule_s(queries, target_qps, 3936089224930324775)
    assert len(due_s) == queries
    assert np.all(np.diff(due_s) > 0)
    assert due_s[0] > 0
    same = server_schedule_s(queries, 1.0, 3936089224930324775)
    np.testing.assert_allclose(due_s * target_qps, same, rtol=1e-6)


def test_the_schedule_is_loadgens_to_the_nanosecond() -> None:
    # generated_query_duration in the detail log of LoadGen 6.0.15, at 50,000 queries/s, for one and two
    # passes.
    due_s = server_schedule_s(96578, 50000, 3936089224930324775)
    assert round(due_s[48288] * 1e9) == 961281787
    assert round(due_s[96577] * 1e9) == 1929825899
