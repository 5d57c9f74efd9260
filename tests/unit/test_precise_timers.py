"""Calls at times: in their order, never early, and all of them."""

import asyncio
import time

from weighbridge.simulate.precise_timers import PreciseTimers


def test_calls_come_in_the_order_of_their_times_and_never_early() -> None:
    found: list[tuple[float, float]] = []

    async def wait() -> None:
        timers, over = PreciseTimers(), asyncio.Event()
        start_s = time.monotonic() + 0.3  # all are asked for before the first is due

        def note(after_s: float) -> None:
            found.append((after_s, time.monotonic() - start_s))
            if after_s == 0.01:
                timers.call_at(start_s + 0.015, note, 0.015)  # from within a call
            if after_s == 0.03:
                over.set()

        timers.call_at(start_s - 1, note, -1.0)  # what has passed is called at once
        assert [after_s for after_s, _ in found] == [-1.0]
        for after_s in (0.03, 0.01, 0.02, 0.011):
            timers.call_at(start_s + after_s, note, after_s)
        await over.wait()
        timers.close()

    asyncio.run(wait())
    # One that is asked for late, on a busy machine, comes at once.
    assert [after_s for after_s, _ in found if after_s != 0.015] == [-1.0, 0.01, 0.011, 0.02, 0.03]
    assert 0.015 in [after_s for after_s, _ in found]
    assert all(came_s >= after_s for after_s, came_s in found)


def test_a_call_that_fails_keeps_no_other_from_its_time() -> None:
    async def wait() -> list[str]:
        timers, over, errors = PreciseTimers(), asyncio.Event(), list[str]()
        handler = lambda _, context: errors.append(repr(context["exception"]))  # noqa: E731
        asyncio.get_running_loop().set_exception_handler(handler)
        now_s = time.monotonic()
        timers.call_at(now_s + 0.005, lambda: 1 / 0)
        timers.call_at(now_s + 0.01, over.set)
        await asyncio.wait_for(over.wait(), 20)
        timers.close()
        return errors

    assert len(asyncio.run(wait())) == 1
