"""How late a worker reads, by the kernel's times of arrival and by a timer; and how busy a process is."""

import errno
import os
import select
import socket
import time
from collections.abc import Iterator

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.client.process_cost import WINDOW_S, ProcessCost
from weighbridge.client.receive_backlog import BacklogCounts, BacklogMeter, WaitCounts, note_arrivals

NS = 1_000_000_000
READS = 17


@pytest.fixture
def meter() -> Iterator[BacklogMeter]:
    meter = BacklogMeter()
    yield meter
    meter.close()


def counts_of(meter: BacklogMeter) -> BacklogCounts:
    return BacklogCounts.joined([meter.report().decode()])


@given(st.lists(st.integers(0, 100 * NS), min_size=1, max_size=200), st.sampled_from([0.5, 0.99]))
def test_a_quantile_is_never_too_low_and_at_most_a_sixteenth_too_high(waits: list[int], share: float) -> None:
    counts = WaitCounts({})
    for wait in waits:
        counts.add(wait)
    exact = int(np.quantile(waits, share, method="inverted_cdf"))
    assert exact <= counts.quantile_ns(share) <= exact * 17 / 16
    assert (counts.samples, counts.total_ns, counts.max_ns) == (len(waits), sum(waits), max(waits))


def test_a_clock_that_was_set_back_counts_as_no_wait() -> None:
    counts = WaitCounts({})
    counts.add(-5)
    assert (counts.quantile_ns(0.99), counts.max_ns, counts.samples) == (0, 0, 1)


def test_reports_of_workers_are_joined_and_one_that_did_not_report_counts_nothing() -> None:
    reports = []
    for wait in (1_000, 3_000_000):
        counts = BacklogCounts.empty()
        counts.packets.add(wait)
        counts.timer.add(2 * wait)
        reports.append(msgspec.json.encode(counts).decode())
    joined = BacklogCounts.joined([*reports, ""])
    assert (joined.packets.samples, joined.packets.max_ns) == (2, 3_000_000)
    assert joined.timer.total_ns == 6_002_000


def test_a_packet_that_lay_in_the_socket_is_as_old_as_it_is(meter: BacklogMeter) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as ours:
        note_arrivals(ours)
        ours.connect(listener.getsockname())
        theirs, _ = listener.accept()
        time.sleep(0.1)  # the kernel begins to note times a moment after it was asked
        with theirs:
            for _ in range(READS - 1):
                meter.look(ours, select.EPOLLIN)  # not sampled, and nothing to read would be no error
            theirs.sendall(b"answer")
            time.sleep(0.3)
            meter.look(ours, select.EPOLLIN)
            assert ours.recv(100) == b"answer"  # it was not taken away
    packets = counts_of(meter).packets
    assert packets.samples == 1
    assert 0.29 * NS <= packets.max_ns < 5 * NS


def test_nothing_to_read_and_a_closed_connection_are_no_samples(meter: BacklogMeter) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as ours:
        note_arrivals(ours)
        ours.connect(listener.getsockname())
        ours.setblocking(False)
        for _ in range(READS):
            meter.look(ours, select.EPOLLIN)
        listener.accept()[0].close()
        time.sleep(0.05)
        for _ in range(READS):
            meter.look(ours, select.EPOLLIN)
    assert counts_of(meter).packets.samples == 0


def test_the_error_of_a_refused_connection_is_left_to_its_reader(meter: BacklogMeter) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
    with socket.socket() as ours:
        note_arrivals(ours)
        ours.setblocking(False)
        ours.connect_ex(address)
        arrived = select.poll()
        arrived.register(ours, select.POLLIN | select.POLLOUT)
        [(_, event)] = arrived.poll(5000)
        for _ in range(READS):
            meter.look(ours, event)
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED


def test_a_stop_counts_by_every_expiration_that_it_delayed(meter: BacklogMeter) -> None:
    meter.ring(working=True)
    time.sleep(0.4)  # as if stopped, with requests in flight
    meter.ring(working=True)
    assert meter.unreported
    timer = counts_of(meter).timer
    assert timer.samples >= 15
    assert 0.35 * NS <= timer.max_ns < 5 * NS
    # The expirations of a stop are late by anything from 0 to its whole length.
    assert timer.quantile_ns(0.5) == pytest.approx(timer.max_ns / 2, rel=0.2)
    assert not meter.unreported


def test_without_requests_in_flight_nothing_is_late(meter: BacklogMeter) -> None:
    for _ in range(2):
        time.sleep(0.15)
        meter.ring(working=False)
    assert not meter.unreported
    time.sleep(0.03)
    meter.ring(working=True)
    time.sleep(0.15)
    meter.ring(working=False)  # they ended in this turn, and had waited
    assert counts_of(meter).timer.samples > 0


class Machine:
    """Clocks of a process as a test sets them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = self.cpu_s = 0.0
        monkeypatch.setattr("weighbridge.client.process_cost.time.monotonic", lambda: self.now_s)
        monkeypatch.setattr("weighbridge.client.process_cost.cpu_time_s", lambda _pid: self.cpu_s)
        self.cost = ProcessCost()
        self.cost.add("worker 0", os.getpid())
        self.cost.start()
        self.issued = self.completed = 0

    def spend(self, seconds: float, share: float, *, working: bool = True) -> None:
        for _ in range(round(2 * seconds)):
            self.now_s += 0.5
            self.cpu_s += 0.5 * share
            self.issued += working
            self.completed = self.issued
            self.cost.sample(self.issued, self.completed)

    @property
    def busy(self) -> float:
        return self.cost.busy["worker 0"]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_a_process_is_as_busy_as_in_its_busiest_window_and_not_on_average(machine: Machine) -> None:
    machine.spend(300, 0.1)
    machine.spend(WINDOW_S, 0.98)
    machine.spend(300, 0.1)
    assert machine.busy == pytest.approx(0.98)


def test_a_burst_passes(machine: Machine) -> None:
    machine.spend(1, 1.0)
    machine.spend(60, 0.1)
    assert machine.busy == pytest.approx((1 + (WINDOW_S - 1) * 0.1) / WINDOW_S)


def test_what_loadgen_does_before_and_after_its_requests_is_no_part_of_it(machine: Machine) -> None:
    machine.spend(20, 1.0, working=False)
    machine.spend(20, 0.2)
    machine.spend(20, 1.0, working=False)
    assert machine.busy == pytest.approx(0.2)


def test_a_run_shorter_than_a_window_has_its_average(machine: Machine) -> None:
    machine.spend(2, 0.5)
    assert machine.busy == pytest.approx(0.5)


def test_half_a_second_says_little_of_a_share(machine: Machine) -> None:
    machine.spend(0.5, 1.0)
    assert machine.busy == pytest.approx(0.5)
