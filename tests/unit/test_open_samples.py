"""Open samples: each is taken exactly once, whoever takes it, and a made-up number takes nothing."""

import sys
from collections.abc import Iterator
from threading import Thread

import pytest

from weighbridge.loadgen.open_samples import OpenSample, OpenSamples, UnknownSampleError


@pytest.fixture
def eager_threads() -> Iterator[None]:
    """Let threads take turns as often as the interpreter can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_samples_are_numbered_in_the_order_of_their_issue() -> None:
    samples = OpenSamples()
    assert samples.add_one(1 << 63, 7, 100) == 0
    assert samples.add([11, 12, 13], [1, 2, 3], 200) == 1
    assert samples.add_one(14, 4, 300) == 4
    assert len(samples) == 5
    assert samples.begin(0) == 1 << 63
    assert samples.take([(3, 0), (1, 0)]) == [13, 11]
    assert len(samples) == 3
    assert samples.take_rest(2) == [OpenSample(1 << 63, 0, 7, 100), OpenSample(12, 2, 2, 200)]
    assert samples.take_rest(2) == [OpenSample(14, 4, 4, 300)]
    assert samples.take_rest(2) == []
    assert len(samples) == 0


@pytest.mark.parametrize("numbers", [[0, 3], [0, 1 << 63], [0, 1, 0], [2]])
def test_nothing_is_taken_with_a_number_that_is_not_open(numbers: list[int]) -> None:
    samples = OpenSamples()
    samples.add([10, 11, 12], [0, 1, 2], 5)
    samples.take([(2,)])
    with pytest.raises(UnknownSampleError):
        samples.take([(number,) for number in numbers])
    assert len(samples) == 2
    assert [sample.number for sample in samples.take_rest(9)] == [0, 1]


@pytest.mark.parametrize("number", [0, 1, 2, 1 << 40])
def test_what_is_not_open_or_has_begun_cannot_begin(number: int) -> None:
    samples = OpenSamples()
    samples.add([9, 8], [0, 1], 0)
    samples.take([(0,)])
    assert samples.begin(1) == 8
    with pytest.raises(UnknownSampleError, match=str(number)):
        samples.begin(number)


def test_it_is_known_of_each_sample_whether_it_has_begun() -> None:
    samples = OpenSamples()
    samples.add([9, 8, 7, 6], [0, 1, 2, 3], 0)
    samples.begin(2)
    assert samples.take([(2,)]) == [7]
    samples.add_one(5, 4, 0)
    samples.begin(4)
    assert [samples.has_begun(number) for number in range(6)] == [False, False, True, False, True, False]
    assert [each.number for each in samples.take_rest(9)] == [0, 1, 3, 4]


@pytest.mark.usefixtures("eager_threads")
def test_three_threads_take_each_sample_once_while_one_adds() -> None:
    samples, total = OpenSamples(), 20_000
    completed: list[int] = []
    rest: list[list[OpenSample]] = [[], []]

    def add() -> None:
        for first in range(0, total, 8):
            samples.add_one(first + 5, first, first)
            samples.add([first + 6 + i for i in range(7)], [first + 1 + i for i in range(7)], first)

    def complete() -> None:
        for number in range(0, total, 2):
            try:
                completed.extend(samples.take([(number,)]))
            except UnknownSampleError:
                continue  # one of the others has taken it, or it is not there yet

    def abort(taken: list[OpenSample]) -> None:
        while adding.is_alive() or len(samples):
            taken.extend(samples.take_rest(5))

    adding = Thread(target=add)
    threads = [adding, Thread(target=complete), *(Thread(target=abort, args=(taken,)) for taken in rest)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    both = [sample for taken in rest for sample in taken]
    assert sorted(completed + [sample.response_id for sample in both]) == list(range(5, total + 5))
    assert all(sample.sample == sample.number == sample.response_id - 5 for sample in both)
