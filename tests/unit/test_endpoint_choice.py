"""The next request goes where the fewest are in flight, of equals where the fewest were sent so far."""

from hypothesis import given
from hypothesis import strategies as st

from weighbridge.client.endpoint import Endpoint
from weighbridge.client.endpoint_choice import EndpointChoice


def choice_among(count: int) -> EndpointChoice[object]:
    return EndpointChoice(
        [Endpoint(number, f"http://127.0.0.1:{number + 1}", "/v1", None, "n") for number in range(count)]
    )


def expected(endpoints: EndpointChoice[object]) -> Endpoint[object] | None:
    """Look at all of them."""
    up = [each for each in endpoints if not each.down_since_ns]
    return min(up, key=lambda each: (each.in_flight, each.given, each.number), default=None)


@given(
    count=st.integers(1, 6),
    steps=st.lists(st.tuples(st.sampled_from("tttbbrc"), st.integers(0, 1 << 20)), max_size=200),
)
def test_every_choice_is_that_of_looking_at_all(count: int, steps: list[tuple[str, int]]) -> None:
    endpoints = choice_among(count)
    each, open_requests = list(endpoints), []
    for now, (step, draw) in enumerate(steps, start=1):
        if step == "t":
            best = expected(endpoints)
            before = best and (best.in_flight, best.given)
            taken = endpoints.take()
            assert taken is best
            if taken is not None and before is not None:
                assert (taken.in_flight, taken.given) == (before[0] + 1, before[1] + 1)
                open_requests.append(taken)
        elif step == "b" and open_requests:
            endpoints.give_back(open_requests.pop(draw % len(open_requests)))
        elif step == "r":
            down = each[draw % count]
            since = down.down_since_ns or now
            assert endpoints.refused(down, now) == now - since
        elif step == "c":
            endpoints.reached(each[draw % count])
    assert sum(endpoint.in_flight for endpoint in each) == len(open_requests)


def test_what_has_passed_takes_no_memory() -> None:
    endpoints = choice_among(3)
    busy = [endpoints.take() for _ in range(30)]
    for _ in range(10_000):
        taken = endpoints.take()
        assert taken is not None
        endpoints.give_back(taken)
    assert len(endpoints._heap) <= 24
    assert len(busy) == 30
