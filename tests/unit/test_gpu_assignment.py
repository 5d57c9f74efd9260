"""GPUs divided among servers: equal groups, every GPU once, NUMA nodes kept whole where that is possible."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.serving.launch import equal_groups
from weighbridge.system import gpus as hardware
from weighbridge.system.gpus import Device, cpus_of, visible_devices

NODES = st.lists(st.sampled_from([None, 0, 1, 2]), min_size=1, max_size=16)


@given(nodes=NODES, groups=st.integers(1, 16))
def test_groups_are_equal_and_no_gpu_is_in_two(nodes: list[int | None], groups: int) -> None:
    devices = [Device(str(number), node) for number, node in enumerate(nodes)]
    groups = min(groups, len(devices))
    divided = equal_groups(devices, groups)
    assert {len(group) for group in divided} == {len(devices) // groups}
    assert len(divided) == groups
    assert max(Counter(device for group in divided for device in group).values()) == 1


@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=4), each=st.integers(1, 4), seed=st.randoms())
def test_groups_that_fit_into_nodes_stay_there(sizes: list[int], each: int, seed: object) -> None:
    devices = [
        Device(f"{node}.{number}", node)
        for node, groups in enumerate(sizes)
        for number in range(groups * each)
    ]
    seed.shuffle(devices)  # type: ignore[attr-defined]
    for group in equal_groups(devices, sum(sizes)):
        assert len({device.numa_node for device in group}) == 1


def test_an_interleaved_machine() -> None:
    devices = [Device(str(number), number % 2) for number in range(8)]
    assert [[device.token for device in group] for group in equal_groups(devices, 2)] == [
        ["0", "2", "4", "6"],
        ["1", "3", "5", "7"],
    ]


@pytest.mark.parametrize(
    ("visible", "tokens"),
    [
        ("0,1", ["0", "1"]),
        (" 3 , 2 ", ["3", "2"]),
        ("", []),
        ("NoDevFiles", []),
        ("1,-1,2", ["1"]),
        ("GPU-5a1c,MIG-77", ["GPU-5a1c", "MIG-77"]),
    ],
)
def test_the_list_ends_where_cuda_ends_it(
    monkeypatch: pytest.MonkeyPatch, visible: str, tokens: list[str]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [device.token for device in visible_devices()] == tokens


@pytest.mark.parametrize(
    ("text", "cpus"), [("0-3\n", {0, 1, 2, 3}), ("0-1,8-9,16\n", {0, 1, 8, 9, 16}), ("\n", set())]
)
def test_cpus_of_a_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, cpus: set[int]) -> None:
    (tmp_path / "node0").mkdir()
    (tmp_path / "node0" / "cpulist").write_text(text)
    monkeypatch.setattr(hardware, "_NUMA_NODES", tmp_path)
    assert cpus_of(0) == cpus
    assert cpus_of(1) == set()
