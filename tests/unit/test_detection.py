"""What a machine tells about itself, from the kernel's own files and lscpu's output."""

import json
from pathlib import Path

from weighbridge.hardware import Accelerator
from weighbridge.submission.detect import accelerators, detect, network, processor, storage

GIB = 2**30


def _lscpu(**fields: str) -> str:
    return json.dumps({"lscpu": [{"field": f"{name}:", "data": value} for name, value in fields.items()]})


def _file(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


def test_a_processor_is_described_from_lscpu_flat_or_nested() -> None:
    flat = _lscpu(
        **{"Model name": "Xeon", "Socket(s)": "2", "Core(s) per socket": "56", "CPU max MHz": "3800.0000"}
    )
    assert processor(flat) == {
        "host_processor_model_name": "Xeon",
        "host_processors_per_node": "2",
        "host_processor_core_count": "56",
        "host_processor_frequency": "3800 MHz",
    }
    nested = {
        "field": "Vendor ID:",
        "data": "ARM",
        "children": [
            {"field": "Model name:", "data": "Neoverse-V2"},
            {"field": "L2 cache:", "data": "72 MiB"},
        ],
    }
    assert processor(json.dumps({"lscpu": [nested]})) == {
        "host_processor_model_name": "Neoverse-V2",
        "host_processor_caches": "L2 72 MiB",
    }


def test_what_lscpu_does_not_tell_is_left_out() -> None:
    assert processor("") == {}
    assert processor("no json") == {}
    assert processor(_lscpu(**{"Model name": "-", "Socket(s)": ""})) == {}


def test_disks_are_summed_and_the_kernels_own_devices_are_not(tmp_path: Path) -> None:
    for name, sectors, rotational in [
        ("nvme0n1", 2_000_000_000, "0"),
        ("sda", 1_000_000_000, "1"),
        ("loop0", 8000, "0"),
        ("zram0", 8000, "0"),
        ("sr0", 0, "1"),
    ]:
        _file(tmp_path / name / "size", str(sectors))
        _file(tmp_path / name / "queue" / "rotational", rotational)
    assert storage(tmp_path) == {"host_storage_capacity": "1536 GB", "host_storage_type": "HDD, NVMe SSD"}
    assert storage(tmp_path / "absent") == {}


def test_cards_are_counted_by_driver_and_speed_and_virtual_interfaces_are_not(tmp_path: Path) -> None:
    drivers = tmp_path / "drivers"
    for name, kind, driver, speed in [
        ("ib0", "32", "mlx5_core", "400000"),
        ("ib1", "32", "mlx5_core", "400000"),
        ("eth0", "1", "virtio_net", "-1"),
    ]:
        _file(tmp_path / "net" / name / "type", kind)
        _file(tmp_path / "net" / name / "speed", speed)
        (tmp_path / "net" / name / "device").mkdir()
        (drivers / driver).mkdir(parents=True, exist_ok=True)
        (tmp_path / "net" / name / "device" / "driver").symlink_to(drivers / driver)
    _file(tmp_path / "net" / "docker0" / "type", "1")
    assert network(tmp_path / "net") == {
        "host_networking": "Ethernet, InfiniBand",
        "host_network_card_count": "2x mlx5_core 400 Gbit/s, 1x virtio_net",
    }
    assert network(tmp_path / "absent") == {}


def test_accelerators_are_counted_and_their_absence_is_said_in_every_field() -> None:
    devices = [Accelerator(index=index, name="NVIDIA H200", memory_bytes=141 * GIB) for index in range(8)]
    assert accelerators(devices) == {
        "accelerators_per_node": "8",
        "accelerator_model_name": "NVIDIA H200",
        "accelerator_memory_capacity": "141 GiB",
    }
    none = accelerators([])
    assert none.pop("accelerators_per_node") == "0"
    assert len(none) == 8
    assert set(none.values()) == {"N/A"}


def test_this_machine_tells_something_and_nothing_empty() -> None:
    fields = detect()
    assert {"host_memory_capacity", "operating_system", "other_software_stack"} <= fields.keys()
    assert all(fields.values())
